"""Depth of one frame carried into another by the camera poses, and compared with its depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from transphy3d.groundtruth.camera import in_frame, invert_rigid, project, transform, unproject

Array = NDArray[Any]


@dataclass(frozen=True)
class Reprojection:
    """Pixels of a frame that land inside another, N of them.

    residual : (N,) carried depth over the other frame's depth there, minus 1; interpolated
        between pixels in 1/z, in which planes are linear; inf where nothing was hit there
    floating : (N,) bool; in front of everything that the other frame sees within a pixel, which
        cannot be in a static scene
    """

    residual: Array
    floating: NDArray[np.bool_]


def carry(depth: Array, pose: Array, other_pose: Array, intrinsics: Array) -> tuple[Array, Array]:
    """Where the pixels with a surface land in the other frame: positions (N, 2), depths (N,)."""
    points = unproject(depth, intrinsics)[depth > 0]
    return project(transform(other_pose @ invert_rigid(pose), points), intrinsics)


def reproject(
    depth: Array,
    other_depth: Array,
    pose: Array,
    other_pose: Array,
    intrinsics: Array,
    tolerance: float = 0.002,
) -> Reprojection:
    """Compare two frames of a static scene, occlusion apart.

    depth, other_depth : (H, W) metres, 0 = nothing hit
    pose, other_pose : world to camera, 4x4
    tolerance : share of the depth by which a floating point must stand out
    """
    positions, z = carry(depth, pose, other_pose, intrinsics)
    inside = in_frame(positions, other_depth.shape, margin=1.0)
    positions, z = positions[inside], z[inside]
    inverse = np.divide(1.0, other_depth, out=np.zeros(other_depth.shape), where=other_depth > 0)
    column, row = np.floor(positions).astype(int).T
    nearest = ndimage.maximum_filter(inverse, 3)[row, column]
    there = ndimage.map_coordinates(inverse, positions[:, ::-1].T - 0.5, order=1)
    return Reprojection(
        residual=np.where(there > 0, z * there - 1, np.inf),
        floating=z * nearest < 1 - tolerance,
    )
