"""Frames from a file, a folder, a camera or an array, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from transphy3d.errors import ShardError

Frame = NDArray[np.uint8]
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
DEFAULT_FPS = 24.0


@dataclass(frozen=True)
class Video:
    """A video that can be read once or more: iterate it for (H, W, 3) uint8 RGB frames."""

    source: Path | NDArray[np.uint8]
    fps: float
    size: tuple[int, int]

    def __iter__(self) -> Iterator[Frame]:
        number = 0
        for number, frame in enumerate(_frames(self.source), 1):
            if frame.shape[:2] != self.size:
                raise ShardError(
                    f"{self.name}: frame {number} is {frame.shape[1]}x{frame.shape[0]}, the first "
                    f"{self.size[1]}x{self.size[0]}; frames of one size are needed"
                )
            yield frame

    @property
    def name(self) -> str:
        return str(self.source) if isinstance(self.source, Path) else "array"


def open_video(source: Path | str | NDArray[Any], fps: float | None = None) -> Video:
    """A video file, a folder of pictures in the order of their names, or an array of frames.

    source : an array is (T, H, W, 3) uint8
    Raises ShardError, naming the source, if it holds no picture that can be decoded.
    """
    if not isinstance(source, np.ndarray):
        source = Path(source)
        if not source.exists():
            raise ShardError(f"{source}: there is no such video or folder; check the path")
    elif source.ndim != 4 or source.shape[-1] != 3 or source.dtype != np.uint8:
        raise ShardError(f"array: {source.dtype} {source.shape} is not (T, H, W, 3) uint8")
    first = next(_frames(source), None)
    if first is None:
        raise ShardError(f"{source}: holds no picture that can be decoded")
    return Video(source, fps or _fps(source), (first.shape[0], first.shape[1]))


def _frames(source: Path | NDArray[np.uint8]) -> Iterator[Frame]:
    if isinstance(source, np.ndarray):
        yield from source
    elif source.is_dir():
        for path in pictures(source):
            yield _picture(path)
    elif source.suffix.lower() in PICTURES:
        yield _picture(source)
    else:
        yield from _decoded(source)


def pictures(folder: Path) -> list[Path]:
    """The picture files of a folder, by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES)


def _picture(path: Path) -> Frame:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError) as error:
        raise ShardError(f"{path}: cannot be decoded ({error}); remove or replace it") from None


def _decoded(path: Path) -> Iterator[Frame]:
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ShardError(f"{path}: holds no video stream")
            for frame in container.decode(video=0):
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    except av.FFmpegError as error:
        raise ShardError(f"{path}: cannot be decoded ({error}); convert it to .mp4") from None


def _fps(source: Path | NDArray[np.uint8]) -> float:
    if isinstance(source, np.ndarray) or source.is_dir() or source.suffix.lower() in PICTURES:
        return DEFAULT_FPS
    try:
        with av.open(str(source)) as container:
            rate = container.streams.video[0].average_rate if container.streams.video else None
    except av.FFmpegError:
        rate = None
    return float(rate) if rate else DEFAULT_FPS
