"""Depth, normals and instance numbers as pictures, each (..., H, W, 3) uint8 sRGB."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating[Any]]

# A neutral grey that neither plasma nor the normal picture contains.
BACKGROUND: Picture = np.array((24, 25, 28), np.uint8)
DEPTH_MAP = "plasma"
LEVELS = 256
# Shares of the pixels that may fall outside a sequence's range on either side.
CLIPPED = (0.01, 0.99)
GOLDEN_TURN = (5**0.5 - 1) / 2


def depth_range(frames: Iterable[Floats]) -> tuple[float, float]:
    """The (near, far) metres that one sequence's pictures span, the same for all its frames.

    frames : depth in metres, 0 = nothing hit
    Quantiles are of inverse depth, so a far wall takes few of the colours. Without a single
    hit the range is (1, 2).
    """
    inverse = np.concatenate([1.0 / depth[depth > 0].astype(np.float64) for depth in frames])
    if inverse.size == 0:
        return 1.0, 2.0
    low, high = np.quantile(inverse, CLIPPED)
    if high - low < 1e-6 * high:
        low, high = low * 0.9, high * 1.1
    return float(1.0 / high), float(1.0 / low)


@lru_cache(maxsize=1)
def depth_colours() -> Picture:
    """(256, 3) colours from far to near: plasma, which is perceptually uniform."""
    table = colormaps[DEPTH_MAP](np.linspace(0.0, 1.0, LEVELS))[:, :3]
    colours: Picture = np.rint(table * 255).astype(np.uint8)
    return colours


def depth_picture(depth: Floats, near: float, far: float) -> Picture:
    """Colours even in inverse depth: yellow at `near`, dark blue at `far`, grey where 0."""
    hit = depth > 0
    inverse = 1.0 / np.where(hit, depth, 1.0)
    share = (inverse - 1.0 / far) / (1.0 / near - 1.0 / far)
    level = np.clip(share * (LEVELS - 1), 0, LEVELS - 1).astype(np.intp)
    return np.where(hit[..., None], depth_colours()[level], BACKGROUND)


def normal_picture(normal: Floats) -> Picture:
    """The usual normal-map picture: right is red, up is green, toward the viewer is blue.

    normal : (..., H, W, 3) unit, OpenCV camera axes (x right, y down, z forward); 0 = nothing
    """
    colour = normal * np.array((127.5, -127.5, -127.5), np.float32) + 127.5
    hit = np.any(normal != 0, axis=-1, keepdims=True)
    return np.where(hit, np.clip(np.rint(colour), 0, 255).astype(np.uint8), BACKGROUND)


@lru_cache(maxsize=8)
def instance_colours(count: int) -> Picture:
    """(count, 3) colours; an instance keeps its colour whatever `count` is, 0 is background.

    Hues go round by the golden ratio, so that any few neighbours are far apart; three
    brightness steps tell apart those whose hues come close again.
    """
    ids = np.arange(count)
    hue = (ids * GOLDEN_TURN) % 1.0
    value = np.choose(ids % 3, (1.0, 0.78, 0.92))
    saturation = np.choose(ids % 3, (0.62, 0.78, 0.45))
    ramp = np.abs((hue[:, None] * 6 + np.array((0, 4, 2))) % 6 - 3) - 1
    rgb = value[:, None] * (1 - saturation[:, None] * (1 - np.clip(ramp, 0, 1)))
    table: Picture = np.rint(rgb * 255).astype(np.uint8)
    table[:1] = BACKGROUND
    return table


def instance_picture(instance: npt.NDArray[np.integer[Any]]) -> Picture:
    """One stable, distinct colour per instance number; background dark."""
    picture: Picture = instance_colours(int(instance.max(initial=0)) + 1)[instance]
    return picture
