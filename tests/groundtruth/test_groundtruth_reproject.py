"""Cameras, reprojection and consistency agree with scenes whose geometry is known exactly."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic

from transphy3d.groundtruth import camera, consistency
from transphy3d.groundtruth.reproject import reproject

SIZE = (72, 96)


@pytest.fixture(scope="module")
def record():
    return synthetic.meta(2, SIZE)


@pytest.fixture(scope="module")
def frames(record):
    return synthetic.render(record)


@pytest.fixture(scope="module")
def k(record):
    return np.array(record.intrinsics)


@pytest.fixture(scope="module")
def poses(record):
    return np.array(record.world_to_camera)


def test_projecting_unprojected_pixels_gives_their_centres(frames, k):
    positions, z = camera.project(camera.unproject(frames[0]["depth"], k), k)
    hit = frames[0]["depth"] > 0
    v, u = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    assert np.allclose(positions[hit], np.stack([u, v], -1)[hit], atol=1e-9)
    assert np.array_equal(z, frames[0]["depth"])


def test_unprojected_floor_pixels_lie_on_the_floor(frames, k, poses):
    floor = (frames[0]["instance"] == 0) & (frames[0]["depth"] > 0)
    points = camera.unproject(frames[0]["depth"], k)[floor]
    world = camera.transform(camera.invert_rigid(poses[0]), points)
    assert np.abs(world[:, 2]).max() < 1e-6


def test_ray_distance_and_planar_depth_are_inverse(frames, k):
    depth = frames[0]["depth"]
    distance = camera.ray_distance(depth, k)
    assert (distance[depth > 0] > depth[depth > 0]).all()
    assert np.allclose(camera.planar_depth(distance, k), depth)


def test_a_point_behind_the_camera_has_no_position(k):
    positions, _ = camera.project(np.array([[0.1, 0.1, -1.0]]), k)
    assert np.isnan(positions).all()
    assert not camera.in_frame(positions, SIZE).any()


def test_exact_depth_reprojects_onto_itself(frames, poses, k):
    result = reproject(frames[0]["depth"], frames[1]["depth"], poses[0], poses[1], k)
    assert len(result.residual) > 4000
    assert result.floating.mean() < 0.002
    assert np.median(np.abs(result.residual)) < 1e-5


def test_a_surface_that_moved_nearer_floats(frames, poses, k):
    nearer = frames[0]["depth"] * np.float32(0.95)
    result = reproject(nearer, frames[1]["depth"], poses[0], poses[1], k)
    assert result.floating.mean() > 0.9
    assert np.isclose(np.median(result.residual), -0.05, atol=0.005)


def test_what_is_hidden_in_the_other_frame_does_not_float(frames, poses, k):
    floor = synthetic.frame(poses[0], k, SIZE, balls=())
    result = reproject(floor["depth"], frames[1]["depth"], poses[0], poses[1], k)
    assert result.floating.mean() < 0.002
    assert (result.residual > 0.01).mean() > 0.02


def test_normals_from_depth_are_exact_on_a_plane(poses, k):
    floor = synthetic.frame(poses[0], k, SIZE, balls=())
    smooth = consistency.smooth_pixels(floor["depth"], floor["instance"])
    slopes = consistency.normals_from_depth(floor["depth"], k)[smooth]
    assert smooth.mean() > 0.5
    assert consistency.angles(slopes, floor["normal"][smooth]).max() < 0.1


def test_normals_from_depth_follow_spheres(frames, k):
    frame = frames[0]
    smooth = consistency.smooth_pixels(frame["depth"], frame["instance"]) & (frame["instance"] > 0)
    slopes = consistency.normals_from_depth(frame["depth"], k)[smooth]
    assert np.median(consistency.angles(slopes, frame["normal"][smooth])) < 1


def test_edges_are_not_smooth(frames):
    frame = frames[0]
    smooth = consistency.smooth_pixels(frame["depth"], frame["instance"])
    edge = frame["instance"][:, 1:] != frame["instance"][:, :-1]
    assert not (smooth[:, 1:] & edge).any()


def test_every_normal_faces_the_camera(frames, k):
    cosine = consistency.facing(frames[0]["normal"], k)
    assert cosine[frames[0]["depth"] > 0].max() < 0


def test_angles_are_right_for_small_and_great_turns():
    turns = np.radians([0.001, 45, 180])
    turned = np.stack([np.sin(turns), 0 * turns, np.cos(turns)], -1)
    assert np.allclose(consistency.angles(turned, np.array([0, 0, 1.0])), [0.001, 45, 180])


def test_distance_outside_a_box_is_zero_inside_it():
    points = np.array([[0, 0, 0], [0, 0, 1.25], [-1.5, 0, 1.25]])
    assert consistency.outside(points, -np.ones(3), np.ones(3)).tolist() == [0, 0.25, 0.5]


def test_surface_points_are_seen_or_hidden_but_never_bare(record, frames, poses, k):
    row = record.objects[1]
    world = camera.transform(np.array(row.object_to_world), np.array(row.points))
    gaps = consistency.surface_gaps(world, frames[0]["depth"], poses[0], k)
    assert gaps[:, 0].max() < 0.001
    assert (gaps[:, 1] < -0.02).sum() > 20


def test_surface_points_of_a_vanished_object_are_bare(record, poses, k):
    row = record.objects[1]
    world = camera.transform(np.array(row.object_to_world), np.array(row.points))
    empty = synthetic.frame(poses[0], k, SIZE, balls=())
    gaps = consistency.surface_gaps(world, empty["depth"], poses[0], k)
    assert (gaps[:, 0] > 0.004).mean() > 0.8


def test_depth_behind_must_equal_depth_unless_see_through():
    depth = np.array([[1.0, 1.0, 1.0, 1.0, 0.0]])
    behind = np.array([[1.5, 1.5, 0.9, 0.0, 2.0]])
    clear = np.array([[True, False, True, False, False]])
    error = consistency.behind_error(depth, behind, clear)
    assert np.allclose(error, [[0, 0.5, 0.1, np.inf, np.inf]])
