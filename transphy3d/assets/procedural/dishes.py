"""Bowls, plates and ashtrays."""

from __future__ import annotations

import numpy as np

from transphy3d.assets.geometry import Asset, FloatArray
from transphy3d.assets.procedural.assembly import Kinds, Limbs, Turned, tube, vessel_asset
from transphy3d.assets.procedural.family import Choice, Family, Ranges, Uniform, numbers
from transphy3d.assets.procedural.lathe import Node, box, contour, corner, vessel
from transphy3d.jsonio import Params

KINDS: Kinds = ("ceramic", "glass", "metal", "plastic")
BOWL: Ranges = {
    "radius": Uniform(0.055, 0.105),
    "depth": Uniform(0.42, 0.72, ""),
    "foot": Uniform(0.38, 0.55, ""),
    "fullness": Uniform(0.66, 0.80, ""),
    "wall": Uniform(0.0026, 0.0042),
    "foot_height": Uniform(0.002, 0.006),
}
PLATE: Ranges = {
    "radius": Uniform(0.085, 0.14),
    "well": Uniform(0.58, 0.72, ""),
    "rise": Uniform(0.012, 0.024),
    "wall": Uniform(0.0032, 0.0048),
    "foot_height": Uniform(0.002, 0.004),
}
ASHTRAY: Ranges = {
    "radius": Uniform(0.042, 0.070),
    "height": Uniform(0.026, 0.040),
    "flare": Uniform(0.90, 1.12, ""),
    "wall": Uniform(0.006, 0.010),
    "base": Uniform(0.006, 0.010),
    "notches": Choice((3, 4)),
    "notch": Uniform(0.008, 0.010),
}


def build_bowl(params: Params, segments: int) -> Asset:
    """A bowl on a foot ring; depth and foot are parts of the radius, fullness of both."""
    p = numbers(params)
    radius, wall, rise = p["radius"], p["wall"], p["foot_height"]
    height, foot = p["depth"] * radius + rise, p["foot"] * radius
    outer = contour(
        [
            corner(0, 0),
            corner(foot, 0),
            corner(0.97 * foot, rise),
            Node(0.5 * (foot + p["fullness"] * radius) + 0.1 * radius, rise + 0.17 * height),
            Node((0.22 + p["fullness"]) * radius, 0.55 * height, heading=68),
            corner(radius, height),
        ]
    )
    under = box(foot - 2.2 * wall, -1.0, rise)
    path = vessel(outer, wall, wall, foot=under, corner_radius=0.25 * radius)
    return vessel_asset("bowl", "bowl", Turned(path, wall), segments, KINDS)


def build_plate(params: Params, segments: int) -> Asset:
    """A plate with a well and a rim; `well` is a part of the radius."""
    p = numbers(params)
    radius, wall, rise = p["radius"], p["wall"], p["foot_height"]
    well, height = p["well"] * radius, p["rise"] + rise
    outer = contour(
        [
            corner(0, 0),
            corner(0.88 * well, 0),
            corner(0.90 * well, rise),
            Node(well, rise + 0.12 * height, heading=30),
            Node(1.10 * well, rise + 0.55 * p["rise"], heading=35),
            corner(radius, height),
        ]
    )
    under = box(0.88 * well - 1.6 * wall, -1.0, rise)
    path = vessel(outer, wall, wall, foot=under, corner_radius=0.01)
    return vessel_asset("plate", "plate", Turned(path, wall), segments, KINDS, holds=False)


def build_ashtray(params: Params, segments: int) -> Asset:
    """A thick ashtray with notches across its rim."""
    p = numbers(params)
    radius, height = p["radius"], p["height"]
    outer = contour([corner(0, 0), corner(radius, 0), corner(p["flare"] * radius, height)])
    under = box(0.8 * radius, -1.0, 0.001)
    path = vessel(outer, p["wall"], p["base"], lip=0.25, foot=under, corner_radius=0.006)
    notches = [
        _notch(2 * np.pi * k / p["notches"], 1.3 * radius, height, p["notch"], segments)
        for k in range(int(p["notches"]))
    ]
    body = Turned(path, p["wall"])
    kinds: Kinds = ("glass", "ceramic", "metal")
    limbs = Limbs(cuts=tuple(notches))
    return vessel_asset("ashtray", "ashtray", body, segments, kinds, limbs=limbs, holds=False)


def _notch(angle: float, reach: float, top: float, width: float, segments: int) -> FloatArray:
    """A rod across the rim whose lower half cuts a groove, rings (R, N, 3)."""
    spine = np.array([(0.35 * reach, top - 0.05 * width), (reach, top - 0.05 * width)])
    rings = tube(spine, width, width, max(12, segments // 2), power=2.0)
    turn = np.array(
        [[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    rotated: FloatArray = rings @ turn
    return rotated


FAMILIES = (
    Family("bowl", "bowl", BOWL, build_bowl),
    Family("plate", "plate", PLATE, build_plate),
    Family("ashtray", "ashtray", ASHTRAY, build_ashtray),
)
