"""Mugs and cups with a handle."""

from __future__ import annotations

from transphy3d.assets.geometry import Asset, FloatArray
from transphy3d.assets.procedural.assembly import Kinds, Limbs, Turned, tube, vessel_asset
from transphy3d.assets.procedural.family import Family, Ranges, Uniform, numbers
from transphy3d.assets.procedural.lathe import Node, box, contour, corner, resampled, vessel
from transphy3d.jsonio import Params

RANGES: Ranges = {
    "height": Uniform(0.078, 0.115),
    "radius": Uniform(0.036, 0.046),
    "taper": Uniform(0.78, 1.0, ""),
    "belly": Uniform(-0.02, 0.09, ""),
    "wall": Uniform(0.0028, 0.0045),
    "base": Uniform(0.004, 0.007),
    "foot_rounding": Uniform(0.06, 0.25, ""),
    "handle_reach": Uniform(0.026, 0.038),
    "handle_span": Uniform(0.55, 0.75, ""),
    "handle_droop": Uniform(-0.15, 0.15, ""),
    "handle_width": Uniform(0.010, 0.016),
    "handle_depth": Uniform(0.006, 0.009),
}


def build(params: Params, segments: int) -> Asset:
    """A mug; spans, rounding and droop are parts of the height."""
    p = numbers(params)
    height, radius, foot = p["height"], p["radius"], p["radius"] * p["taper"]
    middle = (foot + radius) / 2 + p["belly"] * radius
    curve = p["foot_rounding"] * foot
    outer = contour(
        [
            corner(0, 0),
            Node(foot - curve, 0, heading=0),
            Node(foot, curve, heading=85),
            Node(middle, 0.5 * height),
            corner(radius, height),
        ]
    )
    under = box(0.8 * (foot - curve), -1.0, 0.0015)
    path = vessel(outer, p["wall"], p["base"], foot=under, corner_radius=0.006)
    low = (0.5 - 0.5 * p["handle_span"]) * height
    high = (0.5 + 0.5 * p["handle_span"]) * height
    spine = ear(outer, low, high, p["handle_reach"], p["handle_droop"])
    count = max(12, segments // 3)
    rings = tube(resampled(spine, count), p["handle_width"], p["handle_depth"], max(12, count // 2))
    body = Turned(path, p["wall"])
    kinds: Kinds = ("ceramic", "glass", "metal", "plastic")
    return vessel_asset("mug", "mug", body, segments, kinds, limbs=Limbs((rings,)))


def ear(outer: FloatArray, low: float, high: float, reach: float, droop: float) -> FloatArray:
    """The spine of an ear-shaped handle, from the upper joint to the lower, in (r, z)."""
    upper, lower = radius_at(outer, high), radius_at(outer, low)
    out = max(upper, lower) + reach
    middle = (low + high) / 2 - droop * (high - low)
    return contour(
        [
            Node(upper - 0.002, high, heading=10),
            Node(out, middle, heading=270),
            Node(lower - 0.002, low, heading=190),
        ]
    )


def radius_at(outer: FloatArray, z: float) -> float:
    """The largest radius of a path at height z."""
    low, high = outer[:-1], outer[1:]
    over = (low[:, 1] <= z) != (high[:, 1] <= z)
    t = (z - low[over, 1]) / (high[over, 1] - low[over, 1])
    return float((low[over, 0] + t * (high[over, 0] - low[over, 0])).max())


FAMILY = Family("mug", "mug", RANGES, build)
