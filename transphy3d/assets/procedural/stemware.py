"""Glasses on a stem: wine glasses, champagne flutes and coupes. The stem is solid."""

from __future__ import annotations

from transphy3d.assets.geometry import Asset, FloatArray
from transphy3d.assets.procedural.assembly import Kinds, Turned, vessel_asset
from transphy3d.assets.procedural.family import Choice, Family, Ranges, Uniform, numbers
from transphy3d.assets.procedural.lathe import Node, contour, corner, region, vessel
from transphy3d.jsonio import Params

FOOT_EDGE = 0.0022  # thickness of a foot at its rim, metres
UNDERSIDE = 0.0015  # how far the middle of a foot stands off the table, metres

COMMON: Ranges = {
    "wall": Uniform(0.0011, 0.0016),
    "foot_radius": Uniform(0.031, 0.038),
    "foot_rise": Uniform(0.004, 0.009),
    "stem_radius": Uniform(0.0032, 0.0048),
    "floor": Uniform(0.004, 0.008),
}
WINE: Ranges = {
    **COMMON,
    "stem_length": Uniform(0.06, 0.105),
    "bowl_height": Uniform(0.075, 0.115),
    "bowl_radius": Uniform(0.034, 0.048),
    "mouth": Uniform(0.68, 0.92, ""),
    "widest": Uniform(0.34, 0.5, ""),
}
FLUTE: Ranges = {
    **COMMON,
    "stem_length": Uniform(0.055, 0.09),
    "bowl_height": Uniform(0.12, 0.155),
    "bowl_radius": Uniform(0.024, 0.029),
    "mouth": Uniform(0.80, 1.0, ""),
    "widest": Uniform(0.5, 0.75, ""),
    "style": Choice(("tulip", "trumpet")),
}
COUPE: Ranges = {
    **COMMON,
    "stem_length": Uniform(0.06, 0.10),
    "bowl_height": Uniform(0.038, 0.055),
    "bowl_radius": Uniform(0.044, 0.054),
    "mouth": Uniform(0.96, 1.0, ""),
    "widest": Uniform(0.75, 0.88, ""),
}


def stemware(name: str, bowl: list[Node], p: dict[str, float], segments: int) -> Asset:
    """A stemmed glass; the nodes of `bowl` have z = 0 where the stem ends."""
    stem_top = p["foot_rise"] + p["stem_length"]
    raised = [Node(n.r, n.z + stem_top, n.heading, n.corner) for n in bowl]
    outer: FloatArray = contour([*_foot_and_stem(p, stem_top), *raised])
    depth = 0.55 * min(p["bowl_radius"], p["bowl_height"])
    hollow = region(
        contour(
            [
                corner(0, -0.01),
                corner(0.88 * p["foot_radius"], -0.01),
                corner(0.88 * p["foot_radius"], 0),
                corner(0, UNDERSIDE),
            ]
        )
    )
    path = vessel(
        outer, p["wall"], stem_top + p["floor"] - UNDERSIDE, foot=hollow, corner_radius=depth
    )
    body = Turned(path, p["wall"])
    kinds: Kinds = ("glass", "plastic", "metal")
    return vessel_asset(name, name.replace("_", " "), body, segments, kinds)


def _foot_and_stem(p: dict[str, float], stem_top: float) -> list[Node]:
    stem, rise, foot = p["stem_radius"], p["foot_rise"], p["foot_radius"]
    return [
        corner(0, 0),
        corner(foot, 0),
        corner(foot, FOOT_EDGE),
        Node(0.35 * foot + 0.65 * stem, FOOT_EDGE + 0.55 * rise),
        Node(stem, FOOT_EDGE + rise + 3 * stem, heading=90),
        Node(stem, stem_top - 3 * stem, heading=90),
    ]


def build_wine_glass(params: Params, segments: int) -> Asset:
    """A wine glass; `mouth` and `widest` are parts of the bowl's radius and height."""
    p = numbers(params)
    radius, height = p["bowl_radius"], p["bowl_height"]
    bowl = [
        Node(0.45 * radius, 0.07 * height, heading=35),
        Node(radius, p["widest"] * height, heading=90),
        corner(p["mouth"] * radius, height),
    ]
    return stemware("wine_glass", bowl, p, segments)


def build_flute(params: Params, segments: int) -> Asset:
    """A champagne flute: a tulip narrows at the mouth, a trumpet opens to it."""
    p = numbers(params)
    radius, height = p["bowl_radius"], p["bowl_height"]
    if params["style"] == "tulip":
        side = [
            Node(radius, p["widest"] * height, heading=90),
            corner(p["mouth"] * radius, height),
        ]
    else:
        side = [Node(0.72 * radius, 0.45 * height), corner(radius, height)]
    return stemware(
        "champagne_flute", [Node(0.35 * radius, 0.07 * height, heading=60), *side], p, segments
    )


def build_coupe(params: Params, segments: int) -> Asset:
    """A shallow champagne coupe."""
    p = numbers(params)
    radius, height = p["bowl_radius"], p["bowl_height"]
    bowl = [
        Node(0.4 * radius, 0.12 * height, heading=18),
        Node(radius, p["widest"] * height, heading=90),
        corner(p["mouth"] * radius, height),
    ]
    return stemware("coupe", bowl, p, segments)


FAMILIES = (
    Family("wine_glass", "wine glass", WINE, build_wine_glass),
    Family("champagne_flute", "champagne flute", FLUTE, build_flute),
    Family("coupe", "coupe", COUPE, build_coupe),
)
