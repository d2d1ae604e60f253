"""What a camera is to film, and what a path has to fulfil to film it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transphy3d.assets.geometry import FloatArray
from transphy3d.scenes.geometry import Bounds, Geometry
from transphy3d.scenes.obstacles import Obstacle, clearance, in_sight, obstacle
from transphy3d.scenes.rotations import pose_matrix
from transphy3d.scenes.solids import transformed
from transphy3d.scenes.spec import Pose, SceneSpec
from transphy3d.scenes.trajectory import project

# Frames that are checked for collisions, and for lines of sight.
CHECKED_FRAMES = 48
SIGHT_FRAMES = 8
POINTS_PER_OBJECT = 48
SIGHT_POINTS = 6
HULL_POINTS = 400
KEEP_FROM_SOLIDS = 0.05  # metres
KEEP_FROM_OBJECTS = 0.08  # metres
LOWEST = 0.02  # metres above the support's plane
SHARE_IN_FRAME = 0.9
SHARE_SEEN = 0.6
SHARE_SEEN_WORST = 0.35


@dataclass(frozen=True)
class View:
    """What a camera is to film.

    centre : (3,) middle of the box around all objects, world, metres
    points : (N, 3) points of all objects
    middles : (M, 3) middle of each object
    goals : (G, 3) points inside the objects that should be seen, as many for each of M objects
    solids : supports and room; objects : one hull each
    bounds : the air that a camera may be in
    sector : middle azimuth and half width that the support can be seen from, radians
    deep : whether the support has walls
    """

    centre: FloatArray
    points: FloatArray
    middles: FloatArray
    goals: FloatArray
    solids: tuple[Obstacle, ...]
    objects: tuple[Obstacle, ...]
    bounds: Bounds
    sector: tuple[float, float]
    deep: bool


def make_view(spec: SceneSpec, poses: dict[int, Pose], geometry: Geometry) -> View:
    """Points and obstacles of a scene at rest."""
    clouds = []
    for item in spec.objects:
        points = geometry.assets[item.id].points() * item.scale
        clouds.append(transformed(points, pose_matrix(poses[item.id])))
    boxes = np.array([(cloud.min(axis=0), cloud.max(axis=0)) for cloud in clouds])
    centre = (boxes[:, 0].min(axis=0) + boxes[:, 1].max(axis=0)) / 2
    middles = boxes.mean(axis=1)
    thinned = [_thinned(cloud, POINTS_PER_OBJECT) for cloud in clouds]
    goals = [
        middle + 0.7 * (_thinned(cloud, SIGHT_POINTS) - middle)
        for cloud, middle in zip(clouds, middles, strict=True)
    ]
    statics = (*geometry.support.bodies, *geometry.room)
    return View(
        centre=centre,
        points=np.vstack(thinned),
        middles=middles,
        goals=np.vstack(goals),
        solids=tuple(obstacle(hull) for body in statics for hull in body.hulls),
        objects=tuple(obstacle(_thinned(cloud, HULL_POINTS)) for cloud in clouds),
        bounds=geometry.bounds,
        sector=geometry.support.view,
        deep=geometry.support.rim > 0,
    )


def _thinned(points: FloatArray, count: int) -> FloatArray:
    """About `count` of (N, 3) points, evenly by index, with the extremes of each axis."""
    chosen = points[np.linspace(0, len(points) - 1, count).astype(int)]
    extremes = np.concatenate([points.argmin(axis=0), points.argmax(axis=0)])
    return np.vstack([chosen, points[extremes]])


def fill_distance(
    view: View, fov: float, width: int, height: int, azimuth: float, elevation: float
) -> float:
    """Distance from the centre at which all objects just fit into the frame, metres.

    A point at (x, y, z) in axes right, down, forward from the centre is inside the frame of a
    camera at distance d if |x| <= (d + z) tan(fov_x / 2), and likewise for y.
    """
    away = np.array([np.cos(azimuth), np.sin(azimuth), np.tan(elevation)]) * np.cos(elevation)
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    offset = view.points - view.centre
    across, forward = offset @ right, -offset @ away
    upward = offset @ np.cross(away, right)
    tangent = float(np.tan(np.radians(fov) / 2))
    needed_x = np.abs(across) / tangent - forward
    needed_y = np.abs(upward) / (tangent * height / width) - forward
    return float(max(needed_x.max(), needed_y.max()))


def find_trouble(
    view: View, k: FloatArray, cameras: FloatArray, width: int, height: int
) -> tuple[str, str] | None:
    """(reason, detail) of the first check that a path fails, or None."""
    chosen = _spread(cameras, CHECKED_FRAMES)
    eyes = -np.einsum("tji,tj->ti", chosen[:, :3, :3], chosen[:, :3, 3])
    return (
        _out_of_bounds(view, eyes)
        or _out_of_frame(view, k, cameras, width, height)
        or _too_near(view, eyes)
        or _hidden(view, _spread(eyes, SIGHT_FRAMES))
    )


def _spread(items: FloatArray, count: int) -> FloatArray:
    """At most `count` items, evenly from the first to the last."""
    return np.asarray(items[np.unique(np.linspace(0, len(items) - 1, count).astype(int))])


def _out_of_bounds(view: View, eyes: FloatArray) -> tuple[str, str] | None:
    low, high = np.array(view.bounds[0]), np.array(view.bounds[1])
    low[2] = max(low[2], LOWEST)
    outside = np.maximum(low - eyes, eyes - high).max()
    if outside <= 0:
        return None
    return "camera_blocked", f"the path leaves the room's air by {outside:.3f} m"


def _too_near(view: View, eyes: FloatArray) -> tuple[str, str] | None:
    gap = clearance(eyes, view.objects)
    if gap < KEEP_FROM_OBJECTS:
        return "camera_blocked", f"the path comes within {gap:.3f} m of an object"
    gap = clearance(eyes, view.solids)
    if gap < KEEP_FROM_SOLIDS:
        return "camera_blocked", f"the path comes within {gap:.3f} m of the support or room"
    return None


def _out_of_frame(
    view: View, k: FloatArray, cameras: FloatArray, width: int, height: int
) -> tuple[str, str] | None:
    """Every object's middle, and most points of all objects, in every frame."""
    middles = _inside(project(view.middles, k, cameras), width, height)
    if not middles.all():
        return "camera_view", f"{(~middles.all(axis=0)).sum()} objects leave the frame"
    share = float(_inside(project(view.points, k, cameras), width, height).mean(axis=1).min())
    if share < SHARE_IN_FRAME:
        return "camera_view", f"only {share:.0%} of the objects' points are in the worst frame"
    return None


def _inside(projected: FloatArray, width: int, height: int) -> NDArray[np.bool_]:
    inside = (projected[..., :2] >= 0) & (projected[..., :2] < (width, height))
    result: NDArray[np.bool_] = inside.all(axis=-1) & (projected[..., 2] > 0)
    return result


def _hidden(view: View, eyes: FloatArray) -> tuple[str, str] | None:
    """Walls must leave sight of most points on average, and of each object in every frame."""
    seen = in_sight(eyes, view.goals, view.solids)
    each = seen.reshape(len(eyes), len(view.middles), -1).any(axis=2)
    if not each.all():
        return "camera_blocked", f"walls hide {(~each.all(axis=0)).sum()} objects at times"
    mean, worst = float(seen.mean()), float(seen.mean(axis=1).min())
    if mean >= SHARE_SEEN and worst >= SHARE_SEEN_WORST:
        return None
    return "camera_blocked", f"walls leave sight of {mean:.0%} of the objects, at worst {worst:.0%}"
