"""The plane that most of a picture shows, found in disparity.

A plane n . X = h in camera axes has 1 / z = n . ray / h, which is affine in the ray's x and y; so
is any scaled and shifted disparity of it. Hence planes are found before metres are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
PIXELS = 20_000  # looked at: more do not move the result
TRIES = 500  # 1 - (1 - 0.25 ** 3) ** 500 = 0.9996 that a quarter of the picture is hit
TOLERANCE = 0.01  # of the disparity's range
REFITS = 3


@dataclass(frozen=True)
class DisparityPlane:
    """disparity = slope . (x, y) + offset at rays (x, y, 1); share : of the picture on it."""

    slope: tuple[float, float]
    offset: float
    share: float


def dominant_plane(near: Floats, rays: Floats, rng: np.random.Generator) -> DisparityPlane:
    """By RANSAC and least squares, of disparity (H, W) and rays (H, W, 3) with z = 1."""
    picked = rng.choice(near.size, min(PIXELS, near.size), replace=False)
    design = rays.reshape(-1, 3)[picked].astype(np.float64)
    values = near.reshape(-1)[picked].astype(np.float64)
    best = np.zeros(len(values), bool)
    for _ in range(TRIES):
        three = rng.integers(len(values), size=3)
        if abs(np.linalg.det(design[three])) < 1e-9:
            continue
        on = _on(design, values, np.linalg.solve(design[three], values[three]))
        best = on if on.sum() > best.sum() else best
    for _ in range(REFITS):
        plane = np.linalg.lstsq(design[best], values[best], rcond=None)[0]
        best = _on(design, values, plane)
    return DisparityPlane((float(plane[0]), float(plane[1])), float(plane[2]), float(best.mean()))


def _on(design: Floats, values: Floats, plane: Floats) -> NDArray[np.bool_]:
    return np.asarray(np.abs(design @ plane - values) < TOLERANCE)
