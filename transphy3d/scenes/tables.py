"""Tables: a bevelled top on legs or a pedestal, alone or below a container."""

from __future__ import annotations

import numpy as np

from transphy3d.jsonio import Params
from transphy3d.materials.spec import Material
from transphy3d.scenes.geometry import StaticBody, Support
from transphy3d.scenes.palette import Palette
from transphy3d.scenes.solids import (
    box,
    box_hull,
    ellipse_outline,
    loft,
    rectangle_outline,
    rounded,
    slab,
)
from transphy3d.scenes.spec import SupportSpec
from transphy3d.scenes.support_kind import Footprint, Sampled, SupportKind, half_extents

ROUND_STEPS = 128
HULL_ROUND_STEPS = 64
LEG = "legs"
TOP = "top"
TOP_WORDS = ("wood", "marble", "cloth", "laminate", "tile", "terrazzo", "checker", "rubber_mat")
LEG_WORDS = ("wood", "metal_sheet", "stainless_brushed", "powder_coated")
# From the edge of the area that objects drop onto to the table's edge, metres.
MARGIN = (0.06, 0.25)


def sample_table(rng: np.random.Generator, half_x: float, half_y: float) -> Params:
    """Parameters of a table whose top is at least `half_x` by `half_y` metres from its middle.

    A round top circumscribes that rectangle. Heights are those of dining and side tables.
    """
    is_round = bool(rng.random() < 0.35)
    if is_round:
        half_x = half_y = float(np.hypot(half_x, half_y))
    grow_x, grow_y = rng.uniform(1.05, 1.5, size=2)
    smallest = rng.uniform(0.28, 0.5)
    half_x = max(half_x * float(grow_x), float(smallest))
    half_y = max(half_y * float(grow_x if is_round else grow_y), float(smallest))
    return {
        "table_round": is_round,
        "table_half_x": half_x,
        "table_half_y": half_y,
        "table_thickness": float(rng.uniform(0.018, 0.045)),
        "table_bevel": float(rng.uniform(0.002, 0.006)),
        "table_height": float(rng.uniform(0.55, 0.95)),
        "table_pedestal": bool(rng.random() < (0.7 if is_round else 0.15)),
        "table_leg": float(rng.uniform(0.018, 0.035)),
    }


def table_materials(rng: np.random.Generator, palette: Palette) -> dict[str, Material]:
    """What the top and the legs are made of."""
    return {
        TOP: palette.surface(rng, "surface", like=TOP_WORDS),
        LEG: palette.surface(rng, "surface", "metal", like=LEG_WORDS),
    }


def build_table(params: Params, surface: float) -> list[StaticBody]:
    """A table whose top's upper face is at the height `surface`, metres."""
    half_x, half_y = float(params["table_half_x"]), float(params["table_half_y"])
    low = surface - float(params["table_thickness"])
    bevel = float(params["table_bevel"])
    if params["table_round"]:
        outline = ellipse_outline(half_x, half_y, ROUND_STEPS)
        rings = ellipse_outline(half_x, half_y, HULL_ROUND_STEPS)
    else:
        outline = rings = rectangle_outline(half_x, half_y, 4 * bevel)
    hull = np.vstack([rings.ring(0.0, low), rings.ring(0.0, surface)])
    top = StaticBody("table_top", slab(outline, low, surface, bevel), TOP, (hull,))
    return [top, *_legs(params, low)]


def _legs(params: Params, top: float) -> list[StaticBody]:
    """Legs or a pedestal from the floor to the underside of the top."""
    floor = top + float(params["table_thickness"]) - float(params["table_height"])
    if params["table_pedestal"]:
        return [_pedestal(params, floor, top)]
    leg = float(params["table_leg"])
    reach = 0.68 if params["table_round"] else 1.0
    x = max(float(params["table_half_x"]) * reach - 2 * leg, leg)
    y = max(float(params["table_half_y"]) * reach - 2 * leg, leg)
    bodies = []
    for number, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        low = (sx * x - leg, sy * y - leg, floor)
        high = (sx * x + leg, sy * y + leg, top)
        hull = box_hull(low, high)
        bodies.append(StaticBody(f"leg_{number}", box(low, high, 0.003), LEG, (hull,)))
    return bodies


def _pedestal(params: Params, floor: float, top: float) -> StaticBody:
    """A turned column on a round foot."""
    foot = 0.6 * min(float(params["table_half_x"]), float(params["table_half_y"]))
    column = 1.6 * float(params["table_leg"])
    corners = [
        (foot - 0.01, floor),
        (0.0, floor),
        (0.0, floor + 0.02),
        (foot - column, floor + 0.05),
        (foot - column, top),
        (foot - 0.01, top),
    ]
    outline = ellipse_outline(foot, foot, ROUND_STEPS)
    mesh = loft(outline, rounded(corners, (0, 0.004, 0.004, 0.02, 0, 0)))
    rings = ellipse_outline(foot, foot, HULL_ROUND_STEPS)
    base = [rings.ring(0.0, floor), rings.ring(0.0, floor + 0.02)]
    base.append(rings.ring(foot - column, floor + 0.05))
    post = [rings.ring(foot - column, floor), rings.ring(foot - column, top)]
    return StaticBody("pedestal", mesh, LEG, (np.vstack(base), np.vstack(post)))


def _sample(rng: np.random.Generator, footprint: Footprint, palette: Palette) -> Sampled:
    half_x, half_y = half_extents(rng, TABLE, footprint)
    margin = float(rng.uniform(*MARGIN))
    table = sample_table(rng, half_x + margin, half_y + margin)
    params: Params = {"half_x": half_x, "half_y": half_y, "floor": -float(table["table_height"])}
    return params | table, table_materials(rng, palette)


def _build(spec: SupportSpec) -> Support:
    half = float(spec.params["half_x"]), float(spec.params["half_y"])
    return Support(tuple(build_table(spec.params, 0.0)), half, round=False, rim=0.0)


TABLE = SupportKind(sample=_sample, build=_build, largest=1.5, crowding=(0.35, 0.8))
