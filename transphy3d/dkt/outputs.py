"""Writers of what was seen in a video: each takes frames one by one and holds none.

npz : disparity.npy or normal.npy, (T, H, W[, 3]) float32, in one uncompressed archive
png : a 16-bit picture a frame: round(65535 disparity), or round(65535 (n + 1) / 2)
exr : a float32 picture a frame, channel Z or X, Y, Z
mp4 : colours for people
ply : a point cloud a frame in metres, coloured by the video; needs a sensor's depth map
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

import av
import numpy as np
import OpenEXR
from numpy.typing import NDArray
from PIL import Image

from transphy3d.dkt.cloud import (
    Sensor,
    in_metres,
    metric_depth,
    write_ply,
)
from transphy3d.dkt.video import Video
from transphy3d.errors import JobError
from transphy3d.files import publish, scratch_name
from transphy3d.groundtruth.camera import fov_intrinsics, unproject
from transphy3d.preview.colour import depth_colours, normal_picture
from transphy3d.preview.video import add_stream, encodable, even

Format = Literal["npz", "png", "exr", "mp4", "ply"]
FORMATS: tuple[Format, ...] = ("npz", "png", "exr", "mp4", "ply")


class Writer(Protocol):
    """Takes the frames of one video in order."""

    def add(self, frame: NDArray[np.float32]) -> None:
        """Write one frame: (H, W) disparity or (H, W, 3) normals."""

    def close(self) -> None:
        """All frames were added."""


@contextmanager
def writers(
    out: Path, formats: Iterable[Format], video: Video, sensor: Sensor | None = None
) -> Iterator[list[Writer]]:
    """Writers into the folder `out`; what they write gets its name when all frames are in.

    sensor : of the video's first frame, for point clouds
    """
    out.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".writing-", dir=out))
    try:
        opened = [_open(kind, scratch, video, sensor) for kind in formats]
        yield opened
        for writer in opened:
            writer.close()
        for path in sorted(scratch.iterdir()):
            _publish(path, out / path.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _publish(path: Path, target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    publish(path, target)


def _open(kind: Format, folder: Path, video: Video, sensor: Sensor | None) -> Writer:
    if kind == "npz":
        return NpzWriter(folder / "prediction.npz")
    if kind == "mp4":
        return VideoWriter(folder / "prediction.mp4", video.fps, video.size)
    if kind == "ply":
        if sensor is None:
            raise JobError("--formats ply: needs metres; name the first frame's depth by --sensor")
        return CloudWriter(folder / kind, video, sensor)
    return PictureWriter(folder / kind, kind)


class NpzWriter:
    """Frames go to a raw file, then into the archive as one array."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._raw = scratch_name(path).open("wb")
        self._shape: tuple[int, ...] = ()
        self._count = 0

    def add(self, frame: NDArray[np.float32]) -> None:
        self._raw.write(np.ascontiguousarray(frame, "<f4").tobytes())
        self._shape = frame.shape
        self._count += 1

    def close(self) -> None:
        self._raw.close()
        raw = Path(self._raw.name)
        name = "normal.npy" if len(self._shape) == 3 else "disparity.npy"
        header = {"descr": "<f4", "fortran_order": False, "shape": (self._count, *self._shape)}
        with (
            zipfile.ZipFile(self._path, "w", allowZip64=True) as archive,
            archive.open(name, "w", force_zip64=True) as entry,
            raw.open("rb") as stored,
        ):
            np.lib.format.write_array_header_2_0(entry, header)  # type: ignore[no-untyped-call]
            shutil.copyfileobj(stored, entry)
        raw.unlink()


class PictureWriter:
    """A picture a frame, named by its number."""

    def __init__(self, folder: Path, kind: Literal["png", "exr"]) -> None:
        folder.mkdir()
        self._folder, self._kind, self._count = folder, kind, 0

    def add(self, frame: NDArray[np.float32]) -> None:
        path = self._folder / f"{self._count:06d}.{self._kind}"
        (_write_png if self._kind == "png" else _write_exr)(path, frame)
        self._count += 1

    def close(self) -> None:
        """Nothing is left open."""


def _write_png(path: Path, frame: NDArray[np.float32]) -> None:
    """16 bits: greyscale for disparity; normals as three of them side by side, x, y, z."""
    unit = (
        frame if frame.ndim == 2 else np.concatenate(list(((frame + 1) / 2).transpose(2, 0, 1)), 1)
    )
    Image.fromarray(np.round(unit.clip(0, 1) * 65535).astype(np.uint16)).save(path)


def _write_exr(path: Path, frame: NDArray[np.float32]) -> None:
    names = "Z" if frame.ndim == 2 else "XYZ"
    planes = frame.reshape(*frame.shape[:2], -1)
    channels = {name: np.ascontiguousarray(planes[..., k]) for k, name in enumerate(names)}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(path))


class CloudWriter:
    """A point cloud a frame. The first frame's scale holds for all: disparity is of the video."""

    def __init__(self, folder: Path, video: Video, sensor: Sensor) -> None:
        folder.mkdir()
        self._folder, self._sensor, self._count = folder, sensor, 0
        self._colours = iter(video)
        self._intrinsics = fov_intrinsics(sensor.fov, video.size[1], video.size[0])
        self._scale = (1.0, 0.0)

    def add(self, frame: NDArray[np.float32]) -> None:
        if frame.ndim == 3:
            raise JobError("--formats ply: points are made of depth; use --task depth")
        if not self._count:
            try:
                _, self._scale = metric_depth(frame, self._sensor.depth)
            except ValueError as error:
                raise JobError(f"--sensor: {error}") from None
        cloud = unproject(in_metres(frame, self._scale), self._intrinsics)
        write_ply(self._folder / f"{self._count:06d}.ply", cloud, next(self._colours))
        self._count += 1

    def close(self) -> None:
        """Nothing is left open."""


class VideoWriter:
    """H.264 for people, in the colours of the previews."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        self._container = av.open(str(path), "w")
        blank = np.zeros((*size, 3), np.uint8)
        self._stream = add_stream(self._container, even(blank), fps)

    def add(self, frame: NDArray[np.float32]) -> None:
        self._container.mux(self._stream.encode(encodable(even(coloured(frame)))))

    def close(self) -> None:
        self._container.mux(self._stream.encode())
        self._container.close()


def coloured(frame: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W, 3) colours of (H, W) disparity in [0, 1] or (H, W, 3) normals."""
    if frame.ndim == 3:
        return normal_picture(frame)
    picked: NDArray[np.uint8] = depth_colours()[np.rint(frame.clip(0, 1) * 255).astype(np.intp)]
    return picked
