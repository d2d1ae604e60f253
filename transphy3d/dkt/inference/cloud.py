"""Coloured point clouds as binary PLY."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.inference.view import Stage, View
from transphy3d.files import write_bytes
from transphy3d.groundtruth.camera import unproject

ABOUT = (
    "x, y, z in metres, OpenCV camera axes (x right, y down, z forward) of that frame; red, "
    "green, blue of the video; one point a pixel, row by row"
)
ROW = [(axis, "<f4") for axis in ("x", "y", "z")] + [(c, "u1") for c in ("red", "green", "blue")]
PLY_TYPES = {"<f4": "float", "u1": "uchar"}


class CloudWriter:
    """A point cloud of every n-th frame, named by the frame's number from 0."""

    def __init__(self, folder: Path, stage: Stage, every: int) -> None:
        folder.mkdir()
        self._folder, self._intrinsics, self._every = folder, stage.intrinsics, every

    def add(self, view: View) -> None:
        if view.depth is not None and view.number % self._every == 0:
            cloud = unproject(view.depth, self._intrinsics)
            write_ply(self._folder / f"{view.number:06d}.ply", cloud, view.picture)

    def close(self) -> None:
        """Nothing is left open."""

    def describe(self) -> dict[str, Any]:
        return {"points": ABOUT, "every": self._every}


def write_ply(path: Path, cloud: NDArray[np.floating[Any]], colours: NDArray[np.uint8]) -> None:
    """A binary PLY file of points (..., 3) in metres with colours (..., 3) uint8."""
    rows = np.empty(cloud[..., 0].size, ROW)
    columns = np.concatenate([cloud.reshape(-1, 3), colours.reshape(-1, 3)], 1).T
    for (name, _), column in zip(ROW, columns, strict=True):
        rows[name] = column
    fields = "".join(f"property {PLY_TYPES[code]} {name}\n" for name, code in ROW)
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(rows)}\n{fields}end_header\n"
    )
    write_bytes(path, header.encode("ascii") + rows.tobytes())
