"""Convex obstacles: how far points are outside them, and whether they block a line of sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from transphy3d.assets.geometry import FloatArray

# A sight line that touches its goal's own surroundings is not blocked by them.
SIGHT_SHARE = 0.985
PARALLEL = 1e-12


@dataclass(frozen=True)
class Obstacle:
    """A convex solid as half spaces: normal . p + offset <= 0 inside; (F, 3) and (F,)."""

    normals: FloatArray
    offsets: FloatArray


def obstacle(points: FloatArray) -> Obstacle:
    """The convex hull of (K, 3) points, metres."""
    planes = np.unique(ConvexHull(points, qhull_options="QJ Pp").equations.round(9), axis=0)
    return Obstacle(planes[:, :3], planes[:, 3])


def clearance(points: FloatArray, obstacles: Sequence[Obstacle]) -> float:
    """The least distance of (N, 3) points from all obstacles, metres, negative inside one.

    It is the distance from the nearest face's plane, never more than the true distance.
    """
    gaps = [(points @ item.normals.T + item.offsets).max(axis=1).min() for item in obstacles]
    return float(min(gaps, default=np.inf))


def in_sight(
    eyes: FloatArray, goals: FloatArray, obstacles: Sequence[Obstacle]
) -> NDArray[np.bool_]:
    """Which of (N, 3) goals can be seen from each of (T, 3) eyes; (T, N).

    A segment passes a convex solid where it is inside all half spaces at once (Cyrus and Beck,
    IEEE Trans. Computers 1978).
    """
    seen = np.ones((len(eyes), len(goals)), dtype=bool)
    for item in obstacles:
        start = eyes @ item.normals.T + item.offsets
        end = goals @ item.normals.T + item.offsets
        seen &= ~_crosses(start, end)
    return seen


def _crosses(start: FloatArray, end: FloatArray) -> NDArray[np.bool_]:
    """Whether segments enter a solid; (T, F) and (N, F) signed distances of their ends."""
    change = end[None] - start[:, None]
    change = np.where(np.abs(change) < PARALLEL, PARALLEL, change)
    at = -start[:, None] / change
    enter = np.where(change < 0, at, -np.inf).max(axis=-1)
    leave = np.where(change > 0, at, np.inf).min(axis=-1)
    crossed: NDArray[np.bool_] = np.maximum(enter, 0.0) < np.minimum(leave, SIGHT_SHARE)
    return crossed
