"""Spoon, fork and knife: superellipse sections along bent lines, tines united to the palm.

They lie as on a table, back down, the handle's end at -x. Sizes follow common table, dessert
and tea cutlery: 13 to 24 cm long, bowl and tines together with the palm about a third of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transphy3d.assets.geometry import Asset, FloatArray, Mesh, Part
from transphy3d.assets.procedural.blade import (
    Blade,
    blade_hulls,
    blade_mesh,
    curve,
    round_ends,
    stations,
)
from transphy3d.assets.procedural.family import Choice, Family, Uniform
from transphy3d.assets.procedural.solid import stand, unite
from transphy3d.jsonio import Params
from transphy3d.materials.spec import Kind

KINDS: tuple[Kind, ...] = ("metal", "plastic")
SHARP_ANGLE = 50.0
ROOT_OVERLAP = 0.02  # of the length, how far tines reach into the palm
HANDLE: dict[str, Uniform | Choice] = {
    "handle_width": Uniform(0.085, 0.125, ""),  # of the length
    "neck_width": Uniform(0.028, 0.042, ""),
    "thickness": Uniform(0.0016, 0.0026),
    "neck_thickness": Uniform(0.0026, 0.0040),
    "waist": Uniform(0.35, 0.8, ""),  # how early a handle narrows
    "heel": Uniform(0.25, 0.6, ""),  # length of the round end by the handle's width
    "squareness": Uniform(2.2, 3.6, ""),  # exponent of the sections
    "arch": Uniform(0.05, 0.1, ""),  # height of the neck, of the length
}


def _f(params: Params) -> dict[str, float]:
    return {name: float(value) for name, value in params.items()}


def _outline(x: FloatArray, p: Mapping[str, float], neck_at: float) -> FloatArray:
    """Half width (R,) of a handle from its end at 0 to the neck."""
    end, neck = p["length"] * p["handle_width"] / 2, p["length"] * p["neck_width"] / 2
    middle = end + (neck - end) * p["waist"]
    knots = [(0, end), (0.12 * neck_at, end), (0.6 * neck_at, middle), (neck_at, neck)]
    return curve(x, knots)


def _depth(x: FloatArray, p: Mapping[str, float], neck_at: float, head: float) -> FloatArray:
    """Half thickness (R,): thin at the end, thickest at the neck, `head` metres beyond it."""
    end, neck = p["thickness"] / 2, p["neck_thickness"] / 2
    rest = p["length"] - neck_at
    return curve(
        x,
        [
            (0, end),
            (0.3 * neck_at, end),
            (0.95 * neck_at, neck),
            (neck_at + 0.3 * rest, head / 2),
            (p["length"], head / 2),
        ],
    )


def _asset(name: str, mesh: Mesh, hulls: tuple[FloatArray, ...], wall: float) -> Asset:
    parts, placed = stand([Part("body", mesh, KINDS)], hulls)
    return Asset(name, name, parts, placed, sharp_angle=SHARP_ANGLE, wall=wall)


def _counts(segments: int) -> tuple[int, int]:
    """Points round a section, and stations along a piece."""
    return max(16, segments // 8 * 4), max(24, segments)


SPOON: dict[str, Uniform | Choice] = {
    "length": Uniform(0.13, 0.21),
    **HANDLE,
    "bowl_length": Uniform(0.28, 0.34, ""),  # of the length
    "bowl_width": Uniform(0.62, 0.75, ""),  # of the bowl's length
    "bowl_depth": Uniform(0.16, 0.26, ""),  # of the bowl's width
    "egg": Uniform(0.0, 0.22, ""),  # how far the bowl is widest toward the neck
    "gauge": Uniform(0.0011, 0.0018),  # thickness of the bowl
}


def _spoon_lines(x: FloatArray, p: Mapping[str, float]) -> tuple[FloatArray, FloatArray, float]:
    """Half width and depth of the bowl (R,), and where along the spoon it starts."""
    length = p["length"]
    bowl = p["bowl_length"] * length
    start = length - bowl
    u = np.clip((x - start) / bowl * 2 - 1, -1, 1)
    egg = np.sqrt(1 - u**2) * (1 - p["egg"] * u)
    width = p["bowl_width"] * bowl / 2 * egg
    depth = p["bowl_depth"] * p["bowl_width"] * bowl * (1 - u**2) ** 0.8
    return width, depth, start


def _spoon_blade(p: Mapping[str, float], count: int) -> Blade:
    length = p["length"]
    ends = (p["heel"] * p["handle_width"] * length, 0.25 * p["bowl_length"] * length)
    x = stations(length, ends, count)
    bowl, dish, start = _spoon_lines(x, p)
    fade = np.clip((x - start) / (length - start) * 2.2, 0, 1)
    handle = _outline(x, p, start) * round_ends(x, length, (ends[0], 1e-6)) * (1 - fade**2)
    width = (handle**4 + bowl**4) ** 0.25
    height = _depth(x, p, start, p["gauge"])
    brim = p["bowl_depth"] * p["bowl_width"] * p["bowl_length"] * length
    z = curve(
        x,
        [
            (0, 0.1 * brim),
            (0.25 * length, 0.35 * p["arch"] * length),
            (0.62 * length, p["arch"] * length),
            (start, 0.5 * p["arch"] * length + brim / 2),
            (start + 0.35 * (length - start), brim),
            (length, brim),
        ],
    )
    zero = np.zeros_like(x)
    edge = round_ends(x, length, (1e-6, p["gauge"])).clip(0.2)
    power = np.full_like(x, p["squareness"])
    return Blade(x, zero, z, width, height * edge, power, dish, zero)


def build_spoon(params: Params, segments: int) -> Asset:
    """A spoon: one sweep whose sections dip in the middle where the bowl is."""
    p = _f(params)
    count, along = _counts(segments)
    blade = _spoon_blade(p, along)
    start = p["length"] * (1 - p["bowl_length"])
    first = float(blade.x[blade.x > start][0])
    hulls = blade_hulls(blade, 16, 1, (0.0, first))
    hulls += blade_hulls(blade, 24, 4, (first, p["length"]))
    return _asset("spoon", blade_mesh(blade, (0.0, p["length"]), count), hulls, p["gauge"])


FORK: dict[str, Uniform | Choice] = {
    "length": Uniform(0.15, 0.21),
    **HANDLE,
    "tines": Choice((3, 4, 4, 4)),
    "tine_length": Uniform(0.23, 0.28, ""),  # of the length
    "palm_length": Uniform(0.13, 0.17, ""),
    "head_width": Uniform(0.115, 0.14, ""),
    "tine_width": Uniform(0.5, 0.64, ""),  # of the distance between tines
    "tine_tip": Uniform(0.3, 0.5, ""),  # width at the tip, of the tine's
    "cup": Uniform(0.03, 0.055, ""),  # how deep the head is bent, of the length
    "gauge": Uniform(0.0016, 0.0024),  # thickness of the tines
}


def _fork_line(x: FloatArray, p: Mapping[str, float]) -> FloatArray:
    """Height (R,) of the middle line: an arched neck, a bent palm and rising tips."""
    length, cup, arch = p["length"], p["cup"] * p["length"], p["arch"] * p["length"]
    root, neck = _fork_places(p)
    tines = length - root
    return curve(
        x,
        [
            (0, 0.0),
            (0.22 * length, 0.3 * arch),
            (neck - 0.1 * length, arch),
            (neck, 0.92 * arch),
            (root, 0.12 * cup),
            (root + 0.3 * tines, 0.0),
            (root + 0.65 * tines, 0.28 * cup),
            (length, cup),
        ],
    )


def _fork_places(p: Mapping[str, float]) -> tuple[float, float]:
    """Where along the fork the tines and the palm begin."""
    root = p["length"] * (1 - p["tine_length"])
    return root, root - p["length"] * p["palm_length"]


def _palm(p: Mapping[str, float], count: int) -> Blade:
    """Handle, neck and palm, ending just past the roots of the tines."""
    root, neck = _fork_places(p)
    end = root + p["gauge"] * 0.2
    heel = p["heel"] * p["handle_width"] * p["length"]
    x = stations(end, (heel, 1e-4), count)
    head = p["head_width"] * p["length"] / 2
    handle = _outline(x, p, neck) * round_ends(x, p["length"], (heel, 1e-6))
    rise = curve(
        x,
        [
            (neck - 0.1 * (root - neck), 0),
            (neck + 0.5 * (root - neck), 0.8),
            (neck + 0.8 * (root - neck), 1),
            (end, 1),
        ],
    )
    width = handle + (head - p["length"] * p["neck_width"] / 2) * rise
    zero = np.zeros_like(x)
    height = _depth(x, p, neck, p["gauge"])
    height = height + (p["gauge"] / 2 - height) * rise
    power = np.full_like(x, p["squareness"])
    return Blade(x, zero, _fork_line(x, p), width, height, power, zero, zero)


def _tine(p: Mapping[str, float], y: float, pitch: float, count: int) -> Blade:
    """One tine: as wide as the pitch at its root, so that the valleys between are round."""
    root, _ = _fork_places(p)
    length = p["length"] - root
    start = root - ROOT_OVERLAP * p["length"]
    x = start + stations(p["length"] - start, (1e-4, p["gauge"] * 0.8), count)
    slim, tip = p["tine_width"] * pitch / 2, p["tine_width"] * p["tine_tip"] * pitch / 2
    gap = pitch / 2 - slim
    valley = root + gap * 1.6
    into = np.clip((valley - x) / (valley - root), 0, 1)
    taper = curve(x, [(valley, slim), (valley + 0.6 * length, 0.85 * slim), (p["length"], tip)])
    width = taper + gap * (1 - np.sqrt(1 - into**2))
    ends = round_ends(x - start, p["length"] - start, (1e-6, p["gauge"] * 0.8))
    height = np.full_like(x, p["gauge"] / 2) * ends.clip(0.2)
    zero = np.zeros_like(x)
    power = np.full_like(x, p["squareness"])
    return Blade(x, zero + y, _fork_line(x, p), width * ends, height, power, zero, zero)


def build_fork(params: Params, segments: int) -> Asset:
    """A fork: handle and palm are one sweep, each tine another, all united."""
    p = _f(params)
    count, along = _counts(segments)
    palm, number = _palm(p, along), int(p["tines"])
    pitch = p["head_width"] * p["length"] / number
    places = (np.arange(number) - (number - 1) / 2) * pitch
    tines = [_tine(p, float(y), pitch, along // 2) for y in places]
    root, _ = _fork_places(p)
    ends = (root - ROOT_OVERLAP * p["length"], p["length"])
    meshes = [blade_mesh(palm, (0.0, root + p["gauge"] * 0.2), count)]
    meshes += [blade_mesh(tine, ends, count) for tine in tines]
    hulls = blade_hulls(palm, 16, 1)
    hulls += tuple(hull for tine in tines for hull in blade_hulls(tine, 12, 1))
    return _asset("fork", unite(meshes), hulls, p["gauge"])


KNIFE: dict[str, Uniform | Choice] = {
    "length": Uniform(0.17, 0.24),
    "blade_length": Uniform(0.46, 0.56, ""),  # of the length
    "blade_width": Uniform(0.078, 0.1, ""),
    "belly": Uniform(0.0, 0.12, ""),  # how far the edge bulges, of the blade's width
    "tip_drop": Uniform(0.1, 0.9, ""),  # where the tip lies, 0 at the edge, 1 at the back
    "tip_length": Uniform(0.6, 2.0, ""),  # by the blade's width
    "back": Uniform(0.0014, 0.0022),  # thickness of the blade's back
    "handle_width": Uniform(0.068, 0.09, ""),
    "neck_width": Uniform(0.05, 0.062, ""),
    "thickness": Uniform(0.005, 0.0085),
    "heel": Uniform(0.25, 0.6, ""),
    "squareness": Uniform(2.2, 3.6, ""),
}


def _knife_width(x: FloatArray, p: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
    """Heights of the edge and the back above the middle line of the handle, (R,) each."""
    length, start = p["length"], p["length"] * (1 - p["blade_length"])
    end, neck = p["handle_width"] * length / 2, p["neck_width"] * length / 2
    wide, tip = p["blade_width"] * length, p["tip_length"] * p["blade_width"] * length
    back = curve(
        x,
        [
            (0, end),
            (0.25 * start, end),
            (0.9 * start, neck),
            (start, neck),
            (start + 0.3 * (length - start), neck),
            (length, neck),
        ],
    )
    choil = start + 0.04 * length
    edge = curve(
        x,
        [
            (0, -end),
            (0.25 * start, -end),
            (0.9 * start, -neck),
            (start, -neck),
            (choil, neck - wide),
            ((choil + length) / 2, neck - wide * (1 + p["belly"])),
            (length, neck - wide),
        ],
    )
    into = np.sqrt(1 - np.clip((x - (length - tip)) / tip, 0, 1) ** 2)
    point = neck - wide * (1 - p["tip_drop"])
    return point + (edge - point) * into, point + (back - point) * into**0.5


def _knife_blade(p: Mapping[str, float], count: int) -> Blade:
    length, start = p["length"], p["length"] * (1 - p["blade_length"])
    heel = p["heel"] * p["handle_width"] * length
    x = stations(length, (heel, p["tip_length"] * p["blade_width"] * length), count)
    edge, back = _knife_width(x, p)
    ends = round_ends(x, length, (heel, 1e-6))
    sharp = curve(x, [(0.94 * start, 0), (start + 0.02 * length, 1), (length, 1)])
    fullness = curve(x, [(0, 0.8), (0.4 * start, 1.0), (start, 0.75), (length, 0.75)])
    thick = p["thickness"] / 2 * fullness
    height = thick + (p["back"] / 2 - thick) * sharp
    power = p["squareness"] + (3.0 - p["squareness"]) * sharp
    zero = np.zeros_like(x)
    width = (back - edge) / 2 * ends
    middle = (back + edge) / 2
    return Blade(x, middle, zero, width, height * ends.clip(0.3), power, zero, 0.85 * sharp)


def build_knife(params: Params, segments: int) -> Asset:
    """A table knife lying on its side: a full handle that thins into a wedge-shaped blade."""
    p = _f(params)
    count, along = _counts(segments)
    blade = _knife_blade(p, along)
    mesh = blade_mesh(blade, (0.0, p["length"]), count)
    return _asset("knife", mesh, blade_hulls(blade, 16, 1), p["back"])


FAMILIES = (
    Family("spoon", "spoon", SPOON, build_spoon),
    Family("fork", "fork", FORK, build_fork),
    Family("knife", "knife", KNIFE, build_knife),
)
