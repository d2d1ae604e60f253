"""Scaling, cutting and flipping keep what a pixel sees: against rays of an analytic scene."""

import numpy as np
import pytest
from synthetic import BALLS, Ball, cast, intrinsics, orbit

from transphy3d.shards.framing import covering

SOURCE = (72, 96)
POSE = orbit(1)[0]
K = intrinsics(96, 72)


def framed(framing):
    depth = cast(POSE, K, SOURCE, BALLS)[0]
    return depth[np.ix_(framing.rows(), framing.columns())]


def mirrored(balls):
    return tuple(Ball(-b.x, b.y, b.radius, b.optical_class) for b in balls)


def seen(framing):
    """The depth that the framed camera sees, by casting its own rays."""
    balls = mirrored(BALLS) if framing.flip else BALLS
    pose = framing.poses(POSE[None])[0]
    return cast(pose, framing.intrinsics(K), framing.size, balls)[0]


def test_the_same_size_changes_nothing():
    framing = covering(SOURCE, SOURCE)
    assert np.array_equal(framed(framing), cast(POSE, K, SOURCE, BALLS)[0])
    assert np.array_equal(framing.intrinsics(K), K)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("shift", [(0, 0), (0.5, 0.5), (1, 0.3)])
def test_a_cut_sees_what_its_intrinsics_and_pose_say(flip, shift):
    framing = covering(SOURCE, (72, 60), shift=shift, flip=flip)
    assert framing.scaled == SOURCE
    np.testing.assert_allclose(framed(framing), seen(framing), atol=1e-9)


@pytest.mark.parametrize("size", [(24, 32), (36, 48), (144, 192), (50, 80)])
def test_a_scaled_picture_takes_values_from_within_half_a_pixel(size):
    framing = covering(SOURCE, size)
    depth, truth = framed(framing), seen(framing)
    off = np.abs(depth - truth) > 0.02
    edges = np.abs(np.gradient(truth)[0]) + np.abs(np.gradient(truth)[1]) > 0.01
    assert not (off & ~edges).any()


def test_the_cut_covers_the_asked_size_and_keeps_the_aspect():
    framing = covering((480, 640), (256, 512))
    assert framing.size == (256, 512)
    assert framing.scaled == (384, 512)
    assert framing.top == 64


def test_flipping_twice_gives_the_stored_poses_back():
    framing = covering(SOURCE, SOURCE, flip=True)
    twice = framing.poses(framing.poses(orbit(3)))
    np.testing.assert_allclose(twice, orbit(3), atol=1e-15)
    rotation = framing.poses(orbit(1))[0, :3, :3]
    assert np.linalg.det(rotation) == pytest.approx(1)
