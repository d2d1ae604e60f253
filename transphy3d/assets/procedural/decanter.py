"""Carafes, and decanters with a stopper."""

from __future__ import annotations

from transphy3d.assets.geometry import Asset, FloatArray
from transphy3d.assets.procedural import patterns
from transphy3d.assets.procedural.assembly import COVER_GAP, Cover, Kinds, Turned, vessel_asset
from transphy3d.assets.procedural.family import Choice, Family, Ranges, Uniform, numbers
from transphy3d.assets.procedural.lathe import Node, box, cap, contour, corner, region, vessel
from transphy3d.jsonio import Params

LIP = 0.006  # how far a decanter's mouth flares beyond its neck, metres
CARAFE: Ranges = {
    "height": Uniform(0.19, 0.27),
    "radius": Uniform(0.042, 0.060),
    "belly": Uniform(0.20, 0.32, ""),
    "neck": Uniform(0.36, 0.48, ""),
    "neck_height": Uniform(0.68, 0.80, ""),
    "mouth": Uniform(1.25, 1.7, ""),
    "wall": Uniform(0.0022, 0.0034),
    "base": Uniform(0.005, 0.010),
}
DECANTER: Ranges = {
    "height": Uniform(0.17, 0.23),
    "radius": Uniform(0.046, 0.062),
    "shape": Choice(("globe", "ship", "square")),
    "neck_radius": Uniform(0.0145, 0.0175),
    "neck_length": Uniform(0.22, 0.30, ""),
    "wall": Uniform(0.0032, 0.0048),
    "base": Uniform(0.008, 0.014),
    "stopper": Choice(("ball", "disc", "none")),
    "stopper_radius": Uniform(0.016, 0.022),
    "facets": Choice((0, 6, 8)),
}


def build_carafe(params: Params, segments: int) -> Asset:
    """A carafe; belly and neck heights are parts of the height, mouth of the neck's radius."""
    p = numbers(params)
    height, radius, neck = p["height"], p["radius"], p["neck"] * p["radius"]
    outer = contour(
        [
            corner(0, 0),
            Node(0.68 * radius, 0, heading=0),
            Node(radius, p["belly"] * height, heading=90),
            Node(neck, p["neck_height"] * height, heading=90),
            corner(min(p["mouth"] * neck, 0.9 * radius), height),
        ]
    )
    under = box(0.5 * radius, -1.0, 0.0015)
    path = vessel(outer, p["wall"], p["base"], foot=under, corner_radius=0.3 * radius)
    body = Turned(path, p["wall"])
    kinds: Kinds = ("glass", "plastic", "metal", "ceramic")
    return vessel_asset("carafe", "carafe", body, segments, kinds)


def build_decanter(params: Params, segments: int) -> Asset:
    """A decanter; `neck_length` is a part of the height, `facets` cut its belly (0: none)."""
    p, shape = numbers(params), str(params["shape"])
    height, neck, start = p["height"], p["neck_radius"], (1 - p["neck_length"]) * p["height"]
    outer = contour(
        [
            *_belly(p, shape, start),
            Node(neck, start + 0.15 * (height - start), heading=90),
            Node(neck, height - 0.012, heading=90),
            corner(neck + LIP, height - 0.001),
            corner(neck + LIP, height),
        ]
    )
    under = box(0.42 * p["radius"], -1.0, 0.002)
    path = vessel(outer, p["wall"], p["base"], foot=under, corner_radius=0.35 * p["radius"])
    sides = 4 if shape == "square" else int(p["facets"])
    radial = patterns.facets(sides, (0.82 * start, start)) if sides else None
    around = patterns.meshed(segments, sides, "faceted") if sides else segments
    covers = [_stopper(p, str(params["stopper"]), path)] if params["stopper"] != "none" else []
    brim = height - 0.025 if covers else height
    body = Turned(path, p["wall"], radial)
    kinds: Kinds = ("glass", "plastic")
    return vessel_asset(
        "decanter",
        "decanter",
        body,
        around,
        kinds,
        covers,
        brim=brim,
        sharp_angle=25.0,
        optical=("transparent",),
    )


def _belly(p: dict[str, float], shape: str, start: float) -> list[Node]:
    """Base and side, up to the shoulder."""
    radius = p["radius"]
    if shape == "ship":
        wide = 1.35 * radius
        return [
            corner(0, 0),
            Node(0.92 * wide, 0, heading=0),
            Node(wide, 0.14 * start, heading=95),
            Node(0.45 * radius, 0.72 * start),
        ]
    if shape == "globe":
        return [corner(0, 0), corner(0.55 * radius, 0), Node(radius, 0.45 * start, heading=90)]
    return [
        corner(0, 0),
        Node(0.88 * radius, 0, heading=0),
        Node(radius, 0.12 * radius, heading=90),
        Node(radius, 0.80 * start, heading=90),
        Node(0.75 * radius, start - 0.02 * start, heading=165),
    ]


def _stopper(p: dict[str, float], style: str, path: FloatArray) -> Cover:
    """A plug in the neck, a collar on the rim, and a ball or a disc to hold."""
    height, size = p["height"], p["stopper_radius"]
    bore = p["neck_radius"] - p["wall"] - 0.0006
    collar = p["neck_radius"] + LIP - 0.2 * p["wall"]
    tall = 1.85 * size if style == "ball" else 0.9 * size
    base = height + 0.004
    outer = contour(
        [
            corner(0, height - 0.020),
            corner(0.88 * bore, height - 0.020),
            corner(bore, height),
            corner(collar, height),
            corner(collar, height + 0.0022),
            corner(min(0.6 * size, collar), base),
            Node(size, base + 0.5 * tall, heading=90),
            Node(0, base + tall, heading=180),
        ]
    )
    return Cover("stopper", cap(outer, region(path), COVER_GAP, 0.0005), ("glass", "plastic"))


FAMILIES = (
    Family("carafe", "carafe", CARAFE, build_carafe),
    Family("decanter", "decanter", DECANTER, build_decanter),
)
