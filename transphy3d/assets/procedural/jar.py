"""Wide-mouthed jars, with a screw lid or open."""

from __future__ import annotations

from transphy3d.assets.geometry import Asset, FloatArray
from transphy3d.assets.procedural import patterns
from transphy3d.assets.procedural.assembly import COVER_GAP, Cover, Kinds, Turned, vessel_asset
from transphy3d.assets.procedural.family import Choice, Family, Ranges, Uniform, numbers
from transphy3d.assets.procedural.lathe import Node, box, cap, contour, corner, filled, vessel
from transphy3d.jsonio import Params

THREAD = 0.014  # height of the neck that a lid covers, metres
RANGES: Ranges = {
    "height": Uniform(0.075, 0.165),
    "radius": Uniform(0.031, 0.048),
    "neck": Uniform(0.80, 0.92, ""),
    "wall": Uniform(0.0024, 0.0036),
    "base": Uniform(0.003, 0.007),
    "heel": Uniform(0.10, 0.25, ""),
    "shape": Choice(("round", "round", "hexagonal")),
    "lid": Choice(("screw", "screw", "none")),
    "lid_wall": Uniform(0.0008, 0.0016),
}


def build(params: Params, segments: int) -> Asset:
    """A jar; neck and heel are parts of the radius."""
    p = numbers(params)
    height, radius, wall = p["height"], p["radius"], p["wall"]
    neck, heel = p["neck"] * radius, p["heel"] * radius
    start = height - THREAD - 0.003
    shoulder = start - 1.5 * (radius - neck) - 0.004
    outer = contour(
        [
            corner(0, 0),
            Node(radius - heel, 0, heading=0),
            Node(radius, heel, heading=90),
            Node(radius, shoulder, heading=90),
            Node(neck, start, heading=90),
            corner(neck, height),
        ]
    )
    under = box(0.75 * (radius - heel), -1.0, 0.0015)
    path = vessel(outer, wall, p["base"], foot=under, corner_radius=0.5 * heel + 0.001)
    covers = [_lid(path, neck, height, p["lid_wall"])] if params["lid"] == "screw" else []
    brim = height - 0.004 if covers else height
    hexagon = params["shape"] == "hexagonal"
    radial = patterns.facets(6, (shoulder, start - 0.002)) if hexagon else None
    around = patterns.meshed(segments, 6, "faceted") if hexagon else segments
    body = Turned(path, wall, radial)
    kinds: Kinds = ("glass", "plastic", "metal", "ceramic")
    return vessel_asset("jar", "jar", body, around, kinds, covers, brim=brim)


def _lid(path: FloatArray, neck: float, height: float, wall: float) -> Cover:
    """A flat lid with a skirt around the neck."""
    edge, low, top = neck + COVER_GAP + wall, height - THREAD, height + COVER_GAP + wall
    shell = contour([corner(0, low), corner(edge, low), corner(edge, top), corner(0, top)])
    return Cover("lid", cap(shell, filled(path), COVER_GAP, 0.4 * wall), ("metal", "plastic"))


FAMILY = Family("jar", "jar", RANGES, build)
