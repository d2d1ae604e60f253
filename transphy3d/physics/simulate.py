"""Dropping objects in batches, putting back what escapes, until all is at rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from transphy3d.errors import SceneRejected
from transphy3d.physics.bodies import Frame, RigidBody
from transphy3d.physics.checks import has_escaped
from transphy3d.physics.spawn import find_drop, find_standing
from transphy3d.physics.world import STEPS_PER_SECOND, World
from transphy3d.scenes.geometry import Support
from transphy3d.scenes.spec import ObjectSpec

BATCH = 5
# The next batch falls once the last is slower than this in m/s, or after so many seconds.
SLOW = 0.3
BATCH_SECONDS = 0.8
# Rest is this rate of turning in rad/s, kept up for so many seconds.
CALM_SPIN = 0.1
CALM_SECONDS = 0.3
STEPS_PER_LOOK = 24
MAX_REDROPS = 3


class Simulation:
    """Objects on their way to rest.

    handles, bodies : by object id, in the order in which they were dropped
    redrops : how often each object was put back
    seconds : simulated time
    """

    def __init__(
        self, world: World, support: Support, rng: np.random.Generator, max_seconds: float
    ) -> None:
        self.bodies: dict[int, RigidBody] = {}
        self.handles: dict[int, int] = {}
        self.redrops: Counter[int] = Counter()
        self.seconds = 0.0
        self._world = world
        self._support = support
        self._rng = rng
        self._max_seconds = max_seconds
        self._rotations: dict[int, Rotation] = {}

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
        found = [self._world.speeds(handle) for handle in self.handles.values()]
        return max(speed for speed, _ in found), max(spin for _, spin in found)

    def frames(self) -> dict[int, Frame]:
        """Where each object's body is, by object id."""
        return {key: self._world.frame(handle) for key, handle in self.handles.items()}

    def _add(self, spec: ObjectSpec, body: RigidBody) -> None:
        handle = self._world.add(body, Frame(np.zeros(3), Rotation.identity()))
        w, x, y, z = spec.rotation
        self.bodies[spec.id], self.handles[spec.id] = body, handle
        self._rotations[spec.id] = Rotation.from_quat((x, y, z, w))
        self._place(spec.id, standing=spec.upright)

    def _place(self, key: int, standing: bool) -> None:
        """Put an object at a free place; one that finds no room to stand is dropped."""
        search = (self._world, self.handles[key], self.bodies[key], self._rotations[key])
        frame = find_standing(*search, self._support, self._rng) if standing else None
        if frame is None:
            frame = find_drop(*search, self._support, self._rng)
        if frame is None:
            raise SceneRejected("no_room", f"object {key} is larger than the support's area")
        self._world.place(self.handles[key], frame)

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
            if has_escaped(frame.position, self._support):
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
