"""Bullet in true metres: gaps, hollow shapes, friction, clients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pybullet
import pytest
from physics_things import ball, box, box_points, cup, thing
from scipy.spatial.transform import Rotation

from transphy3d.assets.geometry import Asset
from transphy3d.physics.bodies import Frame, RigidBody, Surface, rigid_body
from transphy3d.physics.world import STEPS_PER_SECOND, World

ROUGH = Surface(friction=0.5, restitution=0.1)
FLOOR = box_points((1, 1, 0.05), (0, 0, -0.05))


def body_at(asset: Asset, position: Sequence[float]) -> tuple[RigidBody, Frame]:
    """A body, and the frame that puts its object's origin at `position`."""
    body = rigid_body(thing(1), asset)
    return body, Frame(body.center + position, body.axes)


def run(world: World, seconds: float) -> None:
    for _ in range(round(seconds * STEPS_PER_SECOND)):
        world.step()


@pytest.mark.parametrize("distance", [-0.003, 0.0, 0.0007, 0.004])
def test_gaps_are_those_of_the_true_shapes(distance: float) -> None:
    with World() as world:
        floor = world.add_static([FLOOR], ROUGH)
        thing_ = world.add(*body_at(box((0.05, 0.05, 0.05)), (0, 0, distance)))
        assert world.gap(thing_, floor, 0.01) == pytest.approx(distance, abs=1e-5)


def test_a_gap_beyond_reach_is_told_as_the_reach() -> None:
    with World() as world:
        floor = world.add_static([FLOOR], ROUGH)
        thing_ = world.add(*body_at(box((0.05, 0.05, 0.05)), (0, 0, 0.5)))
        assert world.gap(thing_, floor, 0.01) == 0.01


def test_falling_takes_the_time_it_takes_on_earth() -> None:
    with World() as world:
        body, frame = body_at(ball(0.02), (0, 0, 1.0))
        handle = world.add(body, frame)
        run(world, 0.25)
        fallen = frame.position[2] - world.frame(handle).position[2]
        assert fallen == pytest.approx(0.5 * 9.80665 * 0.25**2, rel=0.01)


@pytest.mark.parametrize("vessel", [cup(0.06, 0.05, 0.003, 0.005), cup(0.035, 0.1, 0.0015, 0.004)])
def test_small_balls_fall_into_hollow_vessels(vessel: Asset) -> None:
    with World() as world:
        world.add_static([FLOOR], ROUGH)
        held = world.add(*body_at(vessel, (0, 0, 0.001)))
        places = [(0.012 * (-1) ** k, 0.004 * k, 0.12 + 0.03 * k) for k in range(4)]
        balls = [world.add(*body_at(ball(0.007), place)) for place in places]
        run(world, 1.5)
        base = 0.005 + 0.007 + 0.02
        inner = np.hypot(*np.ptp(vessel.points()[:, :2], axis=0)) / 2
        center = world.frame(held).position
        for handle in balls:
            position = world.frame(handle).position
            assert position[2] < base + 0.015
            assert np.hypot(*(position - center)[:2]) < inner


@pytest.mark.parametrize(("degrees", "slides"), [(20.0, False), (32.0, True)])
def test_friction_of_a_pair_of_like_materials_is_its_coefficient(
    degrees: float, slides: bool
) -> None:
    """A block on a slope slides if tan(slope) exceeds the coefficient, here 0.5 (26.6 degrees)."""
    turn = Rotation.from_rotvec([0, np.radians(degrees), 0])
    with World() as world:
        world.add_static([turn.apply(FLOOR)], ROUGH)
        body = rigid_body(thing(1), box((0.05, 0.05, 0.02)))
        frame = Frame(turn.apply([0, 0, 0.0102]), turn * body.axes)
        handle = world.add(RigidBody(body.hulls, body.mass, body.inertia, ROUGH, body.center,
                                     body.axes), frame)  # fmt: skip
        run(world, 0.4)
        moved = np.linalg.norm(world.frame(handle).position - frame.position)
        assert (moved > 0.02) == slides


def test_the_client_is_closed_even_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), World() as world:
        client = world._client
        _ = 1 / 0
    assert pybullet.getConnectionInfo(client)["isConnected"] == 0


def test_a_free_place_keeps_its_distance() -> None:
    with World() as world:
        world.add_static([FLOOR], ROUGH)
        handle = world.add(*body_at(box((0.05, 0.05, 0.05)), (0, 0, 0.0015)))
        assert world.is_free(handle, 0.001)
        assert not world.is_free(handle, 0.002)
