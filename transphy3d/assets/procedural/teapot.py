"""Teapots with a hollow spout, a handle and a lid."""

from __future__ import annotations

import numpy as np

from transphy3d.assets.geometry import Asset, FloatArray
from transphy3d.assets.procedural.assembly import (
    COVER_GAP,
    Cover,
    Kinds,
    Limbs,
    Turned,
    tube,
    vessel_asset,
)
from transphy3d.assets.procedural.family import Family, Ranges, Uniform, numbers
from transphy3d.assets.procedural.lathe import (
    Node,
    box,
    cap,
    contour,
    corner,
    region,
    resampled,
    vessel,
)
from transphy3d.assets.procedural.mug import ear
from transphy3d.jsonio import Params

ROOT_SHARE = 0.35  # of the spout's spine, within the body or close to it
LID_KINDS: Kinds = ("ceramic", "metal", "glass", "plastic")
RANGES: Ranges = {
    "radius": Uniform(0.056, 0.078),
    "squatness": Uniform(1.25, 1.65, ""),
    "mouth": Uniform(0.50, 0.64, ""),
    "foot": Uniform(0.55, 0.7, ""),
    "wall": Uniform(0.003, 0.0045),
    "spout_length": Uniform(0.046, 0.064),
    "spout_root": Uniform(0.026, 0.034),
    "spout_tip": Uniform(0.0125, 0.016),
    "handle_reach": Uniform(0.034, 0.046),
    "handle_width": Uniform(0.011, 0.016),
    "knob": Uniform(0.009, 0.013),
    "lid_rise": Uniform(0.010, 0.018),
}


def build(params: Params, segments: int) -> Asset:
    """A teapot; `squatness` is height over radius, mouth and foot parts of the radius."""
    p = numbers(params)
    radius, wall = p["radius"], p["wall"]
    height, mouth, foot = p["squatness"] * radius, p["mouth"] * radius, p["foot"] * radius
    outer = contour(
        [
            corner(0, 0),
            corner(foot, 0),
            corner(0.97 * foot, 0.004),
            Node(radius, 0.46 * height, heading=90),
            corner(mouth, height - 0.0025),
            corner(mouth, height),
        ]
    )
    under = box(foot - 2 * wall, -1.0, 0.003)
    path = vessel(outer, wall, wall, foot=under, corner_radius=0.35 * radius)
    lid = Cover("lid", _lid(p, path, mouth, height), LID_KINDS)
    spout, bore = _spout(p, height, max(14, segments // 2))
    spine = resampled(
        ear(outer, 0.24 * height, 0.80 * height, p["handle_reach"], -0.12) * (-1, 1),
        max(14, segments // 2),
    )
    handle = tube(spine, p["handle_width"], 0.6 * p["handle_width"], max(12, segments // 4))
    kinds: Kinds = ("ceramic", "glass", "metal")
    limbs = Limbs((handle, spout), (bore,))
    body = Turned(path, wall)
    return vessel_asset(
        "teapot", "teapot", body, segments, kinds, (lid,), limbs, brim=height - 0.012
    )


def _spout(p: dict[str, float], height: float, count: int) -> tuple[FloatArray, FloatArray]:
    """Rings of the spout and of its bore, which starts inside and ends beyond the tip."""
    tip = (p["radius"] + p["spout_length"], 1.02 * height)
    spine = resampled(
        contour(
            [
                Node(0.45 * p["radius"], 0.30 * height, heading=5),
                Node(p["radius"] + 0.45 * p["spout_length"], 0.58 * height, heading=62),
                Node(*tip, heading=48),
            ]
        ),
        count,
    )
    share = np.linspace(0, 1, count)
    outside = np.clip((share - ROOT_SHARE) / (1 - ROOT_SHARE), 0, 1)
    across = p["spout_tip"] + (p["spout_root"] - p["spout_tip"]) * (1 - outside) ** 1.6
    ends = spine[-1] + (spine[-1] - spine[-2]) * 2, spine[0] - (spine[1] - spine[0]) * 2
    longer = np.concatenate([ends[1][None], spine, ends[0][None]])
    inside = np.concatenate([across[:1], across, across[-1:]]) - 2 * 0.8 * p["wall"]
    sides = max(16, count)
    return (
        tube(spine, across, across * 1.1, sides, power=2.0),
        tube(longer, inside, inside * 1.1, sides, power=2.0),
    )


def _lid(p: dict[str, float], path: FloatArray, mouth: float, height: float) -> FloatArray:
    """A domed lid that rests on the rim with a skirt inside it and a round knob."""
    skirt, edge = mouth - 1.25 * p["wall"] - 0.001, mouth + 0.0006
    top, knob, neck = height + p["lid_rise"], p["knob"], 0.5 * p["knob"]
    outer = contour(
        [
            corner(0, height - 0.007),
            corner(skirt - 0.001, height - 0.007),
            corner(skirt, height),
            corner(edge, height),
            corner(edge, height + 0.0022),
            Node(0.55 * edge, height + 0.75 * p["lid_rise"]),
            Node(neck, top, heading=110),
            Node(knob, top + 0.9 * knob, heading=90),
            Node(0, top + 1.8 * knob, heading=180),
        ]
    )
    return cap(outer, region(path), COVER_GAP, 0.0006)


FAMILY = Family("teapot", "teapot", RANGES, build)
