from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transphy3d.groundtruth.camera import fov_intrinsics
from transphy3d.scenes.spec import CameraSpec, Wobble
from transphy3d.scenes.trajectory import look_at, project, trajectory

STILL = Wobble(amplitudes=(), cycles=(), phases=())
CENTRE = np.array([0.3, -0.2, 0.1])


def camera(**changes: object) -> CameraSpec:
    values = {
        "fov": 50.0,
        "radius": 1.0,
        "height": 0.5,
        "azimuth": 0.4,
        "arc": 2.0,
        "radius_wobble": STILL,
        "height_wobble": STILL,
        "look_wobble": (STILL, STILL, STILL),
    }
    return CameraSpec(**(values | changes))  # type: ignore[arg-type]


def eyes(cameras: np.ndarray) -> np.ndarray:
    return np.linalg.inv(cameras)[:, :3, 3]


def test_an_unperturbed_path_is_an_arc_of_a_circle():
    _, cameras = trajectory(camera(), CENTRE, 11, 64, 48)
    offset = eyes(cameras) - CENTRE
    np.testing.assert_allclose(np.hypot(offset[:, 0], offset[:, 1]), 1.0, atol=1e-12)
    np.testing.assert_allclose(offset[:, 2], 0.5, atol=1e-12)
    azimuth = np.unwrap(np.arctan2(offset[:, 1], offset[:, 0]))
    np.testing.assert_allclose(azimuth, 0.4 + 2.0 * np.arange(11) / 10, atol=1e-12)


def test_radius_and_height_follow_their_sines():
    radius = Wobble(amplitudes=(0.1, 0.05), cycles=(1.0, 2.5), phases=(0.3, 1.0))
    height = Wobble(amplitudes=(0.2,), cycles=(0.5,), phases=(2.0,))
    spec = camera(radius_wobble=radius, height_wobble=height)
    _, cameras = trajectory(spec, CENTRE, 9, 64, 48)
    offset = eyes(cameras) - CENTRE
    s = np.arange(9) / 8
    wave = 0.1 * np.sin(2 * np.pi * s + 0.3) + 0.05 * np.sin(5 * np.pi * s + 1.0)
    np.testing.assert_allclose(np.hypot(offset[:, 0], offset[:, 1]), 1 + wave, atol=1e-12)
    np.testing.assert_allclose(offset[:, 2], 0.5 * (1 + 0.2 * np.sin(np.pi * s + 2.0)), atol=1e-12)


def test_the_target_is_in_the_middle_of_the_picture():
    look = Wobble(amplitudes=(0.05,), cycles=(1.0,), phases=(0.5,))
    k, cameras = trajectory(camera(look_wobble=(look, STILL, look)), CENTRE, 5, 64, 48)
    wave = 0.05 * np.sin(2 * np.pi * np.arange(5) / 4 + 0.5)
    for frame in range(5):
        target = CENTRE + np.array([wave[frame], 0, wave[frame]])
        pixel = project(target[None], k, cameras[frame : frame + 1])[0, 0]
        np.testing.assert_allclose(pixel[:2], (32, 24), atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0.1, 5),
    st.floats(-0.5, 5),
    st.floats(0, 6.3),
    st.floats(-6.3, 6.3),
    st.integers(1, 7),
)
def test_matrices_are_rigid_with_opencv_axes(radius, height, azimuth, arc, frames):
    spec = camera(radius=radius, height=height, azimuth=azimuth, arc=arc)
    _, cameras = trajectory(spec, CENTRE, frames, 64, 48)
    rotations = cameras[:, :3, :3]
    unit = np.broadcast_to(np.eye(3), rotations.shape)
    np.testing.assert_allclose(rotations @ rotations.transpose(0, 2, 1), unit, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0, atol=1e-12)
    centre = cameras[:, :3, :3] @ CENTRE + cameras[:, :3, 3]
    assert (centre[:, 2] > 0).all()  # z forward
    above = cameras[:, :3, :3] @ (CENTRE + np.array([0, 0, 0.01])) + cameras[:, :3, 3]
    assert (above[:, 1] < centre[:, 1]).all()  # y down
    assert np.abs(rotations[:, 0, 2]).max() < 1e-12  # x level


def test_x_points_right():
    matrix = look_at(np.array([[0.0, -2.0, 0.0]]), np.zeros((1, 3)))[0]
    np.testing.assert_allclose(matrix[:3, :3] @ (1, 0, 0), (1, 0, 0), atol=1e-15)


def test_intrinsics_follow_from_the_horizontal_field_of_view():
    k = fov_intrinsics(90.0, 200, 100)
    np.testing.assert_allclose(k, [[100, 0, 100], [0, 100, 50], [0, 0, 1]], atol=1e-12)


def test_the_edge_of_the_field_of_view_is_the_edge_of_the_picture():
    k = fov_intrinsics(60.0, 640, 480)
    edge = np.array([[np.tan(np.radians(30)), 0.0, 1.0]])
    assert project(edge, k, np.eye(4)[None])[0, 0, 0] == pytest.approx(640)


def test_points_behind_the_camera_have_negative_depth():
    assert project(np.array([[0.0, 0.0, -1.0]]), np.eye(3), np.eye(4)[None])[0, 0, 2] < 0


def test_a_single_frame_is_the_start():
    _, one = trajectory(camera(), CENTRE, 1, 64, 48)
    _, many = trajectory(camera(), CENTRE, 7, 64, 48)
    np.testing.assert_array_equal(one[0], many[0])
