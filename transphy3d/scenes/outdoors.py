"""Open ground under the sky of the HDR environment, with a few things standing around."""

from __future__ import annotations

import numpy as np

from transphy3d.jsonio import Params
from transphy3d.materials.spec import Material
from transphy3d.scenes.clutter import SIZES, Item, build_items, item_materials, sample_item
from transphy3d.scenes.geometry import Bounds, StaticBody
from transphy3d.scenes.palette import Palette
from transphy3d.scenes.room_kind import RoomKind, Site
from transphy3d.scenes.solids import ellipse_outline, slab
from transphy3d.scenes.spec import RoomSpec

GROUND_RADIUS = 30.0
GROUND_STEPS = 96
GROUND_DEPTH = 0.2
ROAM = 6.0  # metres around the support that a camera may roam
GROUNDS = ("concrete", "tile", "wood", "terrazzo")


def _sample(
    rng: np.random.Generator, site: Site, palette: Palette
) -> tuple[Params, dict[str, Material]]:
    items = [_scattered(rng, site.reach) for _ in range(int(rng.integers(2, 8)))]
    params: Params = {"floor": site.floor, "reach": site.reach}
    for number, item in enumerate(items):
        params |= item.params(number)
    materials = {
        "ground": palette.surface(rng, "surface", like=GROUNDS),
    }
    return params, materials | item_materials(rng, palette, len(items))


def _scattered(rng: np.random.Generator, reach: float) -> Item:
    """An item that stands anywhere around, turned at random."""
    kinds = sorted(SIZES)
    kind = kinds[int(rng.integers(len(kinds)))]
    bearing, turn = rng.uniform(0, 2 * np.pi, size=2)
    distance = reach + rng.uniform(1.8, 4.5)
    x, y = distance * np.cos(bearing), distance * np.sin(bearing)
    return sample_item(rng, kind, float(x), float(y), float(turn))


def _build(spec: RoomSpec) -> tuple[StaticBody, ...]:
    floor = float(spec.params["floor"])
    outline = ellipse_outline(GROUND_RADIUS, GROUND_RADIUS, GROUND_STEPS)
    mesh = slab(outline, floor - GROUND_DEPTH, floor, 0.01)
    ground = StaticBody("ground", mesh, "ground", ())
    return (ground, *build_items(spec.params, floor))


def _bounds(spec: RoomSpec) -> Bounds:
    floor, roam = float(spec.params["floor"]), float(spec.params["reach"]) + ROAM
    return (-roam, -roam, floor + 0.1), (roam, roam, floor + roam)


OUTDOORS = RoomKind(sample=_sample, build=_build, bounds=_bounds)
