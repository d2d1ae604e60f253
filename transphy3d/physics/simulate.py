"""Dropping objects in batches, putting back what escapes, until all is at rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from transphy3d.errors import SceneRejected
from transphy3d.physics.area import Area
from transphy3d.physics.bodies import Frame, RigidBody
from transphy3d.physics.spawn import Item, find_drop, find_standing
from transphy3d.physics.world import STEPS_PER_SECOND, World
from transphy3d.scenes.spec import ObjectSpec

BATCH = 5
# The next batch falls once the last is slower than this in m/s, or after so many seconds.
SLOW = 0.3
BATCH_SECONDS = 0.8
# Rest is this rate of turning in rad/s, kept up for so many seconds.
CALM_SPIN = 0.3
CALM_SECONDS = 0.3
STEPS_PER_LOOK = 24
MAX_REDROPS = 3


class Simulation:
    """Objects on their way to rest.

    redrops : how often each object was put back
    seconds : simulated time
    """

    def __init__(
        self, world: World, area: Area, rng: np.random.Generator, max_seconds: float
    ) -> None:
        self.redrops: Counter[int] = Counter()
        self.seconds = 0.0
        self._world = world
        self._area = area
        self._rng = rng
        self._max_seconds = max_seconds
        self._items: dict[int, Item] = {}

    def drop_all(self, specs: Sequence[ObjectSpec], bodies: dict[int, RigidBody]) -> None:
        """Put every object into the world: the upright ones, then the others batch by batch.

        Raises SceneRejected: "no_room", "escaped" or "unsettled".
        """
        for batch in batches(specs):
            for spec in batch:
                self._add(spec, bodies[spec.id])
            self._run_until_slow()

    def run_until_calm(self, max_speed: float) -> None:
        """Go on until nothing is faster than `max_speed` in m/s, or turns, for a while.

        Raises SceneRejected: "escaped" or "unsettled".
        """
        calm = 0.0
        while calm < CALM_SECONDS:
            before = self.seconds
            self._look()
            speed, spin = self.speeds()
            at_rest = speed < max_speed and spin < CALM_SPIN
            calm = calm + self.seconds - before if at_rest else 0.0

    def speeds(self) -> tuple[float, float]:
        """The greatest speed in m/s and rate of turning in rad/s of any object."""
        found = [self._world.speeds(handle) for handle in self.handles()]
        return max(speed for speed, _ in found), max(spin for _, spin in found)

    def frames(self) -> dict[int, Frame]:
        """Where each object's body is, by object id."""
        return {key: self._world.frame(item.handle) for key, item in self._items.items()}

    def handles(self) -> list[int]:
        """The bodies' handles, in the order in which they were dropped."""
        return [item.handle for item in self._items.values()]

    def _add(self, spec: ObjectSpec, body: RigidBody) -> None:
        w, x, y, z = spec.rotation
        handle = self._world.add(body, Frame(np.zeros(3), Rotation.identity()))
        self._items[spec.id] = Item(handle, body, Rotation.from_quat((x, y, z, w)))
        self._place(spec.id, standing=spec.upright)

    def _place(self, key: int, standing: bool) -> None:
        """Put an object at a free place; one that finds no room to stand is dropped."""
        item = self._items[key]
        search = (self._world, item, self._area, self._rng)
        frame = (find_standing(*search) if standing else None) or find_drop(*search)
        if frame is None:
            raise SceneRejected("no_room", f"object {key} is larger than the support's area")
        self._world.place(item.handle, frame)

    def _run_until_slow(self) -> None:
        end = self.seconds + BATCH_SECONDS
        self._look()
        while self.seconds < end and self.speeds()[0] > SLOW:
            self._look()

    def _look(self) -> None:
        """Simulate a little, then see to what escaped."""
        for _ in range(STEPS_PER_LOOK):
            self._world.step()
        self.seconds += STEPS_PER_LOOK / STEPS_PER_SECOND
        for key, frame in self.frames().items():
            if self._area.has_lost(frame.position):
                self._put_back(key)
        if self.seconds > self._max_seconds:
            speed, spin = self.speeds()
            raise SceneRejected(
                "unsettled",
                f"after {self.seconds:.2f} s something moves at {speed:.3f} m/s, {spin:.2f} rad/s",
            )

    def _put_back(self, key: int) -> None:
        if self.redrops[key] == MAX_REDROPS:
            raise SceneRejected("escaped", f"object {key} left the support {MAX_REDROPS + 1} times")
        self.redrops[key] += 1
        self._place(key, standing=False)


def batches(specs: Sequence[ObjectSpec]) -> list[list[ObjectSpec]]:
    """The upright objects, then the others a few at a time, in the order given."""
    upright = [spec for spec in specs if spec.upright]
    others = [spec for spec in specs if not spec.upright]
    rest = [others[first : first + BATCH] for first in range(0, len(others), BATCH)]
    return [upright, *rest] if upright else rest
