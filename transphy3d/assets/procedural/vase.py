"""Vases of several outlines, plain, fluted or faceted, straight or twisted."""

from __future__ import annotations

import numpy as np

from transphy3d.assets.geometry import Asset
from transphy3d.assets.procedural import patterns
from transphy3d.assets.procedural.assembly import Kinds, Turned, vessel_asset
from transphy3d.assets.procedural.family import Choice, Family, Ranges, Uniform, numbers
from transphy3d.assets.procedural.lathe import Node, box, contour, corner, vessel
from transphy3d.jsonio import Params

# Radius over the greatest radius at shares of the height, per outline.
OUTLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "amphora": ((0.52, 0.0), (0.86, 0.25), (1.0, 0.5), (0.80, 0.74), (0.46, 0.9), (0.56, 1.0)),
    "trumpet": ((0.58, 0.0), (0.44, 0.22), (0.50, 0.5), (0.70, 0.8), (1.0, 1.0)),
    "cylinder": ((0.92, 0.0), (0.95, 0.4), (1.0, 1.0)),
    "bud": ((0.62, 0.0), (0.98, 0.14), (0.98, 0.30), (0.50, 0.52), (0.34, 0.75), (0.42, 1.0)),
    "globe": ((0.50, 0.0), (0.90, 0.2), (1.0, 0.45), (0.84, 0.76), (0.58, 0.93), (0.60, 1.0)),
}
RANGES: Ranges = {
    "height": Uniform(0.14, 0.28),
    "radius": Uniform(0.040, 0.065),
    "outline": Choice(tuple(OUTLINES)),
    "wall": Uniform(0.0025, 0.0045),
    "base": Uniform(0.006, 0.018),
    "pattern": Choice(("plain", "fluted", "faceted")),
    "pattern_count": Choice((6, 8, 10, 12)),
    "pattern_depth": Uniform(0.02, 0.05, ""),
    "twist": Uniform(-90.0, 90.0, "deg"),
    "twisted": Choice((False, True)),
}


def build(params: Params, segments: int) -> Asset:
    """A vase; `twist` turns the mouth against the foot if `twisted`."""
    p, pattern, count = numbers(params), str(params["pattern"]), int(params["pattern_count"])
    height, wall = p["height"], p["wall"]
    nodes = [Node(p["radius"] * r, height * z) for r, z in OUTLINES[str(params["outline"])]]
    outer = contour([corner(0, 0), corner(nodes[0].r, 0), *nodes[1:]])
    recess = box(0.75 * nodes[0].r, -1.0, 0.002)
    path = vessel(outer, wall, p["base"], foot=recess, corner_radius=0.006)
    radial = patterns.styled(pattern, count, p["pattern_depth"], (0.88 * height, 0.99 * height))
    twist = patterns.spiral(np.radians(p["twist"]), height) if params["twisted"] else None
    body = Turned(path, wall, radial, twist if pattern != "plain" else None)
    around = patterns.meshed(segments, count, pattern)
    kinds: Kinds = ("glass", "ceramic", "metal", "plastic")
    return vessel_asset("vase", "vase", body, around, kinds, sharp_angle=25.0)


FAMILY = Family("vase", "vase", RANGES, build)
