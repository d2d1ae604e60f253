"""Departures from the round: facets, flutes, spouts and twists for `lathe.revolve`.

Patterns are factors on the radius. All have mean 1 or nearly so, and fade out towards the
heights where a vessel must stay round.
"""

from __future__ import annotations

import numpy as np

from transphy3d.assets.geometry import FloatArray
from transphy3d.assets.procedural.lathe import Radial, Twist


def ramp(z: FloatArray, start: float, end: float) -> FloatArray:
    """0 before `start`, 1 after `end`, smooth between; `end` may lie below `start`."""
    t = np.clip((z - start) / (end - start), 0, 1)
    smooth: FloatArray = t * t * (3 - 2 * t)
    return smooth


def flutes(count: int, depth: float, fade: tuple[float, float]) -> Radial:
    """`count` round waves of the relative `depth`, fading from height fade[0] to fade[1]."""

    def factor(theta: FloatArray, z: FloatArray) -> FloatArray:
        waves: FloatArray = 1 + depth * np.cos(count * theta) * (1 - ramp(z, *fade))
        return waves

    return factor


def facets(count: int, fade: tuple[float, float]) -> Radial:
    """A regular polygon of the circle's area, fading from height fade[0] to fade[1]."""
    step = 2 * np.pi / count
    apothem = np.sqrt(np.pi / (count * np.tan(np.pi / count)))

    def factor(theta: FloatArray, z: FloatArray) -> FloatArray:
        flat = apothem / np.cos(np.mod(theta + step / 2, step) - step / 2)
        mixed: FloatArray = 1 + (flat - 1) * (1 - ramp(z, *fade))
        return mixed

    return factor


def spout(pull: float, width: float, low: float, top: float) -> Radial:
    """A pouring lip at theta = 0: relative `pull` at the rim, `width` in radians."""

    def factor(theta: FloatArray, z: FloatArray) -> FloatArray:
        angle = np.mod(theta + np.pi, 2 * np.pi) - np.pi
        drawn: FloatArray = 1 + pull * np.exp(-0.5 * (angle / width) ** 2) * ramp(z, low, top) ** 2
        return drawn

    return factor


def spiral(turn: float, height: float) -> Twist:
    """A twist that grows evenly to `turn` radians at `height` metres."""

    def angle(z: FloatArray) -> FloatArray:
        return z * (turn / height)

    return angle


def styled(style: str, count: int, depth: float, fade: tuple[float, float]) -> Radial | None:
    """The pattern with a name: "plain", "fluted" or "faceted".

    `depth` is that of eight flutes; more of them are shallower in proportion.
    """
    if style == "fluted":
        return flutes(count, depth * 8 / count, fade)
    return facets(count, fade) if style == "faceted" else None


def meshed(segments: int, count: int, style: str) -> int:
    """Segments that meet a pattern's edges: a multiple of `count`, enough for its waves."""
    if style == "plain":
        return segments
    least = 10 if style == "fluted" else 1
    return count * max(least, -(-segments // count))
