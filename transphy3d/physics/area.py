"""The part of a support that objects are dropped onto."""

from __future__ import annotations

import numpy as np

from transphy3d.assets.geometry import FloatArray
from transphy3d.scenes.geometry import Support

OUTLINE_TRIES = 50


def within_area(points: FloatArray, support: Support) -> FloatArray:
    """Which of (P, 2) points lie in the support's area; (P,) bool."""
    share = np.abs(points) / np.array(support.half_extents)
    if support.round:
        return np.asarray((share**2).sum(axis=1) <= 1)
    return np.asarray((share <= 1).all(axis=1))


def draw_spot(outline: FloatArray, support: Support, rng: np.random.Generator) -> FloatArray | None:
    """Where to put a body's origin so that its outline lies within the support's area.

    outline : (P, 2) metres from the body's origin
    Returns (2,) metres, drawn evenly from the places that do, or None if none was found.
    """
    half = np.array(support.half_extents)
    low, high = -half - outline.min(axis=0), half - outline.max(axis=0)
    if np.any(low > high):
        return None
    for _ in range(OUTLINE_TRIES):
        spot: FloatArray = rng.uniform(low, high)
        if np.all(within_area(outline + spot, support)):
            return spot
    return None
