"""From disparity to metres and points: with a sensor's depth, a known range, or a guess."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.metrics import MIN_DISPARITY, fit
from transphy3d.files import write_bytes

MIN_SENSOR_PIXELS = 100


def metric_depth(
    near: NDArray[np.float32], sensor: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Depth (H, W) in metres of disparity in [0, 1], scaled by a sensor's depth map.

    sensor : (H, W) metres, 0 or NaN where it saw nothing
    Scale and shift of the disparity come from least squares, once more without the worst fifth,
    because sensors are wrong on glass. Returns also (scale, shift) in 1/m. Raises ValueError if
    the sensor's map is of another size or nearly empty.
    """
    if sensor.shape != near.shape:
        raise ValueError(
            f"sensor depth: is {sensor.shape}, the video {near.shape}; crop or scale it"
        )
    seen = np.isfinite(sensor) & (sensor > 0)
    if seen.sum() < MIN_SENSOR_PIXELS:
        raise ValueError(f"sensor depth: {int(seen.sum())} known pixels are too few to fit a scale")
    p, inverse = near[seen], 1 / sensor[seen].astype(np.float64)
    scale, shift = fit(p, inverse)
    error = np.abs(scale * p + shift - inverse)
    kept = error <= np.quantile(error, 0.8)
    scale, shift = fit(p[kept], inverse[kept])
    return 1 / np.maximum(scale * near + shift, MIN_DISPARITY), (scale, shift)


def intrinsics_from_fov(size: tuple[int, int], fov: float) -> NDArray[np.float64]:
    """(3, 3) of a (height, width) picture with a horizontal field of view in degrees."""
    focal = size[1] / 2 / np.tan(np.radians(fov) / 2)
    return np.array([[focal, 0, size[1] / 2], [0, focal, size[0] / 2], [0, 0, 1]])


def points(
    depth: NDArray[np.floating[Any]], intrinsics: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(H, W, 3) metres in OpenCV camera axes, of planar depth (H, W)."""
    v, u = np.mgrid[: depth.shape[0], : depth.shape[1]] + 0.5
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(intrinsics).T
    cloud: NDArray[np.float32] = (rays * depth[..., None]).astype(np.float32)
    return cloud


def write_ply(path: Path, cloud: NDArray[np.float32], colours: NDArray[np.uint8]) -> None:
    """A binary PLY file of points (..., 3) in metres with colours (..., 3) uint8."""
    kind = [
        ("x", "<f4"),
        ("y", "<f4"),
        ("z", "<f4"),
        ("red", "u1"),
        ("green", "u1"),
        ("blue", "u1"),
    ]
    rows = np.empty(cloud[..., 0].size, kind)
    for k, name in enumerate(("x", "y", "z")):
        rows[name] = cloud.reshape(-1, 3)[:, k]
    for k, name in enumerate(("red", "green", "blue")):
        rows[name] = colours.reshape(-1, 3)[:, k]
    types = {"<f4": "float", "u1": "uchar"}
    fields = "".join(f"property {types[code]} {name}\n" for name, code in kind)
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(rows)}\n{fields}end_header\n"
    )
    write_bytes(path, header.encode("ascii") + rows.tobytes())
