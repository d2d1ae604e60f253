"""Drinking glasses without a stem, plain, fluted or faceted."""

from __future__ import annotations

from transphy3d.assets.geometry import Asset
from transphy3d.assets.procedural import patterns
from transphy3d.assets.procedural.assembly import Kinds, Turned, vessel_asset
from transphy3d.assets.procedural.family import Choice, Family, Ranges, Uniform, numbers
from transphy3d.assets.procedural.lathe import Node, box, contour, corner, vessel
from transphy3d.jsonio import Params

RANGES: Ranges = {
    "height": Uniform(0.075, 0.15),
    "radius": Uniform(0.030, 0.042),
    "taper": Uniform(0.72, 1.0, ""),
    "belly": Uniform(-0.03, 0.06, ""),
    "wall": Uniform(0.0014, 0.0032),
    "base": Uniform(0.003, 0.015),
    "floor_radius": Uniform(0.002, 0.010),
    "recess": Uniform(0.0006, 0.002),
    "pattern": Choice(("plain", "plain", "fluted", "faceted")),
    "pattern_count": Choice((6, 8, 10, 12)),
    "pattern_depth": Uniform(0.012, 0.03, ""),
    "pattern_height": Uniform(0.55, 0.8, ""),
}


def build(params: Params, segments: int) -> Asset:
    """A tumbler; `taper` is foot over mouth radius, `belly` the bulge over the radius."""
    p, pattern, count = numbers(params), str(params["pattern"]), int(params["pattern_count"])
    height, radius, foot = p["height"], p["radius"], p["radius"] * p["taper"]
    middle = (foot + radius) / 2 + p["belly"] * radius
    outer = contour(
        [corner(0, 0), corner(foot, 0), Node(middle, 0.5 * height), corner(radius, height)]
    )
    recess = box(0.78 * foot, -1.0, p["recess"])
    path = vessel(outer, p["wall"], p["base"], foot=recess, corner_radius=p["floor_radius"])
    fade = (p["pattern_height"] * height, min(p["pattern_height"] + 0.12, 0.9) * height)
    body = Turned(path, p["wall"], patterns.styled(pattern, count, p["pattern_depth"], fade))
    around = patterns.meshed(segments, count, pattern)
    kinds: Kinds = ("glass", "plastic", "metal", "ceramic")
    return vessel_asset("tumbler", "drinking glass", body, around, kinds, sharp_angle=25.0)


FAMILY = Family("tumbler", "drinking glass", RANGES, build)
