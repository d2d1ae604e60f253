"""Frying pans and saucepans with a long handle."""

from __future__ import annotations

import numpy as np

from transphy3d.assets.geometry import Asset, FloatArray
from transphy3d.assets.procedural.assembly import Limbs, Turned, tube, vessel_asset
from transphy3d.assets.procedural.family import Choice, Family, Ranges, Uniform, numbers
from transphy3d.assets.procedural.lathe import Node, contour, corner, resampled, vessel
from transphy3d.assets.procedural.mug import radius_at
from transphy3d.jsonio import Params

RANGES: Ranges = {
    "style": Choice(("frying pan", "saucepan")),
    "radius": Uniform(0.075, 0.125),
    "depth": Uniform(0.36, 0.48, ""),
    "flare": Uniform(0.74, 0.84, ""),
    "wall": Uniform(0.0024, 0.0036),
    "base": Uniform(0.004, 0.006),
    "handle_length": Uniform(0.13, 0.19),
    "handle_width": Uniform(0.016, 0.024),
    "handle_depth": Uniform(0.006, 0.010),
    "handle_rise": Uniform(0.01, 0.05),
}


def build(params: Params, segments: int) -> Asset:
    """A pan; `depth` is a part of the radius (2.2 times that in a saucepan), `flare` the foot's."""
    p = numbers(params)
    deep = params["style"] == "saucepan"
    radius, wall = p["radius"] * (0.85 if deep else 1.0), p["wall"]
    height = radius * p["depth"] * (2.2 if deep else 1.0)
    foot = radius * (0.97 if deep else p["flare"])
    heel = 0.12 * radius if deep else 0.30 * height
    outer = contour(
        [
            corner(0, 0),
            Node(foot - heel, 0, heading=0),
            Node(foot + 0.15 * (radius - foot), heel, heading=85 if deep else 60),
            corner(radius, height),
        ]
    )
    path = vessel(outer, wall, p["base"], corner_radius=heel)
    rings = _handle(p, radius_at(outer, 0.8 * height), height, segments)
    body, limbs = Turned(path, wall), Limbs((rings,))
    return vessel_asset("pan", "pan", body, segments, ("metal", "ceramic"), limbs=limbs)


def _handle(p: dict[str, float], start: float, height: float, segments: int) -> FloatArray:
    count = max(10, segments // 3)
    low, length = 0.8 * height, p["handle_length"]
    spine = contour(
        [
            Node(start - 0.5 * p["wall"], low, heading=20),
            Node(start + 0.5 * length, low + 0.75 * p["handle_rise"]),
            Node(start + length, low + p["handle_rise"], heading=0),
        ]
    )
    share = np.linspace(0, 1, count)
    grip = 0.72 + 0.28 * np.sin(np.pi * np.clip(share, 0, 0.9)) ** 2
    tip = np.sqrt(np.clip(1 - np.clip((share - 0.93) / 0.075, 0, 1) ** 2, 0, 1))
    return tube(
        resampled(spine, count),
        p["handle_width"] * grip * tip,
        p["handle_depth"] * tip,
        max(12, segments // 4),
        power=3.0,
    )


FAMILY = Family("pan", "pan", RANGES, build)
