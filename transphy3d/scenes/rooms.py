"""The kinds of surroundings: a room, a photographer's backdrop, open ground.

A plugin adds a kind with `ROOMS.register(name, RoomKind(...))`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transphy3d.scenes.backdrops import BACKDROP
from transphy3d.scenes.geometry import Room
from transphy3d.scenes.outdoors import OUTDOORS
from transphy3d.scenes.palette import Palette
from transphy3d.scenes.registry import Registry
from transphy3d.scenes.room_kind import RoomKind, Site
from transphy3d.scenes.spec import RoomSpec
from transphy3d.scenes.walled import WALLED

ROOMS: Registry[RoomKind] = Registry("rooms.kinds")
ROOMS.register("room", WALLED)
ROOMS.register("backdrop", BACKDROP)
ROOMS.register("open", OUTDOORS)


def sample_room(
    weights: Mapping[str, float], site: Site, palette: Palette, rng: np.random.Generator
) -> RoomSpec:
    """Surroundings for a support, of a kind drawn by weight."""
    kind = ROOMS.draw(weights, rng)
    params, materials = ROOMS.get(kind).sample(rng, site, palette)
    return RoomSpec(kind=kind, params=params, materials=materials)


def build_room(spec: RoomSpec) -> Room:
    """The meshes of a room and the air in it."""
    kind = ROOMS.get(spec.kind)
    return Room(kind.build(spec), kind.bounds(spec))
