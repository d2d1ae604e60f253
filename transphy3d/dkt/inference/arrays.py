"""Everything that was seen in a video as one .npz archive of float32 arrays."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.inference.view import Stage, View

ABOUT = {
    "disparity": "(T, H, W) in [0, 1], near = 1; affine in 1 / depth, the same for every frame",
    "depth": "(T, H, W) metres along the camera's z",
    "normal": "(T, H, W, 3) unit, toward the camera; x right, y down, z forward",
    "seconds": "(T,) time of each frame after the first",
    "intrinsics": "(3, 3) pixels; the centre of the top left pixel is at (0.5, 0.5)",
}


class NpzWriter:
    """Frames go to raw files, then into the archive as one array each, uncompressed."""

    def __init__(self, path: Path, stage: Stage) -> None:
        self._path, self._stage = path, stage
        seen = ["normal"] if stage.task == "normal" else ["disparity"]
        names = [*seen, "depth"] if stage.scale else seen
        self._raw: dict[str, BinaryIO] = {
            name: path.with_name(f"{path.name}.{name}").open("w+b") for name in names
        }
        self._seconds: list[float] = []

    def add(self, view: View) -> None:
        for name, raw in self._raw.items():
            values = view.depth if name == "depth" else view.seen
            raw.write(np.ascontiguousarray(values, "<f4").tobytes())
        self._seconds.append(view.seconds)

    def close(self) -> None:
        with zipfile.ZipFile(self._path, "w", allowZip64=True) as archive:
            for name, raw in self._raw.items():
                tail = (*self._stage.size, 3) if name == "normal" else self._stage.size
                _store(archive, name, raw, (len(self._seconds), *tail))
            _store_small(archive, "seconds", np.array(self._seconds))
            _store_small(archive, "intrinsics", self._stage.intrinsics)

    def describe(self) -> dict[str, Any]:
        return {name: ABOUT[name] for name in (*self._raw, "seconds", "intrinsics")}


def _store(archive: zipfile.ZipFile, name: str, raw: BinaryIO, shape: tuple[int, ...]) -> None:
    """Move a raw file into the archive."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    raw.seek(0)
    with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
        np.lib.format.write_array_header_2_0(entry, header)  # type: ignore[no-untyped-call]
        shutil.copyfileobj(raw, entry)
    raw.close()
    Path(raw.name).unlink()


def _store_small(archive: zipfile.ZipFile, name: str, values: NDArray[np.float64]) -> None:
    with archive.open(f"{name}.npy", "w") as entry:
        np.lib.format.write_array(entry, values)  # type: ignore[no-untyped-call]
