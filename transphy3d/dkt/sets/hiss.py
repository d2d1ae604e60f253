"""HISS (Wei et al. 2024, D3RoMa): single pictures of simulated rooms, 640x360.

    {train,val}/{scene}/**/{0000}_color.png, _depth.exr (metres), _simDepthImage.exr (simulated
    sensor), _mask.png; {train,val}/bad_his.txt: a damaged frame's file and a figure in each line

Its _normal.png are in the axes of a world whose cameras are not published, so they are not read.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.sets.decode import exr_depth, picture, plain_png
from transphy3d.dkt.sets.folder import Files, Found, Note, folders, has, search
from transphy3d.dkt.sets.kind import Opened, SetKind, stills
from transphy3d.dkt.sets.recording import wide_camera

VALID = (0.1, 5.0)  # metres, what its renderer clips at
FOV = float(np.radians(71.28))
BAD_LIST = "bad_his.txt"
# Its authors leave out what lies on such furniture.
UNUSED = re.compile("glass|mirror|bed")
UNLABELLED = 1  # 0 is the background, labels start above


def instances(path: Path) -> NDArray[np.int32]:
    """1 where something labelled is, from colours (black = none) or numbers of labels."""
    stored: NDArray[Any] = plain_png(path)
    labelled = stored > UNLABELLED if stored.ndim == 2 else (stored[..., :3] != 0).any(-1)
    return labelled.astype(np.int32)


TRUTH = Files("{}_depth.exr", partial(exr_depth, VALID))
CHANNELS = {
    "rgb": Files("{}_color.png", picture),
    "depth": TRUTH,
    "sensor": Files("{}_simDepthImage.exr", partial(exr_depth, VALID)),
    "instance": Files("{}_mask.png", instances),
}


def find(root: Path, split: str) -> Opened:
    """Every picture of a split; `root` may be HISS or the folder above it."""
    top = next((p for p in (root / "HISS" / split, root / split) if p.is_dir()), None)
    if top is None:
        return Opened()
    bad = listed(top / BAD_LIST, split)
    opened = Opened()
    for folder in folders(top):
        if has(folder, "_color.png"):
            place = folder.relative_to(top).as_posix()
            found = usable(search(folder, CHANNELS), place, bad)
            opened += stills(folder, place, found, TRUTH, partial(wide_camera, FOV))
    return opened


def listed(path: Path, split: str) -> frozenset[str]:
    """Frames that a list of damaged files names, as "folder/0000" below the split's folder."""
    if not path.is_file():
        return frozenset()
    files = [line.split()[0] for line in path.read_text().splitlines() if line.strip()]
    below = [PurePosixPath(file.split(f"HISS/{split}/")[-1]) for file in files]
    return frozenset(str(place.parent / place.name.split("_")[0]) for place in below)


def usable(found: Found, place: str, bad: frozenset[str]) -> Found:
    """Without frames that the list names, and folders that the authors leave out."""
    reasons = {
        frame: f"left out: named in {BAD_LIST}" if f"{place}/{frame}" in bad else ""
        for frame in found.ids
    }
    if UNUSED.search(place):
        reasons = dict.fromkeys(found.ids, "left out: on glass, mirror or bed, as its authors do")
    notes = tuple(Note(f"{place}/{frame}", reason) for frame, reason in reasons.items() if reason)
    kept = tuple(frame for frame in found.ids if not reasons[frame])
    return replace(found, ids=kept, notes=found.notes + notes)


KIND = SetKind(
    splits=("train", "val"),
    train="train",
    test="val",
    frame_wise=True,
    normals=False,
    expected="HISS/{train,val}/{scene}/**/{0000}_color.png beside _depth.exr",
    find=find,
    valid=VALID,
)
