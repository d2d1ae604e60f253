"""DREDS (simulated single pictures) and STD (real videos), both of Dai et al. 2022.

    DREDS-CatKnown/{train,val,test}/**/{0000}_color.png, _depth_120.exr (metres),
    _simDepthImage.exr (simulated sensor), _mask.exr (255 R = object, 255 = none), _normal.exr
    STD-CatKnown/**/test_{n}/ and STD-CatNovel/**/{0000}_color.png, _gt_depth.exr or _depth_0.exr,
    _depth_415.exr (sensor), _mask.png (255 = none)

Simulated pictures are 1280x720 and their truth 640x360: the truth's size counts.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.sets.decode import (
    OPENGL,
    exr_depth,
    exr_normals,
    exr_plane,
    picture,
    plain_png,
)
from transphy3d.dkt.sets.folder import Files, folders, has, search
from transphy3d.dkt.sets.kind import Opened, SetKind, stills, video
from transphy3d.dkt.sets.recording import Camera, Size, wide_camera

VALID = (0.2, 2.0)  # metres, as the sets' own evaluation counts
NOTHING = 255  # in masks
FOV = float(np.radians(71.28))  # horizontal, of the simulated camera
# Of the real camera at its full size; its pixels have their centres at whole numbers.
REAL_SIZE = (720, 1280)
REAL_FOCALS = (918.295227050781, 917.5439453125)
REAL_FPS = 30.0


def instances(index: NDArray[Any]) -> NDArray[np.int32]:
    """Objects from 1, 0 = none, of a mask with objects from 0."""
    numbers = np.rint(index).astype(np.int32)
    return np.where(numbers == NOTHING, 0, numbers + 1).astype(np.int32)


def exr_instances(path: Path) -> NDArray[np.int32]:
    """From a mask of OpenEXR, whose red is the number divided by 255."""
    return instances(exr_plane(path, ("R",)) * 255)


def png_instances(path: Path) -> NDArray[np.int32]:
    """From a mask of PNG."""
    stored = plain_png(path)
    return instances(stored if stored.ndim == 2 else stored[..., 0])


DEPTH = partial(exr_depth, VALID)
SIMULATED_TRUTH = Files("{}_depth_120.exr", DEPTH)
SIMULATED = {
    "rgb": Files("{}_color.png", picture),
    "depth": SIMULATED_TRUTH,
    "sensor": Files("{}_simDepthImage.exr", DEPTH),
    "normal": Files("{}_normal.exr", partial(exr_normals, OPENGL)),
    "instance": Files("{}_mask.exr", exr_instances),
}
REAL_TRUTHS = (Files("{}_gt_depth.exr", DEPTH), Files("{}_depth_0.exr", DEPTH))
REAL = {
    "rgb": Files("{}_color.png", picture),
    "sensor": Files("{}_depth_415.exr", DEPTH),
    "instance": Files("{}_mask.png", png_instances),
}
STD_FOLDERS = {"catknown": "STD-CatKnown", "catnovel": "STD-CatNovel"}


def find_simulated(root: Path, split: str) -> Opened:
    """Every picture of a split; `root` may be DREDS-CatKnown or the folder above it."""
    top = next((p for p in (root / "DREDS-CatKnown" / split, root / split) if p.is_dir()), None)
    opened = Opened()
    for folder in folders(top) if top else ():
        if has(folder, "_color.png"):
            found = search(folder, SIMULATED)
            name = folder.relative_to(top).as_posix() if top else folder.name
            opened += stills(folder, name, found, SIMULATED_TRUTH, partial(wide_camera, FOV))
    return opened


def find_real(root: Path, split: str) -> Opened:
    """Every video of a split; `root` may be the split's folder or the one above it."""
    top = root if root.name == STD_FOLDERS[split] else root / STD_FOLDERS[split]
    opened = Opened()
    for folder in folders(top) if top.is_dir() else ():
        test = split == "catnovel" or folder.name.startswith("test_")
        if test and has(folder, "_color.png"):
            truth = next((t for t in REAL_TRUTHS if has(folder, t.template[2:])), REAL_TRUTHS[0])
            found = search(folder, REAL | {"depth": truth})
            name = folder.relative_to(top.parent).as_posix()
            opened += video(folder, name, found, truth, REAL_FPS, film_real)
    return opened


def film_real(path: Path, ids: tuple[str, ...], size: Size) -> Camera:
    """The real camera, looking through the middle of the picture."""
    scale = size[1] / REAL_SIZE[1]
    (fx, fy), (height, width) = REAL_FOCALS, size
    return Camera(np.array([[fx * scale, 0, width / 2], [0, fy * scale, height / 2], [0, 0, 1.0]]))


DREDS = SetKind(
    splits=("train", "val", "test"),
    train="train",
    test="test",
    frame_wise=True,
    normals=True,
    expected="DREDS-CatKnown/{train,val,test}/**/{0000}_color.png beside _depth_120.exr",
    find=find_simulated,
    valid=VALID,
)
STD = SetKind(
    splits=tuple(STD_FOLDERS),
    train=None,
    test="catknown",
    frame_wise=False,
    normals=False,
    expected="STD-CatKnown/test_{n}/{0000}_color.png beside _gt_depth.exr (or STD-CatNovel/...)",
    find=find_real,
    valid=VALID,
)
