"""Bottles for wine, beer, water and oil, with a punt and perhaps a cap."""

from __future__ import annotations

from transphy3d.assets.geometry import Asset, FloatArray
from transphy3d.assets.procedural import patterns
from transphy3d.assets.procedural.assembly import COVER_GAP, Cover, Kinds, Turned, vessel_asset
from transphy3d.assets.procedural.family import Choice, Family, Ranges, Uniform, numbers
from transphy3d.assets.procedural.lathe import Node, cap, contour, corner, filled, region, vessel
from transphy3d.jsonio import Params

RANGES: Ranges = {
    "height": Uniform(0.18, 0.31),
    "slenderness": Uniform(3.2, 4.3, ""),
    "shape": Choice(("bordeaux", "burgundy", "beer", "square")),
    "shoulder": Uniform(0.56, 0.66, ""),
    "neck_radius": Uniform(0.0125, 0.0150),
    "neck_length": Uniform(0.14, 0.24, ""),
    "collar": Uniform(0.0012, 0.0026),
    "wall": Uniform(0.0024, 0.0040),
    "base": Uniform(0.004, 0.008),
    "punt": Uniform(0.002, 0.014),
    "cap": Choice(("none", "none", "screw")),
}
CAP_KINDS: Kinds = ("metal", "plastic")


def build(params: Params, segments: int) -> Asset:
    """A bottle; `slenderness` is height over diameter, lengths without unit parts of height."""
    p, shape = numbers(params), str(params["shape"])
    radius = p["height"] / p["slenderness"] / 2
    outer = contour([*_body(p, shape, radius), *_neck(p)])
    punt = region(
        contour(
            [
                corner(0, -0.01),
                corner(0.72 * radius, -0.01),
                corner(0.72 * radius, 0),
                Node(0, max(p["punt"], 0.0015), heading=180),
            ]
        )
    )
    path = vessel(outer, p["wall"], p["base"], foot=punt, corner_radius=0.3 * radius)
    square = patterns.facets(4, (p["shoulder"] * p["height"], _neck_start(p)))
    body = Turned(path, p["wall"], square if shape == "square" else None)
    around = patterns.meshed(segments, 4, "faceted") if shape == "square" else segments
    covers = [_cap(p, path)] if params["cap"] == "screw" else []
    brim = p["height"] - 0.03 if covers else p["height"]
    kinds: Kinds = ("glass", "plastic", "metal", "ceramic")
    return vessel_asset("bottle", "bottle", body, around, kinds, covers, brim=brim)


def _neck_start(p: dict[str, float]) -> float:
    return (1 - p["neck_length"]) * p["height"]


def _body(p: dict[str, float], shape: str, radius: float) -> list[Node]:
    """Base, side and shoulder, up to where the neck starts."""
    heel = min(0.25 * radius, 0.008)
    side = [corner(0, 0), Node(radius - heel, 0, heading=0), Node(radius, heel, heading=90)]
    start = _neck_start(p)
    if shape == "burgundy":
        return [
            *side,
            Node(radius, 0.8 * p["shoulder"] * p["height"], heading=90),
            Node(p["neck_radius"], start, heading=90),
        ]
    level = p["shoulder"] * p["height"]
    if shape == "beer":
        return [
            *side,
            Node(radius, 0.9 * level, heading=90),
            Node(0.5 * (radius + p["neck_radius"]), (0.9 * level + start) / 2),
            Node(p["neck_radius"], start, heading=88),
        ]
    bend = min(0.75 * (radius - p["neck_radius"]), start - level)
    return [
        *side,
        Node(radius, start - 1.35 * bend, heading=90),
        Node(p["neck_radius"] + 0.22 * bend, start - 0.22 * bend, heading=150),
        Node(p["neck_radius"], start, heading=90),
    ]


def _neck(p: dict[str, float]) -> list[Node]:
    """The neck above its start, with a collar below the mouth."""
    height, neck = p["height"], p["neck_radius"]
    edge = neck + p["collar"]
    return [
        corner(neck, height - 0.020),
        corner(edge, height - 0.0185),
        corner(edge, height - 0.012),
        corner(neck, height - 0.0105),
        corner(neck, height),
    ]


def _cap(p: dict[str, float], path: FloatArray) -> Cover:
    """A screw cap from above the collar over the mouth."""
    top, low = p["height"] + 0.0017, p["height"] - 0.0095
    outer = p["neck_radius"] + p["collar"] + 0.0006
    shell = contour([corner(0, low), corner(outer, low), corner(outer, top), corner(0, top)])
    return Cover("cap", cap(shell, filled(path), COVER_GAP, 0.0003), CAP_KINDS)


FAMILY = Family("bottle", "bottle", RANGES, build)
