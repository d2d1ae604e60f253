"""Do depth, normals, instances, poses and objects tell one story? Measurements on one frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from transphy3d.groundtruth.camera import in_frame, pixel_rays, project, transform

Array = NDArray[Any]
Mask = NDArray[np.bool_]

# Within a 3x3 neighbourhood, a greater relative range of 1/z is taken for an edge.
SMOOTH_RANGE = 0.05


def facing(normal: Array, intrinsics: Array) -> Array:
    """Cosine between normals (H, W, 3) and their pixels' rays, (H, W); negative is toward us."""
    rays = pixel_rays(intrinsics, *normal.shape[:2])
    cosine: Array = (normal * rays).sum(-1) / np.linalg.norm(rays, axis=-1)
    return cosine


def smooth_pixels(depth: Array, instance: Array) -> Mask:
    """Pixels whose 3x3 neighbourhood is one instance, all hit, without a jump in depth; (H, W)."""
    inverse = _inverse(depth)
    high = ndimage.maximum_filter(inverse, 3)
    low = ndimage.minimum_filter(inverse, 3)
    one = ndimage.maximum_filter(instance, 3) == ndimage.minimum_filter(instance, 3)
    inside = np.zeros(depth.shape, bool)
    inside[1:-1, 1:-1] = True
    mask: Mask = inside & one & (low > 0) & (high - low < SMOOTH_RANGE * high)
    return mask


def normals_from_depth(depth: Array, intrinsics: Array) -> Array:
    """Normals toward the camera, (H, W, 3), from differences of depth (H, W); NaN where flat in 0.

    On a plane n . X = d, 1/z = n . ray / d is linear in the pixel position, so its gradient
    and value give n / d exactly. Differences are Sobel's.
    """
    inverse = _inverse(depth)
    rays = pixel_rays(intrinsics, *depth.shape)
    across = ndimage.sobel(inverse, 1) / 8 * intrinsics[0, 0]
    down = ndimage.sobel(inverse, 0) / 8 * intrinsics[1, 1]
    along = inverse - across * rays[..., 0] - down * rays[..., 1]
    scaled = np.stack([across, down, along], -1)
    with np.errstate(invalid="ignore"):
        normals: Array = -scaled / np.linalg.norm(scaled, axis=-1, keepdims=True)
    return normals


def angles(first: Array, second: Array) -> Array:
    """Degrees between unit vectors (..., 3); a zero vector is at 90 degrees to all.

    By the half angle between chord and sum (Kahan), exact also near 0 and 180 degrees.
    """
    a, b = first.astype(float), second.astype(float)
    chord, total = np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1)
    degrees: Array = np.degrees(2 * np.arctan2(chord, total))
    return degrees


def behind_error(depth: Array, behind: Array, see_through: Mask) -> Array:
    """Relative error of depth_behind, (H, W), against what it must be.

    Where `see_through` it may not lie before depth; elsewhere it must equal it. Something behind
    nothing, or nothing behind something opaque, is an infinite error.
    """
    both = (depth > 0) & (behind > 0)
    difference = np.divide(behind - depth, depth, out=np.zeros(depth.shape), where=both)
    error = np.where(see_through, np.maximum(-difference, 0), np.abs(difference))
    missing = (depth > 0) & (behind == 0) & ~see_through
    invented = (depth == 0) & (behind > 0)
    return np.where(missing | invented, np.inf, error)


def outside(points: Array, low: Array, high: Array) -> Array:
    """Distance in metres by which points (N, 3) leave an axis-aligned box, (N,); 0 inside."""
    distance: Array = np.maximum(np.maximum(low - points, points - high), 0).max(-1)
    return distance


def surface_gaps(points: Array, depth: Array, pose: Array, intrinsics: Array) -> Array:
    """How far surface points (N, 3) in the world stand before the depth map, relative; (N, 2).

    Column 0 is against the nearest depth within a pixel: positive means that nothing covers the
    point, so its object is missing. Column 1 is against the depth interpolated in 1/z: about zero
    means that the point is seen, negative that it is hidden. NaN: outside the frame.

    depth : (H, W) metres; pose : world to camera, 4x4
    """
    positions, z = project(transform(pose, points), intrinsics)
    gaps = np.full((len(points), 2), np.nan)
    inside = in_frame(positions, depth.shape, margin=1.0)
    positions, z = positions[inside], z[inside]
    inverse = _inverse(depth)
    column, row = np.floor(positions).astype(int).T
    gaps[inside, 0] = 1 - z * ndimage.maximum_filter(inverse, 3)[row, column]
    there = ndimage.map_coordinates(inverse, positions[:, ::-1].T - 0.5, order=1)
    gaps[inside, 1] = 1 - z * there
    return gaps


def _inverse(depth: Array) -> Array:
    return np.divide(1.0, depth, out=np.zeros(depth.shape), where=depth > 0)
