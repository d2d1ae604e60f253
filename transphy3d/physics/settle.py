"""From a sampled scene to objects at rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transphy3d.config import PhysicsConfig
from transphy3d.errors import SceneRejected
from transphy3d.physics.area import area_of
from transphy3d.physics.bodies import rigid_body, surface
from transphy3d.physics.checks import MAX_LIQUID_TILT, deepest_overlap, tilt
from transphy3d.physics.simulate import Simulation
from transphy3d.physics.world import World
from transphy3d.scenes.geometry import Geometry, Support
from transphy3d.scenes.spec import PhysicsReport, Pose, SceneSpec, SupportSpec

# Overlaps deeper than this in metres, mostly light things under heavy ones, are worth the
# time of solving the contacts more finely.
FINE_OVERLAP = 0.0001


@dataclass(frozen=True)
class Rest:
    """A scene at rest.

    poses : by object id, object frame to world
    liquids : ids of the filled objects that stand upright, so keep their liquid
    """

    poses: dict[int, Pose]
    liquids: tuple[int, ...]
    report: PhysicsReport


def settle(
    spec: SceneSpec, geometry: Geometry, rng: np.random.Generator, config: PhysicsConfig
) -> Rest:
    """Drop the objects of a scene onto its support and let them come to rest.

    Equal inputs give poses that are equal to the last bit, in any process and any order.
    Raises SceneRejected with one of the reasons "no_room" (an object does not fit on the
    support), "escaped" (one left it too often), "unsettled" (no rest within
    `config.max_seconds`) or "penetration" (deeper than `config.max_penetration`), and
    AssetError for an asset without volume.
    """
    bodies = {item.id: rigid_body(item, geometry.assets[item.id]) for item in spec.objects}
    with World() as world:
        statics = _add_support(world, geometry.support, spec.support)
        simulation = Simulation(world, area_of(geometry.support), rng, config.max_seconds)
        simulation.drop_all(spec.objects, bodies)
        simulation.run_until_calm(config.max_speed)
        overlap = deepest_overlap(world, simulation.handles(), statics)
        if overlap > FINE_OVERLAP:
            world.solve_finely()
            simulation.run_until_calm(config.max_speed)
            overlap = deepest_overlap(world, simulation.handles(), statics)
        report = _report(simulation, overlap)
        frames = simulation.frames()
    if overlap > config.max_penetration:
        raise SceneRejected("penetration", f"two bodies overlap by {overlap * 1000:.3f} mm")
    poses = {item.id: bodies[item.id].pose(frames[item.id]) for item in spec.objects}
    return Rest(poses, _kept_liquids(spec, poses), report)


def _add_support(world: World, support: Support, spec: SupportSpec) -> list[int]:
    return [
        world.add_static(body.hulls, surface(spec.materials[body.material]))
        for body in support.bodies
        if body.hulls
    ]


def _report(simulation: Simulation, overlap: float) -> PhysicsReport:
    speed, spin = simulation.speeds()
    return PhysicsReport(
        settle_seconds=simulation.seconds,
        penetration=overlap,
        speed=speed,
        angular_speed=spin,
        redropped=simulation.redrops.total(),
    )


def _kept_liquids(spec: SceneSpec, poses: dict[int, Pose]) -> tuple[int, ...]:
    filled = (item.id for item in spec.objects if item.liquid is not None)
    return tuple(key for key in filled if tilt(poses[key]) <= MAX_LIQUID_TILT)
