"""From disparity to metres and points, with one depth map of a sensor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from transphy3d.dkt.metrics import MIN_DISPARITY, fit
from transphy3d.errors import ShardError
from transphy3d.files import write_bytes

MIN_SENSOR_PIXELS = 100
MILLIMETRES = 1e-3


@dataclass(frozen=True)
class Sensor:
    """What is known of the first frame: depth (H, W) in metres, 0 or NaN where it saw nothing.

    fov : horizontal field of view in degrees
    """

    depth: NDArray[np.floating[Any]]
    fov: float


def read_depth_map(path: Path) -> NDArray[np.float64]:
    """(H, W) metres from .npy in metres, or from a 16-bit picture in millimetres.

    Raises ShardError if the file cannot be read as that.
    """
    try:
        if path.suffix == ".npy":
            depth = np.load(path, allow_pickle=False).astype(np.float64)
        else:
            with Image.open(path) as picture:
                depth = np.asarray(picture, np.float64) * MILLIMETRES
    except (OSError, ValueError) as error:
        raise ShardError(f"{path}: cannot be read as a depth map ({error})") from None
    if depth.ndim != 2:
        raise ShardError(f"{path}: is {depth.shape}; a depth map has two axes, height and width")
    return depth


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
    return in_metres(near, (scale, shift)), (scale, shift)


def in_metres(near: NDArray[np.float32], scale: tuple[float, float]) -> NDArray[np.float64]:
    """Depth of disparity in [0, 1], by (scale, shift) in 1/m; at most a kilometre."""
    return np.asarray(1 / np.maximum(scale[0] * near + scale[1], MIN_DISPARITY))


def write_ply(path: Path, cloud: NDArray[np.floating[Any]], colours: NDArray[np.uint8]) -> None:
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
