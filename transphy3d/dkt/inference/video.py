"""Frames from a file, a folder, a picture or an array, one at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.inference.decoding import Frame, announced_frames, decoded, stream_facts
from transphy3d.dkt.inference.pictures import is_picture, pictures, read_picture
from transphy3d.errors import ShardError

DEFAULT_FPS = 24.0


@dataclass(frozen=True)
class Video:
    """A video that can be read once or more: iterate it for (H, W, 3) uint8 RGB frames.

    fps : the mean where frames are not evenly spaced; frames : how many to read, None for all
    """

    source: Path | NDArray[np.uint8]
    fps: float
    size: tuple[int, int]
    frames: int | None = None

    def __iter__(self) -> Iterator[Frame]:
        return (frame for _, frame in self.timed())

    def timed(self) -> Iterator[tuple[float, Frame]]:
        """Each frame with its time in seconds after the first."""
        found = itertools.islice(_timed(self.source, self.fps), self.frames)
        for number, (seconds, frame) in enumerate(found, 1):
            if frame.shape[:2] != self.size:
                raise ShardError(
                    f"{self.name}: frame {number} is {frame.shape[1]}x{frame.shape[0]}, the first "
                    f"{self.size[1]}x{self.size[0]}; frames of one size are needed"
                )
            yield seconds, frame

    @property
    def announced(self) -> int | None:
        """How many frames there are, by what is known without decoding them; None if unknown."""
        if is_file(self.source):
            found = announced_frames(self.source)
        elif isinstance(self.source, Path):
            found = len(pictures(self.source)) if self.source.is_dir() else 1
        else:
            found = len(self.source)
        return min(found, self.frames or found) if found else None

    @property
    def name(self) -> str:
        return str(self.source) if isinstance(self.source, Path) else "array"


def open_video(
    source: Path | str | NDArray[Any], fps: float | None = None, frames: int | None = None
) -> Video:
    """A video file, a picture, a folder of pictures in natural order, or an array of frames.

    source : an array is (T, H, W, 3) uint8
    fps : of pictures and arrays, and instead of what a file says; frames : the first ones alone
    Raises ShardError, naming the source, if it holds no picture that can be decoded.
    """
    if not isinstance(source, np.ndarray):
        source = Path(source)
        if not source.exists():
            raise ShardError(f"{source}: there is no such video or folder; check the path")
    elif source.ndim != 4 or source.shape[-1] != 3 or source.dtype != np.uint8:
        raise ShardError(f"array: {source.dtype} {source.shape} is not (T, H, W, 3) uint8")
    rate = fps or _fps(source)
    _, first = next(_timed(source, rate), (0.0, None))
    if first is None:
        raise ShardError(f"{source}: holds no picture that can be decoded")
    return Video(source, rate, (first.shape[0], first.shape[1]), frames)


def is_file(source: Path | NDArray[np.uint8]) -> TypeGuard[Path]:
    """Whether a source is a video file rather than pictures or an array."""
    return isinstance(source, Path) and not source.is_dir() and not is_picture(source)


def _timed(source: Path | NDArray[np.uint8], fps: float) -> Iterator[tuple[float, Frame]]:
    if is_file(source):
        yield from decoded(source)
        return
    for number, frame in enumerate(_pictures(source)):
        yield number / fps, frame


def _pictures(source: Path | NDArray[np.uint8]) -> Iterator[Frame]:
    if isinstance(source, np.ndarray):
        yield from source
    else:
        yield from map(read_picture, pictures(source) if source.is_dir() else [source])


def _fps(source: Path | NDArray[np.uint8]) -> float:
    rate = stream_facts(source)[0] if is_file(source) else None
    return rate or DEFAULT_FPS
