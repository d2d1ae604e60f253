"""What an object lies on or in, as a kind that can be sampled and built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from transphy3d.jsonio import Params
from transphy3d.materials.spec import Material
from transphy3d.scenes.geometry import Support
from transphy3d.scenes.palette import Palette
from transphy3d.scenes.spec import SupportSpec


@dataclass(frozen=True)
class Footprint:
    """What a support must hold.

    area : sum over the objects of the disc that each sweeps when it turns, m2
    reach : greatest distance of any object's point from the object's middle, metres
    tallest : greatest height that an object stands or lies, metres
    """

    area: float
    reach: float
    tallest: float


Sampled = tuple[Params, dict[str, Material]]


@dataclass(frozen=True)
class SupportKind:
    """How one kind of support is sampled and built.

    sample : random generator, what to hold, materials -> parameters and materials by part;
        the parameter "floor" is the height of the room's floor, metres
    build : the spec's geometry, inner floor at z = 0
    largest : greatest half extent in metres that the kind is made in
    crowding : share of its area that objects' discs may cover, low and high; piles exceed 1
    """

    sample: Callable[[np.random.Generator, Footprint, Palette], Sampled]
    build: Callable[[SupportSpec], Support]
    largest: float
    crowding: tuple[float, float]

    def holds(self, footprint: Footprint) -> bool:
        """Whether the kind can be made large enough."""
        area = footprint.area / self.crowding[1]
        return bool(max(1.1 * footprint.reach, np.sqrt(area) / 2) <= self.largest)


def half_extents(
    rng: np.random.Generator, kind: SupportKind, footprint: Footprint, slimmest: float = 0.65
) -> tuple[float, float]:
    """Half sizes of a rectangle that the objects crowd as much as the kind permits, metres.

    slimmest : least ratio of the short side to the long one
    """
    area = footprint.area / rng.uniform(*kind.crowding)
    ratio = rng.uniform(slimmest, 1.0)
    least = 1.1 * footprint.reach
    half_x = np.clip(np.sqrt(area / ratio) / 2, least, kind.largest)
    half_y = np.clip(area / (4 * half_x), least, kind.largest)
    return float(half_x), float(half_y)
