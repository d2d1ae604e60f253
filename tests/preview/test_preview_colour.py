from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transphy3d.preview.colour import (
    BACKGROUND,
    depth_colours,
    depth_picture,
    depth_range,
    instance_colours,
    instance_picture,
    normal_picture,
)


def luma(picture):
    return picture.astype(float) @ [0.2126, 0.7152, 0.0722]


def test_nearer_is_brighter():
    depth = np.linspace(0.5, 3.0, 200, dtype=np.float32)[None]
    brightness = luma(depth_picture(depth, 0.5, 3.0))[0]
    assert brightness[0] > 200 and brightness[-1] < 40
    assert np.all(np.diff(brightness) <= 1.0)


def test_depth_outside_the_range_takes_its_end_colours():
    picture = depth_picture(np.array([[0.1, 50.0]], np.float32), 0.5, 3.0)
    assert np.array_equal(picture[0], depth_colours()[[-1, 0]])


def test_depth_background_is_a_colour_that_no_depth_has():
    assert np.array_equal(depth_picture(np.zeros((1, 1), np.float32), 1, 2)[0, 0], BACKGROUND)
    distance = np.abs(depth_colours().astype(int) - BACKGROUND).sum(axis=1)
    assert distance.min() > 50


def test_depth_range_ignores_a_few_outliers_and_the_background():
    depth = np.full((100, 100), 1.5, np.float32)
    depth[:50] = 1.0
    depth[0, :40] = 0
    depth[1, :40], depth[2, :40] = 0.001, 1000.0
    near, far = depth_range([depth])
    assert np.isclose(near, 1.0) and np.isclose(far, 1.5)


def test_depth_range_of_nothing_and_of_one_depth_can_be_painted():
    for depth in (np.zeros((4, 4), np.float32), np.full((4, 4), 2.0, np.float32)):
        near, far = depth_range([depth])
        assert 0 < near < far
        depth_picture(depth, near, far)


def test_normals_toward_right_up_and_viewer_are_red_green_and_blue():
    normal = np.array([[[1, 0, 0], [0, -1, 0], [0, 0, -1], [0, 0, 0]]], np.float32)
    right, up, viewer, nothing = normal_picture(normal)[0]
    assert right.tolist() == [255, 128, 128]
    assert up.tolist() == [128, 255, 128]
    assert viewer.tolist() == [128, 128, 255]
    assert np.array_equal(nothing, BACKGROUND)


def test_instances_keep_their_colour_when_others_come():
    few = instance_picture(np.array([[0, 1, 2]]))
    many = instance_picture(np.array([[0, 1, 2, 200]]))
    assert np.array_equal(few, many[:, :3])
    assert np.array_equal(few[0, 0], BACKGROUND)


@given(st.integers(1, 30), st.integers(1, 6))
def test_neighbouring_instances_look_different(number, step):
    colours = instance_colours(40).astype(int)
    assert np.abs(colours[number] - colours[number + step]).sum() > 60
    assert np.abs(colours[number] - BACKGROUND.astype(int)).sum() > 150
