"""Temporal alignment error: does depth of one frame, moved to the next, agree with it there?

The measure of Video Depth Anything (Chen et al. 2025), with occlusion judged by the truth: a
point counts only if the truth itself, moved the same way, lands where the next frame sees it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
SEEN = 0.02  # relative depth within which the moved truth and the next frame's agree


def temporal_alignment_error(
    depth: Floats, truth: Floats, intrinsics: Floats, world_to_camera: Floats
) -> float:
    """Percent: mean over neighbouring frames, both directions, of |moved - seen| / seen.

    depth, truth : (T, H, W) metres, aligned; truth 0 = unknown
    intrinsics : (3, 3); world_to_camera : (T, 4, 4)
    Raises ValueError for fewer than two frames or if no point is seen twice.
    """
    if len(depth) < 2:
        raise ValueError("depth: one frame has no next one; hand in two or more")
    errors = [
        _pair(depth, truth, intrinsics, world_to_camera, a, b)
        for t in range(len(depth) - 1)
        for a, b in ((t, t + 1), (t + 1, t))
    ]
    found = [error for error in errors if error is not None]
    if not found:
        raise ValueError("truth: no point is seen in two neighbouring frames")
    return 100 * float(np.mean(found))


def _pair(
    depth: Floats, truth: Floats, intrinsics: Floats, poses: Floats, a: int, b: int
) -> float | None:
    v, u = np.nonzero(truth[a] > 0)
    move = poses[b] @ np.linalg.inv(poses[a])
    seen = _landing(truth, intrinsics, move, (u, v), (a, b))
    if not seen.any():
        return None
    u, v = u[seen], v[seen]
    moved, column, row = _project(depth[a][v, u], u, v, intrinsics, move)
    inside = _inside(column, row, moved, depth.shape[1:])
    there = depth[b][row[inside], column[inside]]
    return float(np.mean(np.abs(moved[inside] - there) / there)) if inside.any() else None


def _landing(
    truth: Floats, intrinsics: Floats, move: Floats, pixels: Any, pair: tuple[int, int]
) -> NDArray[np.bool_]:
    """Which pixels' true points the other frame sees where they land."""
    (u, v), (a, b) = pixels, pair
    moved, column, row = _project(truth[a][v, u], u, v, intrinsics, move)
    inside = _inside(column, row, moved, truth.shape[1:])
    seen = np.zeros(len(u), bool)
    there = truth[b][row[inside], column[inside]]
    seen[inside] = (there > 0) & (np.abs(moved[inside] - there) < SEEN * there)
    return seen


def _project(
    z: Floats, u: Any, v: Any, intrinsics: Floats, move: Floats
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Depth, column and row of pixels at depth z, seen after the camera's move."""
    rays = np.stack([u + 0.5, v + 0.5, np.ones(len(u))]).astype(np.float64)
    points = np.linalg.inv(intrinsics) @ rays * z
    moved = move[:3, :3] @ points + move[:3, 3:]
    with np.errstate(divide="ignore", invalid="ignore"):
        projected = (intrinsics @ moved)[:2] / moved[2]
    column, row = np.floor(np.nan_to_num(projected, nan=-1, posinf=-1, neginf=-1)).astype(np.int64)
    return moved[2], column, row


def _inside(column: Any, row: Any, z: Floats, size: tuple[int, ...]) -> NDArray[np.bool_]:
    height, width = size
    return np.asarray((column >= 0) & (column < width) & (row >= 0) & (row < height) & (z > 0))
