"""Temporal alignment error: does depth of one frame, moved to the next, agree with it there?

The measure of Video Depth Anything (Chen et al. 2025), with occlusion judged by the truth: a
point counts only if the truth itself, moved the same way, lands where the next frame sees it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transphy3d.groundtruth.camera import in_frame
from transphy3d.groundtruth.reproject import carry

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
    kept = _seen_twice(truth[a], truth[b], poses[a], poses[b], intrinsics)
    positions, z = carry(np.where(kept, depth[a], 0), poses[a], poses[b], intrinsics)
    inside, there = _under(positions, depth[b])
    return float(np.mean(np.abs(z[inside] - there) / there)) if inside.any() else None


def _seen_twice(
    truth: Floats, other: Floats, pose: Floats, other_pose: Floats, intrinsics: Floats
) -> NDArray[np.bool_]:
    """(H, W): which pixels' true points the other frame sees where they land."""
    positions, z = carry(truth, pose, other_pose, intrinsics)
    inside, there = _under(positions, other)
    landed = np.zeros(len(z), bool)
    landed[inside] = (there > 0) & (np.abs(z[inside] - there) < SEEN * there)
    seen = np.zeros(truth.shape, bool)
    seen[truth > 0] = landed
    return seen


def _under(positions: Floats, depth: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Which positions (N, 2) lie in the frame, and the depth of the pixel under each of those."""
    inside = in_frame(positions, depth.shape)
    column, row = np.floor(positions[inside]).astype(np.int64).T
    return inside, depth[row, column]
