"""ClearGrasp (Sajjan et al. 2020): single pictures of transparent things, simulated and real.

    simulated  {object}/rgb-imgs/{id}-rgb.jpg, depth-imgs-rectified/{id}-depth-rectified.exr,
               camera-normals/{id}-cameraNormals.exr, segmentation-masks/{id}-segmentation-mask.png
    real       {camera}/{id}-transparent-rgb-img.jpg, -opaque-depth-img.exr (the same things,
               painted), -transparent-depth-img.exr (sensor), -mask.png, -normals.exr

OpenEXR files hold half floats, depth in metres three times.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.sets.decode import (
    ALL_DEPTHS,
    OPENGL,
    exr_depth,
    exr_normals,
    picture,
    plain_png,
)
from transphy3d.dkt.sets.folder import Files, folders, has, search
from transphy3d.dkt.sets.kind import Opened, SetKind, stills
from transphy3d.dkt.sets.recording import wide_camera

# Radians, horizontal, of the simulated camera; the set's tools take it for the real ones too.
FOV = 1.2112585306167603
REAL = ("real", "real-test", "real-val")
SIMULATED = ("train", "synthetic-test", "synthetic-val")
PICTURES = "rgb-imgs"


def instances(path: Path) -> NDArray[np.int32]:
    """1 where something transparent is."""
    stored = plain_png(path)
    return ((stored if stored.ndim == 2 else stored[..., 0]) > 0).astype(np.int32)


DEPTH = partial(exr_depth, ALL_DEPTHS)
NORMALS = partial(exr_normals, OPENGL)
SIMULATED_TRUTH = Files("depth-imgs-rectified/{}-depth-rectified.exr", DEPTH)
SIMULATED_CHANNELS = {
    "rgb": Files(f"{PICTURES}/{{}}-rgb.jpg", picture),
    "depth": SIMULATED_TRUTH,
    "normal": Files("camera-normals/{}-cameraNormals.exr", NORMALS),
    "instance": Files("segmentation-masks/{}-segmentation-mask.png", instances),
}
REAL_TRUTH = Files("{}-opaque-depth-img.exr", DEPTH)
REAL_CHANNELS = {
    "rgb": Files("{}-transparent-rgb-img.jpg", picture),
    "depth": REAL_TRUTH,
    "sensor": Files("{}-transparent-depth-img.exr", DEPTH),
    "normal": Files("{}-normals.exr", NORMALS),
    "instance": Files("{}-mask.png", instances),
}


def find(root: Path, split: str) -> Opened:
    """Every picture of a split anywhere below a folder.

    "real" is all real ones; other names are those of the published folders, but "train": the
    simulated ones that are for neither test nor validation.
    """
    opened = Opened()
    for folder in folders(root):
        parts = folder.relative_to(root.parent).parts
        if split in REAL and has(folder, "-transparent-rgb-img.jpg"):
            chosen, truth = REAL_CHANNELS, REAL_TRUTH
        elif split in SIMULATED and (folder / PICTURES).is_dir():
            chosen, truth = SIMULATED_CHANNELS, SIMULATED_TRUTH
        else:
            continue
        if _belongs(parts, split):
            found = search(folder, chosen)
            name = folder.relative_to(root.parent).as_posix()
            opened += stills(folder, name, found, truth, partial(wide_camera, FOV))
    return opened


def _belongs(parts: tuple[str, ...], split: str) -> bool:
    if split == "real":
        return True
    if split == "train":
        return not set(parts) & set(SIMULATED[1:])
    return split in parts


KIND = SetKind(
    splits=(*REAL, *SIMULATED),
    train="train",
    test="real",
    frame_wise=True,
    normals=True,
    expected=(
        "{object}/rgb-imgs/*-rgb.jpg beside depth-imgs-rectified/, or "
        "{camera}/*-transparent-rgb-img.jpg beside -opaque-depth-img.exr"
    ),
    find=find,
)
