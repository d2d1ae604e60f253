"""Things for light: candle holders and lampshades."""

from __future__ import annotations

import numpy as np
from manifold3d import CrossSection

from transphy3d.assets.geometry import Asset, FloatArray
from transphy3d.assets.procedural import patterns
from transphy3d.assets.procedural.assembly import Kinds, Turned, ring_asset, vessel_asset
from transphy3d.assets.procedural.family import Choice, Family, Ranges, Uniform, numbers
from transphy3d.assets.procedural.lathe import (
    Node,
    box,
    contour,
    corner,
    offset,
    path_of,
    region,
    rounded,
    solid,
    standing,
    tidy,
    vessel,
)
from transphy3d.jsonio import Params

SOCKET = 0.0112  # radius of a taper candle's socket, metres
CANDLESTICK: Ranges = {
    "height": Uniform(0.09, 0.22),
    "foot_radius": Uniform(0.036, 0.052),
    "stem_radius": Uniform(0.007, 0.011),
    "knop_radius": Uniform(0.013, 0.022),
    "knop": Uniform(0.35, 0.6, ""),
    "cup_radius": Uniform(0.016, 0.026),
    "socket_depth": Uniform(0.016, 0.024),
}
TEALIGHT: Ranges = {
    "height": Uniform(0.045, 0.085),
    "radius": Uniform(0.032, 0.043),
    "taper": Uniform(0.75, 1.0, ""),
    "wall": Uniform(0.004, 0.008),
    "base": Uniform(0.010, 0.022),
    "facets": Choice((0, 0, 8, 10, 12)),
}
LAMPSHADE: Ranges = {
    "height": Uniform(0.11, 0.20),
    "radius": Uniform(0.07, 0.12),
    "top": Uniform(0.40, 0.85, ""),
    "belly": Uniform(-0.10, 0.15, ""),
    "wall": Uniform(0.0022, 0.0035),
    "pleats": Choice((0, 0, 16, 24)),
    "pleat_depth": Uniform(0.012, 0.025, ""),
}


def build_candlestick(params: Params, segments: int) -> Asset:
    """A candlestick with a knop and a socket; `knop` is its height as a part of the stem's."""
    p = numbers(params)
    height, stem, cup = p["height"], p["stem_radius"], p["cup_radius"]
    low, high = 0.022, height - p["socket_depth"] - 0.008
    middle = low + 0.012 + p["knop"] * (high - low - 0.024)
    size = 0.6 * p["knop_radius"]
    outer = contour(
        [
            corner(0, 0),
            corner(p["foot_radius"], 0),
            corner(p["foot_radius"], 0.004),
            Node(0.45 * p["foot_radius"], 0.010),
            Node(stem, low, heading=90),
            corner(stem, middle - size),
            Node(p["knop_radius"], middle, heading=90),
            corner(stem, middle + size),
            Node(stem, high, heading=90),
            Node(SOCKET + 0.003, high + 0.008, heading=80),
            corner(SOCKET + 0.003, height - 0.004),
            corner(cup, height - 0.0025),
            corner(cup, height),
        ]
    )
    socket = box(SOCKET, height - p["socket_depth"], height + 1.0)
    under = box(0.85 * p["foot_radius"], -1.0, 0.0012)
    body = Turned(solid(outer, 0.0008, socket + under), 0.003)
    kinds: Kinds = ("metal", "glass", "ceramic")
    return vessel_asset("candlestick", "candle holder", body, segments, kinds, holds=False)


def build_tealight(params: Params, segments: int) -> Asset:
    """A thick cup for a tea light."""
    p, count = numbers(params), int(params["facets"])
    height, radius, foot = p["height"], p["radius"], p["taper"] * p["radius"]
    outer = contour([corner(0, 0), corner(foot, 0), corner(radius, height)])
    path = vessel(outer, p["wall"], p["base"], lip=0.2, corner_radius=0.004)
    radial = patterns.facets(count, (0.80 * height, 0.97 * height)) if count else None
    around = patterns.meshed(segments, count, "faceted") if count else segments
    return vessel_asset(
        "tealight_holder",
        "candle holder",
        Turned(path, p["wall"], radial),
        around,
        ("glass", "ceramic"),
        sharp_angle=20.0,
        holds=False,
    )


def build_lampshade(params: Params, segments: int) -> Asset:
    """A shade open above and below; top and belly are parts of the radius."""
    p, pleats = numbers(params), int(params["pleats"])
    height, radius, top, wall = p["height"], p["radius"], p["top"] * p["radius"], p["wall"]
    middle = (radius + top) / 2 + p["belly"] * radius
    side = contour([corner(radius, 0), Node(middle, 0.5 * height), corner(top, height)])
    path = standing(tidy(path_of(rounded(_open_wall(side, wall), 0.4 * wall))))
    radial = patterns.flutes(pleats, p["pleat_depth"], (2 * height, 3 * height)) if pleats else None
    around = patterns.meshed(segments, pleats, "fluted") if pleats else segments
    kinds: Kinds = ("glass", "plastic", "metal", "ceramic")
    return ring_asset("lampshade", "lampshade", Turned(path, wall, radial), around, kinds)


def _open_wall(side: FloatArray, wall: float) -> CrossSection:
    """The section of a wall, evenly thick inside of `side`, open below and above."""
    (low, foot), (high, top) = side[0, ::-1], side[-1, ::-1]
    ends = np.array([(0.0, low), (0.0, high)])
    beyond = 2 * wall  # the inside is longer than the outside, so that it cuts both ends open
    longer = [(0.0, low - beyond), (foot, low - beyond), *side, (top, high + beyond)]
    inside = offset(region(np.array([*longer, (0.0, high + beyond)])), -wall)
    return region(np.concatenate([ends[:1], side, ends[1:]])) - inside


FAMILIES = (
    Family("candlestick", "candle holder", CANDLESTICK, build_candlestick),
    Family("tealight_holder", "candle holder", TEALIGHT, build_tealight),
    Family("lampshade", "lampshade", LAMPSHADE, build_lampshade),
)
