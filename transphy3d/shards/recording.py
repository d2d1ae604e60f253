"""What training and evaluation ask of a video with truth, wherever it is stored.

Sequences of shards fulfil it, and so do readers of other data sets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from transphy3d.shards.reader import Array, Frames


class Channel(Protocol):
    """One channel; index it by frames to get arrays, as `ChannelReader` says."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W), or (T, H, W, 3) for rgb and normal."""

    def __len__(self) -> int: ...

    def __getitem__(self, frames: Frames) -> Array: ...


class Recording(Protocol):
    """Frames in order with what is known of them, read when asked for.

    Channels by name, in the units and axes of the shards: "rgb" and "depth", and where they are
    known "normal", "instance" (0 = no object) and "sensor": a sensor's depth, 0 = none.
    """

    @property
    def path(self) -> Path:
        """File or folder that holds it."""

    @property
    def name(self) -> str:
        """Unique in its data set."""

    @property
    def height(self) -> int:
        """Pixels."""

    @property
    def width(self) -> int:
        """Pixels."""

    @property
    def fps(self) -> float:
        """Frames per second."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of what is known."""

    @property
    def intrinsics(self) -> NDArray[np.float64]:
        """(3, 3) pixels."""

    @property
    def world_to_camera(self) -> NDArray[np.float64] | None:
        """(T, 4, 4) OpenCV axes, metres; None if no pose is known."""

    def __len__(self) -> int:
        """Frames."""

    def __getitem__(self, name: str) -> Channel: ...

    def read(self, *channels: str, frames: Frames = slice(None)) -> dict[str, Array]:
        """Frames of several channels."""
