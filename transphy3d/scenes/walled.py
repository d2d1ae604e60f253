"""A room: floor, four walls with skirting, windows, pictures and furniture, open to the sky.

The sky lights it through its windows and from above: the ceiling is absent or has a large
opening, as on a film stage, since light through windows alone would take many samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from transphy3d.jsonio import Params
from transphy3d.materials.spec import Material
from transphy3d.scenes.clutter import (
    LOW_KINDS,
    SIZES,
    Item,
    build_items,
    item_materials,
    sample_item,
)
from transphy3d.scenes.geometry import Bounds, StaticBody
from transphy3d.scenes.palette import Palette
from transphy3d.scenes.room_kind import RoomKind, Site
from transphy3d.scenes.solids import box, box_hull, moved, spin, turned
from transphy3d.scenes.spec import RoomSpec

WALL = 0.12
SLOT = 1.25  # metres of wall that one piece of furniture takes
KEEP = 0.12  # metres that a camera keeps from the walls
FLOORS = ("wood", "tile", "concrete", "terrazzo")
WALLS = ("wall_paint", "concrete", "tile_light", "wood_painted")

Corner = tuple[float, float, float]


def _sample(
    rng: np.random.Generator, site: Site, palette: Palette
) -> tuple[Params, dict[str, Material]]:
    half = site.reach + rng.uniform(1.3, 2.4, size=2)
    off = (half - site.reach - 1.2) * rng.uniform(-1, 1, size=2)
    params: Params = {
        "floor": site.floor,
        "height": float(rng.uniform(2.4, 3.1)),
        "half_x": float(half[0]),
        "half_y": float(half[1]),
        "x": float(off[0]),
        "y": float(off[1]),
        "skylight": float(rng.uniform(0.6, 0.85)) if rng.random() < 0.4 else 1.0,
    }
    for wall in range(4):
        params |= _sample_wall(rng, wall, _length(params, wall))
    items = list(_sample_items(rng, params))
    for number, item in enumerate(items):
        params |= item.params(number)
    materials = {
        "floor": palette.surface(rng, "surface", like=FLOORS),
        "walls": palette.surface(rng, "surface", like=WALLS),
        "trim": palette.surface(rng, "surface", like=("wood",)),
        "picture": palette.surface(rng, "surface", like=("cloth", "backdrop", "marble")),
    }
    return params, materials | item_materials(rng, palette, len(items))


def _length(params: Params, wall: int) -> float:
    """Inner length of a wall, metres; wall 0 lies at +Y, the others follow counter-clockwise."""
    return 2 * float(params["half_x" if wall % 2 == 0 else "half_y"])


def _distance(params: Params, wall: int) -> float:
    """From the room's middle to a wall, metres."""
    return float(params["half_y" if wall % 2 == 0 else "half_x"])


def _sample_wall(rng: np.random.Generator, wall: int, length: float) -> Params:
    """A window or a picture, or neither: how wide, where its middle is along the wall."""
    width = float(min(rng.uniform(0.9, 1.7), length - 0.8))
    prefix = f"wall{wall}_"
    return {
        prefix + "has": ("window", "picture", "nothing")[int(rng.choice(3, p=(0.4, 0.4, 0.2)))],
        prefix + "at": float(rng.uniform(-0.5, 0.5) * (length - width - 0.6)),
        prefix + "width": width,
        prefix + "low": float(rng.uniform(0.75, 1.0)),
        prefix + "high": float(rng.uniform(1.9, 2.2)),
    }


def _sample_items(rng: np.random.Generator, params: Params) -> Iterator[Item]:
    """Furniture with its back to the walls; in front of windows and pictures mostly low."""
    for wall in range(4):
        length = _length(params, wall)
        slots = int(length / SLOT)
        tall = params[f"wall{wall}_has"] == "nothing" or rng.random() < 0.35
        kinds = sorted(SIZES) if tall else LOW_KINDS
        for slot in range(slots):
            along = (slot + 0.5 - slots / 2) * SLOT + float(rng.uniform(-0.1, 0.1))
            item = sample_item(rng, kinds[int(rng.integers(len(kinds)))], 0.0, 0.0, 0.0)
            taken = rng.random() < 0.65
            if taken and abs(along) + item.width / 2 < length / 2 - 0.35:
                yield _against(item, params, wall, along)


def _against(item: Item, params: Params, wall: int, along: float) -> Item:
    """The item with its back to a wall, `along` metres from the wall's middle."""
    angle = wall * np.pi / 2
    local = np.array([[along, _distance(params, wall) - item.depth / 2 - 0.03, 0.0]])
    x, y, _ = spin(local, angle)[0] + (float(params["x"]), float(params["y"]), 0.0)
    return replace(item, x=float(x), y=float(y), turn=angle)


def _build(spec: RoomSpec) -> tuple[StaticBody, ...]:
    params = spec.params
    floor = float(params["floor"])
    x, y = float(params["half_x"]) + WALL, float(params["half_y"]) + WALL
    middle = (float(params["x"]), float(params["y"]), floor)
    bodies = [_body("floor", "floor", (-x, -y, -WALL), (x, y, 0.0), 0.0, middle)]
    for wall in range(4):
        for number, (key, low, high) in enumerate(_wall_boxes(params, wall)):
            name = f"wall{wall}_{number}"
            bodies.append(_body(name, key, low, high, wall * np.pi / 2, middle))
    for number, (low, high) in enumerate(_ceiling(params, x, y)):
        bodies.append(_body(f"ceiling_{number}", "walls", low, high, 0.0, middle))
    return (*bodies, *build_items(params, floor))


def _body(
    name: str, key: str, low: Corner, high: Corner, angle: float, middle: Corner
) -> StaticBody:
    """A box turned about Z and moved to the room's place."""
    mesh = moved(turned(box(low, high, 0.004), angle), middle)
    return StaticBody(name, mesh, key, (spin(box_hull(low, high), angle) + middle,))


def _wall_boxes(params: Params, wall: int) -> Iterator[tuple[str, Corner, Corner]]:
    """(material, low, high) of a wall's boxes in the frame in which the wall lies at +Y."""
    half, near = _length(params, wall) / 2, _distance(params, wall)
    far, top = near + WALL, float(params["height"])
    has = params[f"wall{wall}_has"]
    at, width = float(params[f"wall{wall}_at"]), float(params[f"wall{wall}_width"])
    low, high = float(params[f"wall{wall}_low"]), float(params[f"wall{wall}_high"])
    left, right = at - width / 2, at + width / 2
    yield "trim", (-half, near - 0.015, 0.0), (half, near - 0.0005, 0.08)
    if has != "window":
        yield "walls", (-half - WALL, near, 0.0), (half, far, top)
    else:
        yield "walls", (-half - WALL, near, 0.0), (left, far, top)
        yield "walls", (right, near, 0.0), (half, far, top)
        yield "walls", (left, near, 0.0), (right, far, low)
        yield "walls", (left, near, high), (right, far, top)
        yield from _window(left, right, low, high, near)
    if has == "picture":
        yield from _picture(at, 0.4 * width, 0.5 * (low + high), near)


def _window(
    left: float, right: float, low: float, high: float, near: float
) -> Iterator[tuple[str, Corner, Corner]]:
    """Frame, one mullion and a sill; no pane, as an open or very clean window."""
    bar, front, back = 0.05, near + 0.04, near + 0.09
    middle = (left + right) / 2
    yield "trim", (left, front, low), (left + bar, back, high)
    yield "trim", (right - bar, front, low), (right, back, high)
    yield "trim", (middle - bar / 2, front, low), (middle + bar / 2, back, high)
    yield "trim", (left, front, low), (right, back, low + bar)
    yield "trim", (left, front, high - bar), (right, back, high)
    yield "trim", (left - 0.04, near - 0.06, low - 0.03), (right + 0.04, near + 0.04, low)


def _picture(
    at: float, half: float, height: float, near: float
) -> Iterator[tuple[str, Corner, Corner]]:
    """A framed picture of one colour or pattern."""
    low, high = height - 0.7 * half, height + 0.7 * half
    yield "trim", (at - half, near - 0.03, low), (at + half, near - 0.0005, high)
    edge = 0.035
    inner_low = (at - half + edge, near - 0.034, low + edge)
    yield "picture", inner_low, (at + half - edge, near - 0.02, high - edge)


def _ceiling(params: Params, x: float, y: float) -> Iterator[tuple[Corner, Corner]]:
    """Four boxes around an opening that is `skylight` of the room wide; none if that is all."""
    share, low = float(params["skylight"]), float(params["height"])
    if share >= 1:
        return
    high, inner_x, inner_y = low + WALL, share * x, share * y
    yield (-x, -y, low), (-inner_x, y, high)
    yield (inner_x, -y, low), (x, y, high)
    yield (-inner_x, -y, low), (inner_x, -inner_y, high)
    yield (-inner_x, inner_y, low), (inner_x, y, high)


def _bounds(spec: RoomSpec) -> Bounds:
    params = spec.params
    x, y, floor = (float(params[key]) for key in ("x", "y", "floor"))
    reach_x, reach_y = float(params["half_x"]) - KEEP, float(params["half_y"]) - KEEP
    top = floor + float(params["height"]) - KEEP
    return (x - reach_x, y - reach_y, floor + KEEP), (x + reach_x, y + reach_y, top)


def _horizon(spec: RoomSpec) -> float:
    params = spec.params
    top = float(params["floor"]) + float(params["height"])
    half = (float(params["half_x"]) + float(params["half_y"])) / 2
    return float(np.arctan2(top, half * float(params["skylight"])))


WALLED = RoomKind(sample=_sample, build=_build, bounds=_bounds, horizon=_horizon)
