"""Laboratory glass: beakers, Erlenmeyer flasks and test tubes."""

from __future__ import annotations

import numpy as np

from transphy3d.assets.geometry import Asset
from transphy3d.assets.procedural import patterns
from transphy3d.assets.procedural.assembly import Kinds, Turned, vessel_asset
from transphy3d.assets.procedural.family import Family, Ranges, Uniform, numbers
from transphy3d.assets.procedural.lathe import Node, contour, corner, vessel
from transphy3d.jsonio import Params

KINDS: Kinds = ("glass", "plastic")
BEAKER: Ranges = {
    "radius": Uniform(0.022, 0.050),
    "slenderness": Uniform(1.25, 1.6, ""),
    "wall": Uniform(0.0014, 0.0022),
    "heel": Uniform(0.10, 0.22, ""),
    "flare": Uniform(0.05, 0.09, ""),
    "spout_pull": Uniform(0.10, 0.16, ""),
    "spout_width": Uniform(14.0, 20.0, "deg"),
}
ERLENMEYER: Ranges = {
    "radius": Uniform(0.030, 0.052),
    "slenderness": Uniform(1.6, 1.85, ""),
    "neck": Uniform(0.32, 0.42, ""),
    "neck_length": Uniform(0.20, 0.27, ""),
    "wall": Uniform(0.0015, 0.0022),
    "heel": Uniform(0.12, 0.2, ""),
    "bead": Uniform(0.0012, 0.0025),
}
TEST_TUBE: Ranges = {
    "radius": Uniform(0.006, 0.0125),
    "length": Uniform(0.10, 0.18),
    "wall": Uniform(0.0009, 0.0014),
    "flare": Uniform(0.0, 0.22, ""),
}


def build_beaker(params: Params, segments: int) -> Asset:
    """A low beaker with a spout; heel, flare and spout are parts of the radius."""
    p = numbers(params)
    radius, wall = p["radius"], p["wall"]
    height, heel, flare = 2 * radius * p["slenderness"], p["heel"] * radius, p["flare"] * radius
    outer = contour(
        [
            corner(0, 0),
            Node(radius - heel, 0, heading=0),
            Node(radius, heel, heading=90),
            Node(radius, height - 2 * flare, heading=90),
            Node(radius + flare, height, heading=20),
        ]
    )
    path = vessel(outer, wall, 1.2 * wall, corner_radius=max(heel - wall, 0.5 * wall))
    lip = patterns.spout(
        p["spout_pull"], np.radians(p["spout_width"]), height - 0.35 * radius, height
    )
    kinds: Kinds = (*KINDS, "metal", "ceramic")
    return vessel_asset("beaker", "beaker", Turned(path, wall, lip), segments, kinds)


def build_erlenmeyer(params: Params, segments: int) -> Asset:
    """A conical flask with a beaded rim."""
    p = numbers(params)
    radius, wall, bead = p["radius"], p["wall"], p["bead"]
    height, heel, neck = 2 * radius * p["slenderness"], p["heel"] * radius, p["neck"] * radius
    shoulder = (1 - p["neck_length"]) * height
    outer = contour(
        [
            corner(0, 0),
            Node(radius - heel, 0, heading=0),
            Node(radius, heel, heading=105),
            Node(1.25 * neck, shoulder - 0.12 * height, heading=118),
            Node(neck, shoulder, heading=90),
            Node(neck, height - 3 * bead, heading=90),
            Node(neck + bead, height - bead, heading=90),
            corner(neck + 0.6 * bead, height),
        ]
    )
    path = vessel(outer, wall, 1.2 * wall, corner_radius=max(heel - wall, 0.5 * wall))
    return vessel_asset(
        "erlenmeyer_flask", "flask", Turned(path, wall), segments, KINDS, optical=("transparent",)
    )


def build_test_tube(params: Params, segments: int) -> Asset:
    """A tube with a round bottom, standing on it; it will not stay standing by itself."""
    p = numbers(params)
    radius, wall, length = p["radius"], p["wall"], p["length"]
    flare = p["flare"] * radius
    outer = contour(
        [
            Node(0, 0, heading=0),
            Node(radius, radius, heading=90),
            Node(radius, length - 1.5 * flare - wall, heading=90),
            corner(radius + flare, length),
        ]
    )
    path = vessel(outer, wall, wall, corner_radius=0.5 * (radius - wall))
    return vessel_asset(
        "test_tube", "test tube", Turned(path, wall), segments, KINDS, optical=("transparent",)
    )


FAMILIES = (
    Family("beaker", "beaker", BEAKER, build_beaker),
    Family("erlenmeyer_flask", "flask", ERLENMEYER, build_erlenmeyer),
    Family("test_tube", "test tube", TEST_TUBE, build_test_tube),
)
