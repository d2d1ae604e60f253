"""Things with a rounded rectangle for a plan: serving trays and framed mirrors."""

from __future__ import annotations

import itertools

import manifold3d
import numpy as np

from transphy3d.assets.geometry import Asset, FloatArray, Mesh, Part
from transphy3d.assets.procedural import lathe
from transphy3d.assets.procedural.family import Choice, Family, Uniform
from transphy3d.assets.procedural.lathe import Node, corner
from transphy3d.assets.procedural.solid import cut, hull_points, stand
from transphy3d.assets.procedural.sweep import cell_hulls, rounded_rectangle, stack
from transphy3d.jsonio import Params

GAP = 1.5e-4  # metres between a plate and its frame
CORNER_CHORDS = 4  # convex pieces round each corner


def _plan(half: tuple[float, float], radius: float, inset: float, count: int) -> FloatArray:
    """The outline (N, 2), moved inward by `inset`."""
    corner_radius = max(radius - inset, 1e-4)
    return rounded_rectangle(count, half[0] - inset, half[1] - inset, corner_radius)


def _loft(profile: FloatArray, half: tuple[float, float], radius: float, count: int) -> FloatArray:
    """Rings (R, N, 3): a profile of (inset, z) points carried round the outline."""
    return np.array(
        [np.insert(_plan(half, radius, float(inset), count), 2, z, axis=1) for inset, z in profile]
    )


def _profile(section: FloatArray, reach: float) -> FloatArray:
    """A lathe path as (inset, z), its radius counted from a rim at `reach`; ends dropped."""
    return np.stack([reach - section[1:-1, 0], section[1:-1, 1]], axis=1)


TRAY: dict[str, Uniform | Choice] = {
    "length": Uniform(0.16, 0.3),
    "width": Uniform(0.55, 0.95, ""),  # by the length
    "corner": Uniform(0.15, 0.8, ""),  # radius, by half the width
    "rim_height": Uniform(0.012, 0.03),
    "flare": Uniform(0.15, 0.9, ""),  # how far the rim leans out, by its height
    "wall": Uniform(0.002, 0.004),
    "handles": Choice((False, True)),
}


def _tray_section(p: dict[str, float], reach: float) -> FloatArray:
    """The tray's section as a path: floor, leaning rim with a rounded lip."""
    out = reach - p["flare"] * p["rim_height"]
    outer = lathe.contour(
        [
            corner(0, 0),
            Node(out - 0.004, 0, heading=0),
            Node(out + 0.3 * (reach - out), 0.3 * p["rim_height"]),
            corner(reach, p["rim_height"]),
        ]
    )
    return lathe.vessel(outer, p["wall"], p["wall"])


def _handle_tools(p: dict[str, float], half: tuple[float, float]) -> list[manifold3d.Manifold]:
    """Slots through the rim at both short ends."""
    height = 0.34 * p["rim_height"]
    slot = manifold3d.CrossSection.square((0.3 * 2 * half[1], 1e-6), True)
    slot = slot.offset(height / 2, manifold3d.JoinType.Round, circular_segments=24)
    bar = slot.extrude(0.05 + p["flare"] * p["rim_height"]).rotate((90, 0, 90))
    z = 0.62 * p["rim_height"]
    start = half[0] - p["flare"] * p["rim_height"] - p["wall"] - 0.004
    right = bar.translate((start, 0, z))
    return [right, right.mirror((1, 0, 0))]


def build_tray(params: Params, segments: int) -> Asset:
    """A serving tray with a leaning rim, with or without slots to grip."""
    p = {name: float(value) for name, value in params.items()}
    half = (p["length"] / 2, p["width"] * p["length"] / 2)
    radius = max(p["corner"] * half[1], p["flare"] * p["rim_height"] + 0.012)
    section = _tray_section(p, half[1])
    profile = _profile(section, half[1])
    profile = profile[profile[:, 0] < radius - 2e-4]
    mesh = stack(_loft(profile, half, radius, segments // 4 * 4))
    if params["handles"]:
        mesh = cut(mesh, _handle_tools(p, half))
    parts, hulls = stand(
        [Part("body", mesh, ("plastic", "metal", "ceramic", "glass"))],
        _tray_hulls(profile, p["wall"], half, radius),
    )
    return Asset("tray", "tray", parts, hulls, wall=p["wall"])


def _tray_hulls(
    profile: FloatArray, wall: float, half: tuple[float, float], radius: float
) -> tuple[FloatArray, ...]:
    """The floor, and the rim as convex pieces round the outline."""
    rings = _loft(profile, half, radius, 4 * (CORNER_CHORDS + 1))
    floor = rings[profile[:, 1] < 1.05 * wall].reshape(-1, 3)
    foot = profile[profile[:, 1] > 1.02 * wall + 1e-4, 0].max()
    rim = profile[profile[:, 0] <= foot]
    around = _loft(rim, half, radius, 4 * (CORNER_CHORDS + 1)).transpose(1, 0, 2)
    top = int(np.argmax(rim[:, 1]))
    levels = np.linspace(0, top, 3).round().astype(int)
    columns = []
    for low, high in itertools.pairwise(levels):
        inside = (rim[:, 1] >= rim[low, 1] - 1e-9) & (rim[:, 1] <= rim[high, 1] + 1e-9)
        columns.append(np.flatnonzero(inside))
    return (hull_points(floor), *cell_hulls(around, columns, closed=True))


MIRROR: dict[str, Uniform | Choice] = {
    "length": Uniform(0.08, 0.2),
    "width": Uniform(0.6, 1.0, ""),
    "corner": Choice((0.06, 0.3, 1.0, 1.0)),  # radius, by half the width; 1 is round
    "frame": Uniform(0.006, 0.016),  # width of the border
    "height": Uniform(0.007, 0.014),
    "bulge": Uniform(0.0, 1.0, ""),  # 0 a flat border, 1 a half round one
    "plate": Uniform(0.002, 0.0035),
}


def _frame_profile(p: dict[str, float], floor: float, slot: float) -> FloatArray:
    """(inset, z) from below the middle, round the border, under its lip, to the floor."""
    border, height = p["frame"], p["height"]
    edge = 0.0015 * (1 - p["bulge"]) + border / 2 * p["bulge"] * 0.98
    angle = np.linspace(0, np.pi / 2, 9)
    shoulder = height - edge * 0.9
    outer = np.stack([edge * (1 - np.cos(angle)), shoulder + edge * 0.9 * np.sin(angle)], 1)
    inner = outer[::-1] * (-1, 1) + (border, 0)
    inner = inner[inner[:, 1] > slot + 6e-4]
    lip = inner[-1, 0]
    hidden = border - 0.002
    start = [(border, 0.0), (0.0006, 0.0), (0.0, 0.0006)]
    under = [(lip, slot), (hidden, slot), (hidden, floor), (border, floor)]
    return np.concatenate([start, outer, inner, under])


def build_mirror(params: Params, segments: int) -> Asset:
    """A mirror in a frame, lying on its back: a plate in a groove behind the frame's lip."""
    p = {name: float(value) for name, value in params.items()}
    count = segments // 4 * 4
    half = (p["length"] / 2, p["width"] * p["length"] / 2)
    radius = max(p["corner"] * half[1] * 0.98, p["frame"] + 0.003)
    floor = 0.0015
    slot = floor + p["plate"] + 2 * GAP
    rings = _loft(_frame_profile(p, floor, slot), half, radius, count)
    plate = _plate(p, floor + GAP, half, radius, count)
    border = [
        (p["frame"], 0.0),
        (0, 0.0),
        (0.0, p["height"] * 0.85),
        (p["frame"] / 2, p["height"]),
        (p["frame"], p["height"] * 0.85),
    ]
    bars = _loft(np.array(border), half, radius, 4 * (CORNER_CHORDS + 2)).transpose(1, 0, 2)
    middle = np.concatenate([rings[0], rings[-1] * (1, 1, 0) + (0, 0, slot)])
    hulls = (hull_points(middle), *cell_hulls(bars, [np.arange(5)], closed=True))
    parts, placed = stand(
        [
            Part("plate", plate, ("metal",)),
            Part("frame", stack(rings), ("metal", "plastic", "ceramic")),
        ],
        hulls,
    )
    return Asset("mirror", "mirror", parts, placed)


def _plate(
    p: dict[str, float], low: float, half: tuple[float, float], radius: float, count: int
) -> Mesh:
    """The silvered plate, its edges within the groove."""
    inset, edge = p["frame"] - 0.002 + GAP, 3e-4
    high = low + p["plate"]
    profile = [(inset + edge, low), (inset, low + edge), (inset, high - edge), (inset + edge, high)]
    return stack(_loft(np.array(profile), half, radius, count))


FAMILIES = (
    Family("tray", "tray", TRAY, build_tray),
    Family("mirror", "mirror", MIRROR, build_mirror),
)
