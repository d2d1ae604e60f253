"""Finding a camera that films a scene at rest: draws of a path until one passes every check."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from transphy3d.assets.geometry import FloatArray
from transphy3d.config import CameraConfig, Job
from transphy3d.errors import SceneRejected
from transphy3d.rng import Streams
from transphy3d.scenes.geometry import Geometry
from transphy3d.scenes.rotations import as_matrix3, as_matrix4
from transphy3d.scenes.spec import (
    CameraSpec,
    PhysicsReport,
    Pose,
    SceneSpec,
    SettledScene,
    Wobble,
)
from transphy3d.scenes.trajectory import trajectory
from transphy3d.scenes.view import View, fill_distance, find_trouble, make_view

DRAWS = 60
WAVES = 2
# Containers hide what lies deep inside from low cameras; later draws look from higher up.
STEEPEST = np.radians(78.0)


class Rest(Protocol):
    """A scene at rest, as `transphy3d.physics.settle` reports it."""

    @property
    def poses(self) -> dict[int, Pose]: ...

    @property
    def liquids(self) -> tuple[int, ...]: ...

    @property
    def report(self) -> PhysicsReport: ...


def place_camera(
    job: Job, spec: SceneSpec, rest: Rest, geometry: Geometry, streams: Streams
) -> SettledScene:
    """The scene at rest with the first drawn camera that passes every check.

    Raises SceneRejected "camera_blocked" (in or near something solid, or walls hide the
    objects) or "camera_view" (objects leave the frame), after the reason of the last draw.
    """
    view = make_view(spec, rest.poses, geometry)
    rng = streams("camera")
    trouble = ("camera_view", "no draw")
    for draw in range(DRAWS):
        camera = sample_camera(job.camera, view, job.width, job.height, rng, draw / DRAWS)
        k, cameras = trajectory(camera, view.centre, spec.frames, job.width, job.height)
        found = find_trouble(view, k, cameras, job.width, job.height)
        if found is None:
            return _settled(spec, rest, camera, k, cameras)
        trouble = found
    raise SceneRejected(trouble[0], f"none of {DRAWS} cameras will do; the last: {trouble[1]}")


def sample_camera(
    config: CameraConfig,
    view: View,
    width: int,
    height: int,
    rng: np.random.Generator,
    urgency: float,
) -> CameraSpec:
    """One draw of a camera path.

    urgency : from 0 to below 1 as draws fail. It shortens the arc to a quarter, brings the
        distance to its low end and, around containers, raises the lowest elevation.
    The distance is in units of the one at which all objects just fill the frame from the
    path's start, middle and end.
    """
    fov = float(rng.uniform(*config.fov))
    low, high = np.radians(config.elevation)
    if view.deep:
        low, high = low + urgency * (max(high, STEEPEST) - low), max(high, urgency * STEEPEST)
    elevation = float(rng.uniform(low, max(low, high)))
    azimuth, arc = _sample_arc(config, view, rng, 1 - 0.75 * urgency)
    near, far = config.distance
    factor = float(rng.uniform(near, far - urgency * (far - near)))
    directions = azimuth + arc * np.linspace(0, 1, 5)
    fill = max(fill_distance(view, fov, width, height, a, elevation) for a in directions)
    size = float(np.linalg.norm(view.points - view.centre, axis=1).max())
    calm = 1 - urgency
    return CameraSpec(
        fov=fov,
        radius=factor * fill * float(np.cos(elevation)),
        height=factor * fill * float(np.sin(elevation)),
        azimuth=azimuth,
        arc=arc,
        radius_wobble=_sample_wobble(config.radius_wobble, config.cycles, rng, calm),
        height_wobble=_sample_wobble(config.height_wobble, config.cycles, rng, calm),
        look_wobble=(
            _sample_wobble(config.look_wobble, config.cycles, rng, calm * size),
            _sample_wobble(config.look_wobble, config.cycles, rng, calm * size),
            _sample_wobble(config.look_wobble, config.cycles, rng, calm * size),
        ),
    )


def _sample_arc(
    config: CameraConfig, view: View, rng: np.random.Generator, share: float
) -> tuple[float, float]:
    """Start and signed arc, radians, within the sector that the support can be seen from."""
    middle, half = view.sector
    arc = share * float(np.radians(rng.uniform(*config.arc)))
    clockwise, place = bool(rng.random() < 0.5), float(rng.random())
    if half < np.pi:
        arc = min(arc, 2 * half)
        start = middle - half + place * (2 * half - arc)
    else:
        start = 2 * np.pi * place
    return (start + arc, -arc) if clockwise else (start, arc)


def _sample_wobble(
    amplitude: tuple[float, float],
    cycles: tuple[float, float],
    rng: np.random.Generator,
    factor: float,
) -> Wobble:
    """A sum of sines whose amplitudes add up to a draw from `amplitude`, times `factor`."""
    total = factor * float(rng.uniform(*amplitude))
    shares = rng.dirichlet(np.ones(WAVES))
    return Wobble(
        amplitudes=tuple(float(total * share) for share in shares),
        cycles=tuple(float(value) for value in rng.uniform(*cycles, size=WAVES)),
        phases=tuple(float(value) for value in rng.uniform(0, 2 * np.pi, size=WAVES)),
    )


def _settled(
    spec: SceneSpec, rest: Rest, camera: CameraSpec, k: FloatArray, cameras: FloatArray
) -> SettledScene:
    return SettledScene(
        spec=spec,
        poses=rest.poses,
        liquids=rest.liquids,
        physics=rest.report,
        camera=camera,
        intrinsics=as_matrix3(k),
        world_to_camera=tuple(as_matrix4(matrix) for matrix in cameras),
    )
