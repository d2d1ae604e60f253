"""The room that a support offers: where objects may start and where they may end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transphy3d.assets.geometry import FloatArray
from transphy3d.scenes.geometry import Support

DRAWS = 50
RIM_SHARE = 0.9  # of the rim's height, above which walls count as its edge


@dataclass(frozen=True)
class Area:
    """A rectangle, or the ellipse in it, that widens from the floor to the rim.

    floor : half extents in x and y at z = 0, (2,) metres
    edge : half extents of the walls' outside at the rim, (2,) metres
    rim : height of the walls, 0 without
    """

    floor: FloatArray
    edge: FloatArray
    rim: float
    round: bool

    def holds(self, points: FloatArray) -> bool:
        """Whether all (P, 2) points on the floor lie within."""
        return self._within(points, self.floor)

    def has_lost(self, center: FloatArray) -> bool:
        """Whether an object with this centre of mass, (3,), has left the support.

        It has below the floor, and outside the walls of a support that has walls.
        """
        if center[2] < 0:
            return True
        share = min(1.0, center[2] / self.rim) if self.rim > 0 else 0.0
        half = self.floor + share * (self.edge - self.floor)
        return self.rim > 0 and not self._within(center[None, :2], half)

    def draw_spot(self, outline: FloatArray, rng: np.random.Generator) -> FloatArray | None:
        """Where to put a body's origin so that its outline lies over the floor.

        outline : (P, 2) metres from the body's origin
        Returns (2,) metres, drawn evenly from the places that do, or None if none was found.
        """
        low, high = -self.floor - outline.min(axis=0), self.floor - outline.max(axis=0)
        if np.any(low > high):
            return None
        for _ in range(DRAWS):
            spot: FloatArray = rng.uniform(low, high)
            if self.holds(outline + spot):
                return spot
        return None

    def _within(self, points: FloatArray, half: FloatArray) -> bool:
        share = np.abs(points) / half
        return bool(np.all((share**2).sum(axis=1) <= 1 if self.round else share <= 1))


def area_of(support: Support) -> Area:
    """The area that a support offers."""
    floor = np.array(support.half_extents)
    return Area(floor, _edge(support, floor), support.rim, support.round)


def _edge(support: Support, floor: FloatArray) -> FloatArray:
    if support.rim == 0:
        return floor
    points = np.concatenate([hull for body in support.bodies for hull in body.hulls])
    walls = points[points[:, 2] >= RIM_SHARE * support.rim]
    return np.maximum(floor, np.abs(walls[:, :2]).max(axis=0, initial=0.0))
