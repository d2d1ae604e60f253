"""Rigid bodies in Bullet, in true metres: the only module that knows pybullet and its scale.

Bullet's tolerances suit bodies of about a metre, so it is given lengths and gravity times
`SCALE`; time and mass stay, moments of inertia grow with the square.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from scipy.spatial.transform import Rotation

from transphy3d.assets.geometry import FloatArray
from transphy3d.physics.bodies import Frame, RigidBody, Surface
from transphy3d.physics.engine import pybullet

GRAVITY = 9.80665  # m/s2, ISO 80000-3
SCALE = 10.0
STEPS_PER_SECOND = 480
SOLVER_ITERATIONS = 50
FINE_SOLVER_ITERATIONS = 200
# Share of an overlap that contacts undo per step; Bullet's default leaves light things under
# heavy ones sunk in by half a millimetre.
CONTACT_ERP = 0.2
# Bullet keeps its hulls this far apart (its own default of 0.001 in its scaled lengths).
MARGIN = 0.001 / SCALE
# Resistance to rolling and spinning, as a lever arm in metres, and the air's damping of turns.
ROLLING = 2e-4
ANGULAR_DAMPING = 0.2
# Impacts slower than this do not bounce, m/s. It must stay well above what gravity adds in
# one step (0.02 m/s), or touching bodies hop for ever.
BOUNCE_THRESHOLD = 0.06


class World:
    """A Bullet world of its own; use it in a `with` block, which frees it in any case.

    Bodies are told apart by the handles that `add` and `add_static` return. What happens is
    fixed, bit for bit, by the order of the calls.
    """

    def __init__(self) -> None:
        self.handles: list[int] = []
        self._folder = tempfile.TemporaryDirectory(prefix="transphy3d-")
        self._client = pybullet.connect(pybullet.DIRECT)
        self._call = {"physicsClientId": self._client}
        pybullet.setGravity(0, 0, -GRAVITY * SCALE, **self._call)
        pybullet.setPhysicsEngineParameter(
            fixedTimeStep=1 / STEPS_PER_SECOND,
            numSolverIterations=SOLVER_ITERATIONS,
            contactERP=CONTACT_ERP,
            restitutionVelocityThreshold=BOUNCE_THRESHOLD * SCALE,
            enableFileCaching=0,
            deterministicOverlappingPairs=1,
            **self._call,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pybullet.disconnect(**self._call)
        self._folder.cleanup()

    def add_static(self, hulls: Sequence[FloatArray], surface: Surface) -> int:
        """A body that never moves; `hulls` are convex, in world metres, each (K, 3)."""
        handle = self._add(hulls, 0.0, Frame(np.zeros(3), Rotation.identity()))
        self._set_surface(handle, surface)
        return handle

    def add(self, body: RigidBody, frame: Frame) -> int:
        """A body free to move, at rest at `frame`."""
        handle = self._add(body.hulls, body.mass, frame)
        self._set_surface(handle, body.surface)
        pybullet.changeDynamics(
            handle,
            -1,
            localInertiaDiagonal=(body.inertia * SCALE**2).tolist(),
            linearDamping=0.0,
            angularDamping=ANGULAR_DAMPING,
            **self._call,
        )
        return handle

    def _add(self, hulls: Sequence[FloatArray], mass: float, frame: Frame) -> int:
        path = Path(self._folder.name) / f"{len(self.handles)}.obj"
        path.write_text(_hulls_as_obj(hulls))
        shape = pybullet.createCollisionShape(pybullet.GEOM_MESH, fileName=str(path), **self._call)
        handle: int = pybullet.createMultiBody(
            mass,
            shape,
            basePosition=(frame.position * SCALE).tolist(),
            baseOrientation=frame.rotation.as_quat().tolist(),
            **self._call,
        )
        self.handles.append(handle)
        return handle

    def _set_surface(self, handle: int, surface: Surface) -> None:
        """Bullet multiplies the two bodies' coefficients; roots make that their mean."""
        pybullet.changeDynamics(
            handle,
            -1,
            lateralFriction=float(np.sqrt(surface.friction)),
            restitution=float(np.sqrt(surface.restitution)),
            rollingFriction=ROLLING * SCALE,
            spinningFriction=ROLLING * SCALE,
            **self._call,
        )

    def place(self, handle: int, frame: Frame) -> None:
        """Move a body to `frame`, at rest."""
        pybullet.resetBasePositionAndOrientation(
            handle,
            (frame.position * SCALE).tolist(),
            frame.rotation.as_quat().tolist(),
            **self._call,
        )
        pybullet.resetBaseVelocity(handle, (0, 0, 0), (0, 0, 0), **self._call)

    def frame(self, handle: int) -> Frame:
        """Where a body's frame is now."""
        position, quat = pybullet.getBasePositionAndOrientation(handle, **self._call)
        return Frame(np.array(position) / SCALE, Rotation.from_quat(quat))

    def speeds(self, handle: int) -> tuple[float, float]:
        """Speed of a body's centre of mass in m/s and its rate of turning in rad/s."""
        linear, angular = pybullet.getBaseVelocity(handle, **self._call)
        return float(np.linalg.norm(linear)) / SCALE, float(np.linalg.norm(angular))

    def top(self, leave_out: int) -> float:
        """Height of the highest point of all bodies but one, metres; 0 without others."""
        others = (handle for handle in self.handles if handle != leave_out)
        boxes = (pybullet.getAABB(handle, -1, **self._call) for handle in others)
        return max((float(high[2]) for _, high in boxes), default=0.0) / SCALE

    def gap(self, first: int, second: int, reach: float) -> float:
        """Distance in metres between two bodies' hulls, negative where they overlap.

        `reach` metres or more is told as `reach`.
        """
        found = pybullet.getClosestPoints(first, second, (reach - 2 * MARGIN) * SCALE, **self._call)
        return min((point[8] / SCALE + 2 * MARGIN for point in found), default=reach)

    def is_free(self, handle: int, clearance: float) -> bool:
        """Whether a body keeps `clearance` metres from all others."""
        others = (other for other in self.handles if other != handle)
        return all(self.gap(handle, other, clearance) >= clearance for other in others)

    def solve_finely(self) -> None:
        """From now on solve contacts more accurately; each step takes about four times as long."""
        pybullet.setPhysicsEngineParameter(numSolverIterations=FINE_SOLVER_ITERATIONS, **self._call)

    def step(self) -> None:
        """Advance time by 1 / STEPS_PER_SECOND."""
        pybullet.stepSimulation(**self._call)


def _hulls_as_obj(hulls: Sequence[FloatArray]) -> str:
    """One OBJ group per hull, of which Bullet makes one compound of convex hulls.

    Bullet wraps the hull around the points itself: the faces need only name each point.
    """
    lines: list[str] = []
    first = 1
    for number, points in enumerate(hulls):
        lines.append(f"o h{number}")
        lines += [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in points * SCALE]
        lines += [f"f {first} {first + k} {first + k + 1}" for k in range(1, len(points) - 1)]
        first += len(points)
    return "\n".join(lines) + "\n"
