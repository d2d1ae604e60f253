"""Pitchers with a pulled spout and a handle opposite to it."""

from __future__ import annotations

import numpy as np

from transphy3d.assets.geometry import Asset
from transphy3d.assets.procedural import patterns
from transphy3d.assets.procedural.assembly import Kinds, Limbs, Turned, tube, vessel_asset
from transphy3d.assets.procedural.family import Family, Ranges, Uniform, numbers
from transphy3d.assets.procedural.lathe import Node, box, contour, corner, resampled, vessel
from transphy3d.assets.procedural.mug import ear
from transphy3d.jsonio import Params

RANGES: Ranges = {
    "height": Uniform(0.15, 0.24),
    "radius": Uniform(0.046, 0.062),
    "foot": Uniform(0.72, 0.9, ""),
    "waist": Uniform(0.66, 0.84, ""),
    "mouth": Uniform(0.76, 0.9, ""),
    "wall": Uniform(0.0028, 0.0045),
    "base": Uniform(0.004, 0.008),
    "spout_pull": Uniform(0.22, 0.36, ""),
    "spout_width": Uniform(17.0, 25.0, "deg"),
    "handle_reach": Uniform(0.032, 0.046),
    "handle_droop": Uniform(-0.25, 0.05, ""),
    "handle_width": Uniform(0.013, 0.019),
    "handle_depth": Uniform(0.008, 0.011),
}


def build(params: Params, segments: int) -> Asset:
    """A pitcher; foot, waist, mouth and pull are parts of the greatest radius."""
    p = numbers(params)
    height, radius, wall = p["height"], p["radius"], p["wall"]
    outer = contour(
        [
            corner(0, 0),
            corner(p["foot"] * radius, 0),
            Node(radius, 0.34 * height, heading=90),
            Node(p["waist"] * radius, 0.78 * height, heading=90),
            corner(p["mouth"] * radius, height),
        ]
    )
    under = box(0.8 * p["foot"] * radius, -1.0, 0.0018)
    path = vessel(outer, wall, p["base"], foot=under, corner_radius=0.01)
    lip = patterns.spout(p["spout_pull"], np.radians(p["spout_width"]), 0.68 * height, height)
    spine = ear(outer, 0.30 * height, 0.86 * height, p["handle_reach"], p["handle_droop"])
    count = max(14, segments // 2)
    rings = tube(
        resampled(spine * (-1, 1), count),
        p["handle_width"],
        p["handle_depth"],
        max(12, segments // 4),
    )
    kinds: Kinds = ("glass", "ceramic", "metal", "plastic")
    body, limbs = Turned(path, wall, lip), Limbs((rings,))
    return vessel_asset("pitcher", "pitcher", body, segments, kinds, limbs=limbs)


FAMILY = Family("pitcher", "pitcher", RANGES, build)
