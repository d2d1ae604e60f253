"""One frame of a video and what was seen in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.config import Task
from transphy3d.dkt.inference.metres import Scale


@dataclass(frozen=True)
class View:
    """number : from 0; seconds : after the first frame; picture : (H, W, 3) uint8 RGB.

    seen : (H, W) float32 disparity in [0, 1], near = 1, or (H, W, 3) unit normals
    depth : (H, W) float32 metres, None where no scale is known
    """

    number: int
    seconds: float
    picture: NDArray[np.uint8]
    seen: NDArray[np.float32]
    depth: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Stage:
    """What all views of a video share.

    size : (height, width); intrinsics : (3, 3); scale : None where metres are not known
    """

    task: Task
    fps: float
    size: tuple[int, int]
    intrinsics: NDArray[np.float64]
    scale: Scale | None = None


class Writer(Protocol):
    """Takes the views of one video in order and holds none."""

    def add(self, view: View) -> None:
        """Write one view."""

    def close(self) -> None:
        """All views were added."""

    def describe(self) -> dict[str, Any]:
        """What the file holds, for people and programs: arrays or channels, their units."""
