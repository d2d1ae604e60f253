"""Some frames of a recording, as a recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transphy3d.shards.reader import Array, Frames, frame_numbers
from transphy3d.shards.recording import Channel, Recording


@dataclass(frozen=True, eq=False)
class Excerpt:
    """The frames `numbers` of a recording, in this order."""

    whole: Recording
    numbers: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, name: str) -> Channel:
        return ExcerptChannel(self.whole[name], self.numbers)

    def read(self, *channels: str, frames: Frames = slice(None)) -> dict[str, Array]:
        """Frames of several channels, all if none is named."""
        return {name: self[name][frames] for name in channels or self.channels}

    @property
    def path(self) -> Path:
        """Of the whole recording."""
        return self.whole.path

    @property
    def name(self) -> str:
        """Of the whole recording."""
        return self.whole.name

    @property
    def height(self) -> int:
        """Pixels."""
        return self.whole.height

    @property
    def width(self) -> int:
        """Pixels."""
        return self.whole.width

    @property
    def fps(self) -> float:
        """Of the whole recording, whatever frames were taken."""
        return self.whole.fps

    @property
    def channels(self) -> tuple[str, ...]:
        """Of the whole recording."""
        return self.whole.channels

    @property
    def intrinsics(self) -> NDArray[np.float64]:
        """(3, 3) pixels."""
        return self.whole.intrinsics

    @property
    def world_to_camera(self) -> NDArray[np.float64] | None:
        """(T, 4, 4) of the frames taken."""
        poses = self.whole.world_to_camera
        return None if poses is None else poses[list(self.numbers)]


@dataclass(frozen=True)
class ExcerptChannel:
    """A channel of an excerpt."""

    whole: Channel
    numbers: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """As of any channel."""
        return (len(self), *self.whole.shape[1:])

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, frames: Frames) -> Array:
        chosen = frame_numbers(frames, len(self))
        if isinstance(chosen, int):
            return self.whole[self.numbers[chosen]]
        return self.whole[[self.numbers[number] for number in chosen]]


def excerpt(recording: Recording, count: int | None, stride: int = 1) -> Recording:
    """Every `stride`-th frame from the first on, at most `count` of them."""
    numbers = tuple(range(0, len(recording), stride)[:count])
    return recording if len(numbers) == len(recording) else Excerpt(recording, numbers)


def origin(recording: Recording) -> tuple[Recording, tuple[int, ...]]:
    """The stored recording that an excerpt, or an excerpt of one, is of, and which frames."""
    numbers = tuple(range(len(recording)))
    while isinstance(recording, Excerpt):
        numbers = tuple(recording.numbers[number] for number in numbers)
        recording = recording.whole
    return recording, numbers
