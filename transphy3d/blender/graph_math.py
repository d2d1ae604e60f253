"""Operations of Blender's math, vector and mix nodes, and colour ramps, on arrays of points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from transphy3d.blender.surface_points import Floats


def _real(condition: Any) -> Floats:
    found: Floats = np.asarray(condition, np.float64)
    return found


def _smooth_minimum(a: Floats, b: Floats, distance: Floats) -> Floats:
    """Inigo Quilez's polynomial minimum, as Blender has it."""
    width = np.maximum(distance, 1e-12)
    bend = np.maximum(width - np.abs(a - b), 0) / width
    lower: Floats = np.minimum(a, b) - bend**3 * width / 6
    return lower


MATH: dict[str, Callable[..., Any]] = {
    "ADD": lambda a, b: a + b,
    "SUBTRACT": lambda a, b: a - b,
    "MULTIPLY": lambda a, b: a * b,
    "DIVIDE": lambda a, b: np.where(b == 0, 0, a / np.where(b == 0, 1, b)),
    "MULTIPLY_ADD": lambda a, b, c: a * b + c,
    "POWER": lambda a, b: np.power(a, b),
    "LOGARITHM": lambda a, b: np.log(a) / np.log(b),
    "SQRT": lambda a: np.sqrt(np.maximum(a, 0)),
    "INVERSE_SQRT": lambda a: 1 / np.sqrt(np.maximum(a, 1e-12)),
    "ABSOLUTE": lambda a: np.abs(a),
    "EXPONENT": lambda a: np.exp(np.minimum(a, 50)),
    "MINIMUM": lambda a, b: np.minimum(a, b),
    "MAXIMUM": lambda a, b: np.maximum(a, b),
    "LESS_THAN": lambda a, b: _real(a < b),
    "GREATER_THAN": lambda a, b: _real(a > b),
    "SIGN": lambda a: np.sign(a),
    "COMPARE": lambda a, b, c: _real(np.abs(a - b) <= np.maximum(c, 1e-5)),
    "SMOOTH_MIN": _smooth_minimum,
    "SMOOTH_MAX": lambda a, b, c: -_smooth_minimum(-a, -b, c),
    "ROUND": lambda a: np.floor(a + 0.5),
    "FLOOR": lambda a: np.floor(a),
    "CEIL": lambda a: np.ceil(a),
    "TRUNC": lambda a: np.trunc(a),
    "FRACT": lambda a: a - np.floor(a),
    "MODULO": lambda a, b: np.fmod(a, np.where(b == 0, 1, b)) * (b != 0),
    "FLOORED_MODULO": lambda a, b: np.mod(a, np.where(b == 0, 1, b)) * (b != 0),
    "WRAP": lambda a, b, c: c + np.mod(a - c, np.where(b == c, 1, b - c)) * (b != c),
    "SNAP": lambda a, b: np.floor(a / np.where(b == 0, 1, b)) * b,
    "PINGPONG": lambda a, b: np.abs(np.mod(a - b, np.where(b == 0, 1, 2 * b)) - b) * (b != 0),
    "SINE": lambda a: np.sin(a),
    "COSINE": lambda a: np.cos(a),
    "TANGENT": lambda a: np.tan(a),
    "ARCSINE": lambda a: np.arcsin(np.clip(a, -1, 1)),
    "ARCCOSINE": lambda a: np.arccos(np.clip(a, -1, 1)),
    "ARCTANGENT": lambda a: np.arctan(a),
    "ARCTAN2": lambda a, b: np.arctan2(a, b),
    "SINH": lambda a: np.sinh(np.clip(a, -50, 50)),
    "COSH": lambda a: np.cosh(np.clip(a, -50, 50)),
    "TANH": lambda a: np.tanh(a),
    "RADIANS": lambda a: np.radians(a),
    "DEGREES": lambda a: np.degrees(a),
}


def _dot(a: Floats, b: Floats) -> Floats:
    product: Floats = (a * b).sum(axis=1, keepdims=True) * np.ones(3)
    return product


def _unit(a: Floats) -> Floats:
    length = np.sqrt(_dot(a, a))
    unit: Floats = a / np.where(length == 0, 1, length)
    return unit


SAME_FOR_VECTORS = (
    *("ADD", "SUBTRACT", "MULTIPLY", "DIVIDE", "MULTIPLY_ADD", "POWER", "MINIMUM", "MAXIMUM"),
    *("FLOOR", "CEIL", "MODULO", "WRAP", "SNAP", "SINE", "COSINE", "TANGENT", "ABSOLUTE", "SIGN"),
)

VECTOR_MATH: dict[str, Callable[..., Any]] = {
    **{name: MATH[name] for name in SAME_FOR_VECTORS},
    "FRACTION": MATH["FRACT"],
    "DOT_PRODUCT": lambda a, b: _dot(a, b),
    "LENGTH": lambda a: np.sqrt(_dot(a, a)),
    "DISTANCE": lambda a, b: np.sqrt(_dot(a - b, a - b)),
    "NORMALIZE": lambda a: _unit(a),
    "CROSS_PRODUCT": lambda a, b: np.cross(a, b),
    "SCALE": lambda a, b, c, d: a * d,
}


def _screen(a: Floats, b: Floats) -> Floats:
    lighter: Floats = 1.0 - (1.0 - a) * (1.0 - b)
    return lighter


BLENDS: dict[str, Callable[[Floats, Floats], Any]] = {
    "MIX": lambda a, b: b,
    "ADD": lambda a, b: a + b,
    "SUBTRACT": lambda a, b: a - b,
    "MULTIPLY": lambda a, b: a * b,
    "DIVIDE": lambda a, b: np.where(b == 0, a, a / np.where(b == 0, 1, b)),
    "DIFFERENCE": lambda a, b: np.abs(a - b),
    "EXCLUSION": lambda a, b: np.maximum(a + b - 2 * a * b, 0),
    "DARKEN": lambda a, b: np.minimum(a, b),
    "LIGHTEN": lambda a, b: np.maximum(a, b),
    "SCREEN": _screen,
    "OVERLAY": lambda a, b: np.where(a < 0.5, 2 * a * b, _screen(a, 2 * b - 1)),
    "SOFT_LIGHT": lambda a, b: (1 - a) * b * a + a * _screen(a, b),
    "LINEAR_LIGHT": lambda a, b: a + 2 * b - 1,
}


# Blends whose factor bends the curve instead of mixing its result in.
BENT: dict[str, Callable[[Floats, Floats, Floats], Any]] = {
    "DODGE": lambda a, b, f: np.where(a == 0, 0, np.minimum(a / np.maximum(1 - f * b, 1e-9), 1)),
    "BURN": lambda a, b, f: np.clip(1 - (1 - a) / np.maximum(1 - f + f * b, 1e-9), 0, 1),
}


def mix_colors(blend: str, factor: Floats, first: Floats, second: Floats) -> Floats:
    """Blender's mix of two (N, 3) colours; blends by hue and the like count as MIX."""
    if blend in BENT:
        bent: Floats = BENT[blend](first, second, factor)
        return bent
    operation = BLENDS.get(blend, BLENDS["MIX"])
    mixed: Floats = first + factor * (operation(first, second) - first)
    return mixed


def ramp(color_ramp: Any, factor: Floats) -> Floats:
    """(N, 4) colours of a ramp at (N,) positions."""
    places = np.clip(factor, 0, 1)
    return np.array([color_ramp.evaluate(value)[:] for value in places], np.float64)
