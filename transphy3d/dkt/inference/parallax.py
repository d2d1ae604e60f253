"""Metres from known camera poses: the scale at which other frames look as the poses say.

Every pixel of the first frame is moved into other frames by a hypothetical scale and shift of its
disparity; where both are right, the pictures agree. Pictures are compared by local contrast, which
exposure does not change, and differences are truncated, because what glass shows does not move as
its surface does.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.optimize import minimize

from transphy3d.dkt.evaluation.cues import luma
from transphy3d.errors import JobError
from transphy3d.groundtruth.camera import pixel_rays, project, transform
from transphy3d.shards.draws import generator

Floats = NDArray[np.floating[Any]]
PIXELS = 4000  # compared, of the half where local contrast changes most
PIXEL_STREAM = 13
# Gaussian blurs by level, of the width; contrast is local to four times as much.
BLURS = (1 / 50, 1 / 100, 1 / 200)
NEAREST, FARTHEST, STEPS = 0.1, 20.0, 36  # metres
STARTS = 6
APART = 0.3  # of the logarithms of two starts' inverse depths
TRUNCATED = 1.0  # of local deviations
# What a tenth more or less depth must add to the difference for the scale to be believed.
MIN_RISE = 0.03


@dataclass(frozen=True)
class _Glimpse:
    """Another frame: local contrast by level, and the first camera to it, (4, 4)."""

    levels: Sequence[Floats]
    motion: Floats


@dataclass(frozen=True)
class _Sight:
    """What is compared: rays (N, 3) with z = 1, disparity (N,), contrast by level (N,)."""

    rays: Floats
    near: Floats
    levels: Sequence[Floats]
    glimpses: Sequence[_Glimpse]
    intrinsics: Floats


def fit_parallax(
    near: Floats,
    intrinsics: Floats,
    first: NDArray[np.uint8],
    others: Sequence[tuple[NDArray[np.uint8], Floats]],
) -> tuple[float, float]:
    """(factor, shift) with 1 / depth = factor * near + shift, in 1/m.

    near : (H, W) disparity in [0, 1] of the picture `first` (H, W, 3)
    others : pictures, each with the first camera to its, (4, 4)
    Raises JobError if the pictures do not tell.
    """
    sight = _sight(near, intrinsics, first, others)
    found = _starts(sight)
    for level in range(len(BLURS)):
        found = [_refined(start, sight, level) for start in found]
    best = min(found, key=lambda each: _difference(each, sight, len(BLURS) - 1))
    _check(best, sight)
    far, close = np.exp(best)
    return float(close - far), float(far)


def _starts(sight: _Sight) -> list[NDArray[np.float64]]:
    """Hypotheses to begin at: the best ones of a grid, none near another, as textures repeat."""
    grid = np.linspace(-np.log(FARTHEST), -np.log(NEAREST), STEPS)
    pairs = [np.array(pair) for pair in itertools.combinations(grid, 2)]
    chosen: list[NDArray[np.float64]] = []
    for pair in sorted(pairs, key=lambda pair: _difference(pair, sight, 0)):
        if all(np.abs(pair - other).max() > APART for other in chosen):
            chosen.append(pair)
        if len(chosen) == STARTS:
            break
    return chosen


def _refined(start: Floats, sight: _Sight, level: int) -> NDArray[np.float64]:
    simplex = start + 0.08 * np.array([[0, 0], [1, 0], [0, 1]])
    found = minimize(
        _difference,
        start,
        (sight, level),
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 1e-4, "fatol": 1e-6, "maxiter": 200},
    )
    return np.asarray(found.x, np.float64)


def _check(found: Floats, sight: _Sight) -> None:
    level = len(BLURS) - 1
    least = _difference(found, sight, level)
    farther = min(_difference(found + np.log(s), sight, level) for s in (1 / 1.1, 1.1))
    if farther < least + MIN_RISE:
        raise JobError(
            "--poses: the pictures look alike at any scale; the camera must move sideways by a "
            "tenth of the distance, past things with texture; or use --sensor"
        )


def _difference(logs: Floats, sight: _Sight, level: int) -> float:
    """Mean truncated difference at inverse depths exp(logs) of disparity 0 and 1."""
    far, close = np.exp(logs)
    if close <= far:
        return TRUNCATED
    points = sight.rays / (far + (close - far) * sight.near)[:, None]
    mine, total = sight.levels[level], 0.0
    for glimpse in sight.glimpses:
        seen, _ = project(transform(glimpse.motion, points), sight.intrinsics)
        with np.errstate(invalid="ignore"):
            theirs = map_coordinates(
                glimpse.levels[level], [seen[:, 1] - 0.5, seen[:, 0] - 0.5], order=1, cval=np.nan
            )
        apart = np.abs(theirs - mine)
        total += float(np.where(np.isfinite(apart), np.minimum(apart, TRUNCATED), TRUNCATED).mean())
    return total / len(sight.glimpses)


def _sight(
    near: Floats,
    intrinsics: Floats,
    first: NDArray[np.uint8],
    others: Sequence[tuple[NDArray[np.uint8], Floats]],
) -> _Sight:
    levels = _contrasts(first)
    steep = np.hypot(*np.gradient(levels[-1])).ravel()
    textured = np.flatnonzero(steep >= np.median(steep))
    picked = generator(0, PIXEL_STREAM).choice(textured, min(PIXELS, textured.size), replace=False)
    return _Sight(
        pixel_rays(intrinsics, *near.shape).reshape(-1, 3)[picked],
        near.reshape(-1)[picked].astype(np.float64),
        [level.ravel()[picked] for level in levels],
        [_Glimpse(_contrasts(picture), motion) for picture, motion in others],
        intrinsics,
    )


def _contrasts(picture: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    """Luma less its surroundings' mean, over their deviation, (H, W) by level of BLURS."""
    grey = 255 * luma(picture)
    found = []
    for blur in BLURS:
        sigma = blur * grey.shape[1]
        smooth = gaussian_filter(grey, sigma)
        mean = gaussian_filter(smooth, 4 * sigma)
        deviation = np.sqrt(gaussian_filter((smooth - mean) ** 2, 4 * sigma))
        found.append((smooth - mean) / (deviation + 1))
    return found
