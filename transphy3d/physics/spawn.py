"""Where objects start: standing on the support, or in the air just above what lies there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.spatial.transform import Rotation

from transphy3d.physics.area import Area
from transphy3d.physics.bodies import Frame, RigidBody
from transphy3d.physics.world import World

# Metres: the air under a standing object, between any two bodies at the start, and the step
# of the search downwards, small enough that no wall is stepped over.
STANDING_GAP = 0.0015
CLEARANCE = 0.001
STEP_DOWN = 0.003

# Free places to choose the lowest of, and places tried in all.
DROPS_COMPARED = 4
TRIES = 200


@dataclass(frozen=True)
class Item:
    """A body in the world and how it starts; `rotation` is from object to world axes."""

    handle: int
    body: RigidBody
    rotation: Rotation


def find_standing(world: World, item: Item, area: Area, rng: np.random.Generator) -> Frame | None:
    """A free frame in which an object stands on the floor, or None where none was found.

    The body is left wherever the search ended.
    """
    for frame in _frames_over(area, item, rng):
        world.place(item.handle, frame)
        if world.is_free(item.handle, CLEARANCE):
            return frame
    return None


def find_drop(world: World, item: Item, area: Area, rng: np.random.Generator) -> Frame | None:
    """The lowest of some free frames that lead straight down from above all other bodies.

    None if the body is too large for the area, however it is turned about Z. The body is left
    wherever the search ended.
    """
    places = islice(_frames_over(area, item, rng), DROPS_COMPARED)
    frames = [_lowered(world, item.handle, frame) for frame in places]
    return min(frames, key=lambda frame: float(frame.position[2]), default=None)


def _frames_over(area: Area, item: Item, rng: np.random.Generator) -> Iterator[Frame]:
    """Frames at random spots within the area, STANDING_GAP above its floor.

    The first tries the item's rotation as it is, the others turn it at random about Z.
    """
    for attempt in range(TRIES):
        angle = rng.uniform(0, 2 * np.pi) if attempt else 0.0
        rotation = Rotation.from_rotvec((0, 0, angle)) * item.rotation * item.body.axes
        points = rotation.apply(item.body.points())
        spot = area.draw_spot(points[:, :2], rng)
        if spot is not None:
            height = STANDING_GAP - points[:, 2].min()
            yield Frame(np.array([*spot, height]), rotation)


def _lowered(world: World, handle: int, frame: Frame) -> Frame:
    """The lowest frame above `frame` that can be reached straight down from above the rest."""
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
    return Frame(frame.position + np.array([0, 0, height]), frame.rotation)
