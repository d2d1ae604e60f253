from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scenes_things import ROOM_KINDS, SUPPORT_KINDS, at_rest, job, scene
from scipy.spatial import Delaunay

from transphy3d.errors import SceneRejected
from transphy3d.jsonio import from_json, to_json
from transphy3d.rng import Streams
from transphy3d.scenes.camera import place_camera, sample_camera
from transphy3d.scenes.geometry import Geometry, StaticBody
from transphy3d.scenes.obstacles import clearance, in_sight, obstacle
from transphy3d.scenes.rotations import pose_matrix
from transphy3d.scenes.solids import box, box_hull, transformed
from transphy3d.scenes.spec import SettledScene
from transphy3d.scenes.trajectory import project, trajectory
from transphy3d.scenes.view import SHARE_SEEN, fill_distance, find_trouble, make_view

COMBINATIONS = [(s, ROOM_KINDS[i % len(ROOM_KINDS)]) for i, s in enumerate(SUPPORT_KINDS)]
CAMERAS_EACH = 34  # 204 in all


def place(settings, index: int = 0) -> tuple[SettledScene, Geometry]:
    spec = scene(settings, index)
    geometry, rest = at_rest(spec)
    return place_camera(settings, spec, rest, geometry, Streams(0, index)), geometry


def eyes(cameras: np.ndarray) -> np.ndarray:
    return np.linalg.inv(cameras)[:, :3, 3]


@pytest.mark.parametrize(("support", "room"), COMBINATIONS)
def test_accepted_cameras_are_in_free_air_above_the_support(support, room):
    settings = job(supports={"kinds": {support: 1}}, rooms={"kinds": {room: 1}})
    spec = scene(settings)
    geometry, rest = at_rest(spec)
    view = make_view(spec, rest.poses, geometry)
    bodies = [*geometry.support.bodies, *geometry.room]
    hulls = [Delaunay(hull, qhull_options="QJ Qbb") for body in bodies for hull in body.hulls]
    rng = np.random.default_rng(0)
    accepted = []
    for draw in range(CAMERAS_EACH):
        urgency = draw / CAMERAS_EACH
        camera = sample_camera(settings.camera, view, 416, 240, rng, urgency)
        k, cameras = trajectory(camera, view.centre, 24, 416, 240)
        if find_trouble(view, k, cameras, 416, 240) is not None:
            continue
        accepted.append(eyes(cameras))
    points = np.vstack(accepted)
    assert points[:, 2].min() > 0
    assert (points > geometry.bounds[0]).all() and (points < geometry.bounds[1]).all()
    assert not any((hull.find_simplex(points) >= 0).any() for hull in hulls)


@pytest.mark.parametrize(("support", "room"), COMBINATIONS)
def test_every_object_is_in_every_frame(support, room):
    settings = job(supports={"kinds": {support: 1}}, rooms={"kinds": {room: 1}})
    settled, geometry = place(settings)
    k, cameras = np.array(settled.intrinsics), np.array(settled.world_to_camera)
    assert cameras.shape == (settings.frames, 4, 4)
    for item in settled.spec.objects:
        points = geometry.assets[item.id].points() * item.scale
        points = transformed(points, pose_matrix(settled.poses[item.id]))
        middle = (points.min(axis=0) + points.max(axis=0)) / 2
        pixels = project(middle[None], k, cameras)[:, 0]
        assert (pixels[:, :2] >= 0).all() and (pixels[:, :2] < (832, 480)).all()
        assert (pixels[:, 2] > 0).all()


def test_the_settled_scene_survives_json_bit_for_bit():
    settled, _ = place(job())
    assert from_json(SettledScene, to_json(settled)) == settled


def test_the_camera_is_the_same_again_and_another_for_another_index():
    assert place(job())[0].camera == place(job())[0].camera
    assert place(job(), 0)[0].camera != place(job(), 1)[0].camera


def drawn(settings, urgency: float) -> tuple[np.ndarray, float]:
    """Field of view, distance in units of the fill distance, elevation and arc of 40 draws.

    Angles in degrees; also the widest arc that the support leaves room for.
    """
    spec = scene(settings)
    geometry, rest = at_rest(spec)
    view = make_view(spec, rest.poses, geometry)
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(40):
        path = sample_camera(settings.camera, view, 832, 480, rng, urgency)
        elevation = np.arctan2(path.height, path.radius)
        ways = path.azimuth + path.arc * np.linspace(0, 1, 5)
        fill = max(fill_distance(view, path.fov, 832, 480, a, elevation) for a in ways)
        distance = np.hypot(path.radius, path.height) / fill
        rows.append((path.fov, distance, np.degrees(elevation), np.degrees(abs(path.arc))))
    return np.array(rows).T, np.degrees(2 * view.sector[1])


@pytest.mark.parametrize("support", ["table", "bin", "shelf"])
def test_the_first_draw_keeps_to_every_range_of_the_job(support):
    settings = job(supports={"kinds": {support: 1}}, camera={"arc": (50.0, 120.0)})
    drawings, _ = drawn(settings, urgency=0.0)
    camera = settings.camera
    ranges = (camera.fov, camera.distance, camera.elevation, camera.arc)
    for values, (low, high) in zip(drawings, ranges, strict=True):
        assert low - 1e-9 <= values.min() and values.max() <= high + 1e-9
        assert np.ptp(values) > 0.5 * (high - low)


@pytest.mark.parametrize("support", ["table", "bin", "shelf"])
def test_later_draws_keep_field_of_view_and_distance_and_relax_what_the_docs_say(support):
    settings = job(supports={"kinds": {support: 1}})
    (fov, distance, elevation, arc), room = drawn(settings, urgency=0.95)
    camera = settings.camera
    assert camera.fov[0] <= fov.min() and fov.max() <= camera.fov[1]
    assert camera.distance[0] - 1e-9 <= distance.min() and distance.max() <= camera.distance[1]
    assert elevation.min() > camera.elevation[0] - 1e-9
    assert elevation.max() < (camera.elevation[1] if support == "table" else 78) + 1e-9
    assert arc.min() > min(camera.arc[0] / 4, room) - 1e-9


def test_shelves_are_filmed_from_their_open_side():
    settled, geometry = place(job(supports={"kinds": {"shelf": 1}}, frames=24))
    middle, half = geometry.support.view
    position = eyes(np.array(settled.world_to_camera))
    bearing = np.arctan2(position[:, 1], position[:, 0])
    off = np.abs((bearing - middle + np.pi) % (2 * np.pi) - np.pi)
    assert off.max() < half + np.radians(25)  # the objects need not be at the origin


def test_objects_just_fill_the_frame_at_the_fill_distance():
    spec = scene(job())
    geometry, rest = at_rest(spec)
    view = make_view(spec, rest.poses, geometry)
    distance = fill_distance(view, 50.0, 400, 300, 0.7, 0.5)
    away = np.array([np.cos(0.7) * np.cos(0.5), np.sin(0.7) * np.cos(0.5), np.sin(0.5)])
    eye = view.centre + distance * away
    camera = sample_camera(job().camera, view, 400, 300, np.random.default_rng(0), 0.0)
    around = replace(
        camera,
        fov=50.0,
        azimuth=0.7,
        arc=0.0,
        radius=distance * np.cos(0.5),
        height=distance * np.sin(0.5),
        radius_wobble=_still(),
        height_wobble=_still(),
        look_wobble=(_still(), _still(), _still()),
    )
    k, cameras = trajectory(around, view.centre, 1, 400, 300)
    np.testing.assert_allclose(eyes(cameras)[0], eye, atol=1e-12)
    pixels = project(view.points, k, cameras)[0, :, :2]
    reach = np.abs(pixels - (200, 150)) / (200, 150)
    assert reach.max() == pytest.approx(1.0, abs=1e-9)


def _still():
    from transphy3d.scenes.spec import Wobble

    return Wobble(amplitudes=(), cycles=(), phases=())


def test_scenes_that_cannot_be_filmed_are_rejected_with_a_reason():
    settings = job(supports={"kinds": {"table": 1}}, rooms={"kinds": {"open": 1}})
    spec = scene(settings)
    geometry, rest = at_rest(spec)
    low, high = (-0.9, -0.9, 0.6), (0.9, 0.9, 0.7)
    lid = StaticBody("lid", box(low, high, 0.002), "legs", (box_hull(low, high),))
    walls = []
    for x0, y0, x1, y1 in ((-1, -1, -0.9, 1), (0.9, -1, 1, 1), (-1, -1, 1, -0.9), (-1, 0.9, 1, 1)):
        hull = box_hull((x0, y0, -0.1), (x1, y1, 0.7))
        walls.append(StaticBody("wall", lid.mesh, "legs", (hull,)))
    shut = replace(geometry, room=(lid, *walls), bounds=((1.2, -9, 0.1), (9, 9, 9)))
    with pytest.raises(SceneRejected) as caught:
        place_camera(settings, spec, rest, shut, Streams(0, 0))
    assert caught.value.reason == "camera_blocked"


def test_a_frame_too_narrow_for_the_objects_is_rejected():
    close = job(camera={"distance": (0.4, 0.5)}, supports={"kinds": {"table": 1}})
    spec = scene(close)
    geometry, rest = at_rest(spec)
    with pytest.raises(SceneRejected) as caught:
        place_camera(close, spec, rest, geometry, Streams(0, 0))
    assert caught.value.reason in ("camera_view", "camera_blocked")


def test_one_frame_without_an_object_is_one_too_many():
    spec = scene(job())
    geometry, rest = at_rest(spec)
    view = make_view(spec, rest.poses, geometry)
    camera = sample_camera(job().camera, view, 832, 480, np.random.default_rng(0), 0.0)
    k, cameras = trajectory(camera, view.centre, 120, 832, 480)
    assert find_trouble(view, k, cameras, 832, 480) is None
    unchecked = 1  # no multiple of 120 / 48
    cameras[unchecked, 0, 3] += 10
    found = find_trouble(view, k, cameras, 832, 480)
    assert found is not None and found[0] == "camera_view"


def test_one_object_behind_walls_is_one_too_many():
    spec = scene(job(objects={"count": (6, 6), "segments": 24}))
    geometry, rest = at_rest(spec)
    view = make_view(spec, rest.poses, geometry)
    camera = sample_camera(job().camera, view, 832, 480, np.random.default_rng(0), 0.0)
    k, cameras = trajectory(camera, view.centre, 24, 832, 480)
    assert find_trouble(view, k, cameras, 832, 480) is None
    each = view.goals.reshape(6, -1, 3)
    least = each[np.ptp(each, axis=1).prod(axis=1).argmin()]
    crate = obstacle(box_hull(least.min(axis=0) - 0.04, least.max(axis=0) + 0.04))
    crated = replace(view, solids=(*view.solids, crate))
    assert in_sight(eyes(cameras), view.goals, crated.solids).mean() > SHARE_SEEN
    found = find_trouble(crated, k, cameras, 832, 480)
    assert found is not None and "walls hide" in found[1]


def test_clearance_of_a_cube_is_the_distance_from_its_faces():
    cube = [obstacle(box_hull((-1, -1, -1), (1, 1, 1)))]
    assert clearance(np.array([[3.0, 0, 0]]), cube) == pytest.approx(2.0, abs=1e-6)
    assert clearance(np.array([[0.5, 0, 0]]), cube) == pytest.approx(-0.5, abs=1e-6)
    assert clearance(np.array([[3.0, 0, 0]]), []) == np.inf


def test_a_wall_hides_what_is_behind_it_and_not_what_is_before_it():
    wall = [obstacle(box_hull((-1, -0.1, -1), (1, 0.1, 1)))]
    start = np.array([[0.0, -3.0, 0.0]])
    goals = np.array([[0.0, 3.0, 0.0], [0.0, -1.0, 0.0], [5.0, 3.0, 0.0], [0.0, 0.5, 4.0]])
    np.testing.assert_array_equal(in_sight(start, goals, wall), [[False, True, True, True]])
