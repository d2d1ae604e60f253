"""The pinhole camera: pixels, rays, depths and points.

Camera frame: OpenCV axes (x right, y down, z forward), metres. Pixel (u, v) has its centre at
(u + 0.5, v + 0.5). `intrinsics` is (3, 3) without skew.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
FloatArray = NDArray[np.float64]


def fov_intrinsics(fov: float, width: int, height: int) -> FloatArray:
    """K (3, 3) of square pixels with a horizontal field of view in degrees, centred."""
    focal = width / 2 / np.tan(np.radians(fov) / 2)
    return np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])


def pixel_rays(intrinsics: Array, height: int, width: int) -> FloatArray:
    """Rays through the pixel centres, (H, W, 3) float64 in the camera frame, z = 1."""
    x = (np.arange(width) + 0.5 - intrinsics[0, 2]) / intrinsics[0, 0]
    y = (np.arange(height) + 0.5 - intrinsics[1, 2]) / intrinsics[1, 1]
    rays = np.ones((height, width, 3))
    rays[..., 0] = x
    rays[..., 1] = y[:, None]
    return rays


def unproject(depth: Array, intrinsics: Array) -> FloatArray:
    """Points in the camera frame, (H, W, 3) metres, of planar depth (H, W); 0 stays 0."""
    return depth[..., None] * pixel_rays(intrinsics, *depth.shape)


def ray_distance(depth: Array, intrinsics: Array) -> FloatArray:
    """Distance along each pixel's ray, (H, W) metres, of planar depth (H, W)."""
    distance: FloatArray = np.linalg.norm(unproject(depth, intrinsics), axis=-1)
    return distance


def planar_depth(distance: Array, intrinsics: Array) -> FloatArray:
    """Planar depth, (H, W) metres, of distance along each pixel's ray (H, W)."""
    rays = pixel_rays(intrinsics, *distance.shape)
    depth: FloatArray = distance / np.linalg.norm(rays, axis=-1)
    return depth


def transform(matrix: Array, points: Array) -> FloatArray:
    """Points (..., 3) moved by a rigid 4x4 matrix."""
    moved: FloatArray = points @ matrix[:3, :3].T + matrix[:3, 3]
    return moved


def invert_rigid(matrix: Array) -> FloatArray:
    """Inverse of a rigid 4x4 matrix."""
    inverse = np.eye(4)
    inverse[:3, :3] = matrix[:3, :3].T
    inverse[:3, 3] = -matrix[:3, :3].T @ matrix[:3, 3]
    return inverse


def project(points: Array, intrinsics: Array) -> tuple[FloatArray, FloatArray]:
    """Image positions (..., 2) in pixels and depths (...,) of camera-frame points (..., 3).

    Points on or behind the camera plane get NaN positions.
    """
    z = points[..., 2]
    safe = np.where(z > 0, z, np.nan)
    u = points[..., 0] / safe * intrinsics[0, 0] + intrinsics[0, 2]
    v = points[..., 1] / safe * intrinsics[1, 1] + intrinsics[1, 2]
    return np.stack([u, v], -1), z


def in_frame(positions: Array, shape: tuple[int, ...], margin: float = 0.0) -> NDArray[np.bool_]:
    """Which image positions (..., 2) lie in a frame of `shape` (H, W), `margin` from its edge."""
    low, high = margin, np.array([shape[1], shape[0]]) - margin
    inside: NDArray[np.bool_] = ((positions >= low) & (positions < high)).all(-1)
    return inside
