"""Baselines from a sensor's depth: what a depth camera scores where its holes are filled.

Each unknown pixel takes the value of the nearest known one in its frame (Euclidean distance).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from transphy3d.groundtruth.camera import pixel_rays, unproject
from transphy3d.shards.recording import Recording

METHOD = "sensor, nearest filled in"


def filled(depth: NDArray[Any]) -> NDArray[np.float64]:
    """(H, W) metres with every 0 replaced; a frame of zeros alone stays one."""
    known = depth > 0
    if not known.any():
        return np.zeros(depth.shape)
    rows, columns = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(depth[rows, columns], np.float64)


def sensor_disparity(recording: Recording) -> NDArray[np.float64]:
    """(T, H, W) 1/m; 0 all over a frame that the sensor saw nothing in."""
    depth = np.stack([filled(recording["sensor"][t]) for t in range(len(recording))])
    return np.divide(1, depth, out=np.zeros(depth.shape), where=depth > 0)


def sensor_normals(recording: Recording) -> NDArray[np.float64]:
    """(T, H, W, 3) of the surface through the filled depth."""
    frames = [filled(recording["sensor"][t]) for t in range(len(recording))]
    return np.stack([depth_normals(frame, recording.intrinsics) for frame in frames])


def depth_normals(depth: NDArray[Any], intrinsics: NDArray[np.float64]) -> NDArray[np.float64]:
    """(H, W, 3) unit normals toward the camera, from central differences of (H, W) metres.

    Straight at the camera where the differences vanish.
    """
    rays = pixel_rays(intrinsics, *depth.shape)
    points = unproject(depth, intrinsics)
    down, right = np.gradient(points, axis=(0, 1))
    normal = np.cross(down, right)
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    unit = np.divide(normal, length, out=np.zeros(normal.shape), where=length > 0)
    unit[length[..., 0] == 0] = 0.0, 0.0, -1.0
    return np.where((unit * rays).sum(-1, keepdims=True) > 0, -unit, unit)
