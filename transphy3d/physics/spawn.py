"""Where objects start: standing on the support, or in the air just above what lies there."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from transphy3d.physics.area import draw_spot
from transphy3d.physics.bodies import Frame, RigidBody
from transphy3d.physics.world import World
from transphy3d.scenes.geometry import Support

# Metres: the air under a standing object, between any two bodies at the start, and the step
# of the search downwards, small enough that no body passes through another unseen.
STANDING_GAP = 0.0015
CLEARANCE = 0.001
STEP_DOWN = 0.003

STANDING_TRIES = 200
DROPPING_TRIES = 4


def find_standing(
    world: World,
    handle: int,
    body: RigidBody,
    upright: Rotation,
    support: Support,
    rng: np.random.Generator,
) -> Frame | None:
    """A free frame in which the body stands on the support, or None where none was found.

    upright : rotation from object to world axes
    The body is left wherever the search ended.
    """
    for attempt in range(STANDING_TRIES):
        frame = _over_support(body, upright, support, rng, turn=attempt > 0)
        if frame is None:
            return None
        world.place(handle, frame)
        if world.is_free(handle, CLEARANCE):
            return frame
    return None


def find_drop(
    world: World,
    handle: int,
    body: RigidBody,
    rotation: Rotation,
    support: Support,
    rng: np.random.Generator,
) -> Frame | None:
    """The lowest of some free frames that lead straight down from above all bodies.

    rotation : from object to world axes
    None if the body is too large for the support's area, however it is turned about Z.
    """
    frames = []
    for attempt in range(DROPPING_TRIES):
        frame = _over_support(body, rotation, support, rng, turn=attempt > 0)
        if frame is not None:
            frames.append(_lower(world, handle, frame))
    return min(frames, key=lambda frame: float(frame.position[2]), default=None)


def _over_support(
    body: RigidBody, rotation: Rotation, support: Support, rng: np.random.Generator, turn: bool
) -> Frame | None:
    """A frame at a random spot within the area, STANDING_GAP above its floor.

    With `turn` the body is turned at random about Z first. None if it does not fit in.
    """
    angle = rng.uniform(0, 2 * np.pi) if turn else 0.0
    turned = Rotation.from_rotvec((0, 0, angle)) * rotation * body.axes
    points = turned.apply(body.points())
    spot = draw_spot(points[:, :2], support, rng)
    if spot is None:
        return None
    return Frame(np.array([*spot, STANDING_GAP - points[:, 2].min()]), turned)


def _lower(world: World, handle: int, frame: Frame) -> Frame:
    """The lowest frame that can be reached straight down from above everything else."""
    world.place(handle, frame)
    height = max(0.0, world.top(leave_out=handle) + CLEARANCE)
    steps = int(np.ceil(height / STEP_DOWN))
    lowest = _raised(frame, steps * STEP_DOWN)
    for step in reversed(range(steps)):
        lower = _raised(frame, step * STEP_DOWN)
        world.place(handle, lower)
        if not world.is_free(handle, CLEARANCE):
            break
        lowest = lower
    return lowest


def _raised(frame: Frame, height: float) -> Frame:
    return Frame(frame.position + (0, 0, height), frame.rotation)
