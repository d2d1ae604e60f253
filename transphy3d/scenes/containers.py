"""Trays, bins, boxes and bowls that stand on a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transphy3d.assets.geometry import FloatArray
from transphy3d.jsonio import Params
from transphy3d.materials.spec import Kind, Material
from transphy3d.scenes.geometry import StaticBody, Support
from transphy3d.scenes.palette import Palette
from transphy3d.scenes.solids import (
    BEVEL_STEPS,
    HOLD,
    Outline,
    Point,
    box,
    box_hull,
    ellipse_outline,
    loft,
    rectangle_outline,
    rounded,
    wall_hulls,
)
from transphy3d.scenes.spec import SupportSpec
from transphy3d.scenes.support_kind import Footprint, Sampled, SupportKind, half_extents
from transphy3d.scenes.tables import build_table, sample_table, table_materials

BODY = "body"
# Coplanar faces flicker in a path tracer, so a container floats this far above its table, metres.
GAP = 0.0002
LIP = 0.3  # height of a bowl's rounded lip over its wall's thickness
BOWL_LEVELS = 8
BOWL_STEPS = 96
BOWL_HULL_STEPS = 40


def _on_table(
    rng: np.random.Generator, palette: Palette, params: Params, body: Material
) -> Sampled:
    """A container's parameters and material with those of the table below it."""
    reach = float(params["half_x"]) + 0.06, float(params["half_y"]) + 0.06
    table = sample_table(rng, *reach)
    surface = -float(params["base"]) - GAP
    floor: Params = {"floor": surface - float(table["table_height"])}
    return params | table | floor, {BODY: body} | table_materials(rng, palette)


def _support(
    spec: SupportSpec, bodies: Sequence[StaticBody], inset: float, is_round: bool
) -> Support:
    """The container and its table; objects drop at least `inset` metres inside the outer edge."""
    params = spec.params
    half = float(params["half_x"]) - inset, float(params["half_y"]) - inset
    table = build_table(params, -float(params["base"]) - GAP)
    return Support((*bodies, *table), half, round=is_round, rim=float(params["rim"]))


def _sample_moulded(
    rng: np.random.Generator,
    footprint: Footprint,
    kind: SupportKind,
    rim: tuple[float, float],
    wall: tuple[float, float],
) -> Params:
    """A container in one piece with a flange around its rim; `rim` and `wall` in metres."""
    half_x, half_y = half_extents(rng, kind, footprint)
    thickness = float(rng.uniform(*wall))
    height = float(rng.uniform(*rim))
    taper = height * float(np.tan(np.radians(rng.uniform(3, 14))))
    flange = float(rng.uniform(0.004, 0.012))
    fillet = float(rng.uniform(0.004, 0.01))
    edge = flange + thickness + taper + fillet
    return {
        "half_x": half_x + edge,
        "half_y": half_y + edge,
        "rim": height,
        "base": thickness,
        "wall": thickness,
        "taper": taper,
        "flange": flange,
        "fillet": fillet,
        "corner": float(rng.uniform(0.015, 0.05)),
    }


def _build_moulded(spec: SupportSpec) -> Support:
    """Rounded-rectangle walls that lean outwards, with a flange and filleted floor."""
    params = spec.params
    wall, taper, rim = (float(params[key]) for key in ("wall", "taper", "rim"))
    flange, fillet, base = (float(params[key]) for key in ("flange", "fillet", "base"))
    foot = flange + wall + taper
    cap = foot + fillet + 2 * HOLD
    outline = rectangle_outline(
        float(params["half_x"]), float(params["half_y"]), cap + float(params["corner"])
    )
    lip = 0.4 * wall
    outside = [
        (cap, -base),
        (flange + taper, -base),
        (flange, rim - 2 * wall),
        (0.0, rim - 2 * wall),
    ]
    inside = [(0.0, rim), (flange + wall, rim), (foot, 0.0), (cap, 0.0)]
    profile = rounded([*outside, *inside], (0, 0.7 * wall, lip, lip, lip, lip, fillet, 0))
    floor = np.vstack([outline.ring(flange + taper, -base), outline.ring(foot, 0.0)])
    hulls = [floor, *_moulded_walls(outline, profile, params)]
    body = StaticBody("container", loft(outline, profile), BODY, tuple(hulls))
    return _support(spec, [body], foot + fillet, is_round=False)


def _moulded_walls(outline: Outline, profile: Sequence[Point], params: Params) -> list[FloatArray]:
    """Collision pieces from the floor's fillet up to the rim, and of the flange around it."""
    wall, taper, rim = (float(params[key]) for key in ("wall", "taper", "rim"))
    flange = float(params["flange"])
    fillet = profile[-1 - (BEVEL_STEPS + 2) : -2][::-1]
    inside = [*fillet, (flange + wall, rim)]
    outside = [(flange + taper * (1 - height / rim), height) for _, height in inside]
    low = rim - 2 * wall
    below = flange + wall + taper * (1 - low / rim)
    lip = wall_hulls(outline, [(0.0, low), (0.0, rim)], [(below, low), (flange + wall, rim)])
    return wall_hulls(outline, outside, inside) + lip


def _sample_tray(rng: np.random.Generator, footprint: Footprint, palette: Palette) -> Sampled:
    params = _sample_moulded(rng, footprint, TRAY, (0.018, 0.05), (0.003, 0.008))
    kinds: tuple[Kind, ...] = ("metal", "plastic", "surface")
    words = ("wood", "metal_sheet", "melamine", "plastic_bin", "brushed")
    return _on_table(rng, palette, params, palette.surface(rng, *kinds, like=words))


def _sample_bin(rng: np.random.Generator, footprint: Footprint, palette: Palette) -> Sampled:
    params = _sample_moulded(rng, footprint, BIN, (0.09, 0.2), (0.003, 0.005))
    words = ("plastic_bin", "metal_sheet", "abs", "powder_coated", "stainless_satin")
    body = palette.surface(rng, "surface", "plastic", "metal", like=words)
    return _on_table(rng, palette, params, body)


def _sample_box(rng: np.random.Generator, footprint: Footprint, palette: Palette) -> Sampled:
    half_x, half_y = half_extents(rng, BOX, footprint)
    board = float(rng.uniform(0.006, 0.014))
    params: Params = {
        "half_x": half_x + board,
        "half_y": half_y + board,
        "rim": float(rng.uniform(0.06, 0.16)),
        "base": board,
        "wall": board,
    }
    body = palette.surface(rng, "surface", like=("wood", "cardboard"))
    return _on_table(rng, palette, params, body)


def _build_box(spec: SupportSpec) -> Support:
    """Four boards around a bottom; the long ones run through at the corners."""
    x, y = float(spec.params["half_x"]), float(spec.params["half_y"])
    rim, board = float(spec.params["rim"]), float(spec.params["wall"])
    spans = {
        "bottom": ((-x + board, -y + board, -board), (x - board, y - board, 0.0)),
        "left": ((-x, -y, -board), (-x + board, y, rim)),
        "right": ((x - board, -y, -board), (x, y, rim)),
        "front": ((-x + board, -y, -board), (x - board, -y + board, rim)),
        "back": ((-x + board, y - board, -board), (x - board, y, rim)),
    }
    bodies = [
        StaticBody(f"box_{name}", box(low, high, 0.0015), BODY, (box_hull(low, high),))
        for name, (low, high) in spans.items()
    ]
    return _support(spec, bodies, board, is_round=False)


def _sample_bowl(rng: np.random.Generator, footprint: Footprint, palette: Palette) -> Sampled:
    half = max(half_extents(rng, BOWL, footprint))
    wall = float(rng.uniform(0.004, 0.009))
    radius = half * 1.15 + wall
    params: Params = {
        "half_x": radius,
        "half_y": radius,
        "rim": radius * float(rng.uniform(0.35, 0.6)),
        "base": wall,
        "wall": wall,
        "floor_share": float(rng.uniform(0.3, 0.5)),
    }
    kinds: tuple[Kind, ...] = ("ceramic", "metal", "surface")
    words = ("ceramic", "wood", "stainless", "copper")
    return _on_table(rng, palette, params, palette.surface(rng, *kinds, like=words))


def _build_bowl(spec: SupportSpec) -> Support:
    """A bowl whose wall rises from a flat floor as a quarter ellipse, in even thickness."""
    radius, rim = float(spec.params["half_x"]), float(spec.params["rim"])
    wall = float(spec.params["wall"])
    floor = radius * float(spec.params["floor_share"])
    inside = _quarter_ellipse(radius, floor, radius - wall - floor, rim, 0.0)
    outside = _quarter_ellipse(radius, floor, radius - floor, rim, -wall)
    outside.append((0.35 * wall, rim + LIP * wall))
    inside.append((0.65 * wall, rim + LIP * wall))
    cap = radius - floor + 4 * HOLD
    profile = [(cap, -wall), *outside, *inside[::-1], (cap, 0.0)]
    round_ = ellipse_outline(radius, radius, BOWL_STEPS)
    rings = ellipse_outline(radius, radius, BOWL_HULL_STEPS)
    base = np.vstack([rings.ring(radius - floor, -wall), rings.ring(radius - floor, 0.0)])
    hulls = (base, *wall_hulls(rings, outside, inside))
    body = StaticBody("container", loft(round_, profile), BODY, hulls, sharp_angle=50.0)
    return _support(spec, [body], 0.2 * radius + wall, is_round=True)


def _quarter_ellipse(
    radius: float, start: float, width: float, rim: float, low: float
) -> list[Point]:
    """(inset, height) from the floor's edge at radius `start` to the rim, `width` further out."""
    angles = np.linspace(0, np.pi / 2, BOWL_LEVELS + 1)
    reaches = start + width * np.sin(angles)
    heights = low + (rim - low) * (1 - np.cos(angles))
    return [(float(radius - r), float(z)) for r, z in zip(reaches, heights, strict=True)]


TRAY = SupportKind(_sample_tray, _build_moulded, largest=0.45, crowding=(0.35, 0.8))
BIN = SupportKind(_sample_bin, _build_moulded, largest=0.4, crowding=(0.6, 1.5))
BOX = SupportKind(_sample_box, _build_box, largest=0.4, crowding=(0.5, 1.3))
BOWL = SupportKind(_sample_bowl, _build_bowl, largest=0.22, crowding=(0.6, 1.3))
