"""Long flat bodies described along their length: handles, bowls of spoons, tines and blades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from transphy3d.assets.geometry import FloatArray, Mesh
from transphy3d.assets.procedural.sweep import cell_hulls, stack, strips, superellipse


@dataclass(frozen=True)
class Blade:
    """A body along x, given at R stations; all lengths in metres.

    x, y, z : (R,) the centre line
    half_width, half_height : (R,) of the superellipse that is the section
    power : (R,) exponent of the superellipse: 2 an ellipse, more is squarer, 1 a rhombus
    dish : (R,) how far the edges rise above the middle
    wedge : (R,) 0 to 1, how much thinner the -y edge is than the +y edge
    """

    x: FloatArray
    y: FloatArray
    z: FloatArray
    half_width: FloatArray
    half_height: FloatArray
    power: FloatArray
    dish: FloatArray
    wedge: FloatArray


def curve(x: FloatArray, knots: Sequence[tuple[float, float]]) -> FloatArray:
    """Values at x of the shape-preserving cubic through (x, value) knots (PCHIP)."""
    at, values = np.array(knots, np.float64).T
    return np.asarray(PchipInterpolator(at, values)(np.clip(x, at[0], at[-1])), np.float64)


def stations(length: float, ends: tuple[float, float], count: int) -> FloatArray:
    """Places (R,) strictly inside (0, length), packed at round ends of the given lengths."""
    around = np.linspace(0, np.pi / 2, max(count // 8, 5))[1:]
    first = ends[0] * (1 - np.cos(around))
    last = length - ends[1] * (1 - np.cos(around[::-1]))
    middle = np.linspace(ends[0], length - ends[1], count + 2)[1:-1]
    return np.concatenate([first, middle, last])


def round_ends(x: FloatArray, length: float, ends: tuple[float, float]) -> FloatArray:
    """Factor (R,) on a width that closes it as an ellipse over the given length at each end."""
    inward = np.minimum(x / ends[0], (length - x) / ends[1]).clip(0, 1)
    return np.asarray(np.sqrt(1 - (1 - inward) ** 2))


def rings(blade: Blade, count: int) -> FloatArray:
    """The body's sections, (R, N, 3)."""
    loops = [
        superellipse(count, w, h, p)
        for w, h, p in zip(blade.half_width, blade.half_height, blade.power, strict=True)
    ]
    flat = np.array(loops)
    across = flat[..., 0] / blade.half_width[:, None]
    height = flat[..., 1] * (1 - blade.wedge[:, None] * (1 - across) / 2)
    x = np.broadcast_to(blade.x[:, None], across.shape)
    y = blade.y[:, None] + flat[..., 0]
    z = blade.z[:, None] + height + blade.dish[:, None] * (across**2 - 1)
    return np.stack([x, y, z], axis=-1)


def blade_mesh(blade: Blade, span: tuple[float, float], count: int) -> Mesh:
    """The body closed at its two tips, at x = span[0] and x = span[1]."""
    first = np.array([span[0], blade.y[0], blade.z[0] - blade.dish[0]])
    last = np.array([span[1], blade.y[-1], blade.z[-1] - blade.dish[-1]])
    return stack(rings(blade, count), poles=(first, last))


def blade_hulls(
    blade: Blade, count: int, pieces: int, span: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[FloatArray, ...]:
    """Convex pieces, `pieces` side by side, of the body between x = span[0] and span[1].

    Every second station is enough for them.
    """
    inside = np.flatnonzero((blade.x >= span[0]) & (blade.x <= span[1]))
    keep = np.unique(np.append(inside[::2], inside[-1]))
    return cell_hulls(rings(blade, count)[keep], strips(count, pieces))
