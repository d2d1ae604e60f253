"""What surrounds a support, as a kind that can be sampled and built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from transphy3d.jsonio import Params
from transphy3d.materials.spec import Material
from transphy3d.scenes.geometry import Bounds, StaticBody
from transphy3d.scenes.palette import Palette
from transphy3d.scenes.spec import RoomSpec


@dataclass(frozen=True)
class Site:
    """What a room is built around.

    floor : height of the floor that the support stands on, metres
    reach : greatest horizontal distance of the support from the origin, metres
    """

    floor: float
    reach: float


def open_sky(spec: RoomSpec) -> float:
    """The horizon of a place without walls."""
    return 0.0


@dataclass(frozen=True)
class RoomKind:
    """How one kind of surroundings is sampled and built.

    sample : random generator, what to build around, materials -> parameters and materials
    build : the spec's bodies; what a camera could run into has hulls
    bounds : the air that a camera may be in, metres
    horizon : elevation, radians, up to which the room hides the sky from its middle
    """

    sample: Callable[[np.random.Generator, Site, Palette], tuple[Params, dict[str, Material]]]
    build: Callable[[RoomSpec], tuple[StaticBody, ...]]
    bounds: Callable[[RoomSpec], Bounds]
    horizon: Callable[[RoomSpec], float] = open_sky
