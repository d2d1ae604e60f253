"""A photographer's cyclorama: a floor that sweeps up into walls without an edge."""

from __future__ import annotations

import numpy as np

from transphy3d.jsonio import Params
from transphy3d.materials.spec import Material
from transphy3d.scenes.geometry import Bounds, StaticBody
from transphy3d.scenes.palette import Palette
from transphy3d.scenes.room_kind import RoomKind, Site
from transphy3d.scenes.solids import loft, rectangle_outline, rounded
from transphy3d.scenes.spec import RoomSpec

SHELL = 0.05
SWEEP_STEPS = 24
# A point this share of an arc's radius inside both of its tangents lies inside the arc.
INSIDE_ARC = 1 - np.sqrt(0.5)
# At this share of its radius above the floor the sweep is all but upright.
ABOVE_SWEEP = 0.7


def _sample(
    rng: np.random.Generator, site: Site, palette: Palette
) -> tuple[Params, dict[str, Material]]:
    sweep = float(rng.uniform(0.6, 1.1))
    half = site.reach + sweep + rng.uniform(1.0, 2.0, size=2)
    params: Params = {
        "floor": site.floor,
        "half_x": float(half[0]),
        "half_y": float(half[1]),
        "sweep": sweep,
        "height": float(rng.uniform(2.0, 3.2)),
    }
    return params, {"sweep": palette.surface(rng, "surface", like=("backdrop", "wall_paint"))}


def _build(spec: RoomSpec) -> tuple[StaticBody, ...]:
    """One closed shell, open at the top; the camera is kept off it by the bounds."""
    params = spec.params
    floor, sweep = float(params["floor"]), float(params["sweep"])
    top, radius = floor + float(params["height"]), sweep + 4 * SHELL
    outline = rectangle_outline(float(params["half_x"]), float(params["half_y"]), radius)
    cap = sweep + 2 * SHELL
    corners = [
        (cap, floor - SHELL),
        (0.0, floor - SHELL),
        (0.0, top),
        (SHELL, top),
        (SHELL, floor),
        (cap, floor),
    ]
    profile = rounded(corners, (0, 0, 0, 0, sweep, 0), SWEEP_STEPS)
    return (StaticBody("backdrop", loft(outline, profile), "sweep", ()),)


def _bounds(spec: RoomSpec) -> Bounds:
    params = spec.params
    floor, sweep = float(params["floor"]), float(params["sweep"])
    keep = 2 * SHELL + INSIDE_ARC * (sweep + 4 * SHELL)
    x, y = float(params["half_x"]) - keep, float(params["half_y"]) - keep
    return (-x, -y, floor + ABOVE_SWEEP * sweep), (x, y, floor + float(params["height"]))


def _horizon(spec: RoomSpec) -> float:
    params = spec.params
    top = float(params["floor"]) + float(params["height"])
    return float(np.arctan2(top, (float(params["half_x"]) + float(params["half_y"])) / 2))


BACKDROP = RoomKind(sample=_sample, build=_build, bounds=_bounds, horizon=_horizon)
