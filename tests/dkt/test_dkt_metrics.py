"""What metrics must be, whatever their formula; `test_dkt_plain` holds them to that."""

import numpy as np
import pytest
from synthetic import cast, intrinsics, orbit

from transphy3d.dkt.evaluation.metrics import Protocol, aligned_depth, depth_scores, known
from transphy3d.dkt.evaluation.normal_metrics import common_direction, normal_scores
from transphy3d.dkt.evaluation.temporal import temporal_alignment_error

rng = np.random.default_rng(0)
TRUTH = rng.uniform(0.3, 3.0, (3, 12, 16))
TRUTH[:, :2] = 0


def test_disparity_up_to_scale_and_shift_scores_perfectly():
    mask = known(TRUTH, Protocol())
    inverse = np.where(mask, 1 / np.where(mask, TRUTH, 1), 0)
    scores = depth_scores(0.3 * inverse + 0.05, TRUTH, mask, Protocol())
    assert scores.rel < 1e-9 and scores.rmse < 1e-9
    assert scores.delta == (1, 1, 1)


def test_alignment_by_frame_forgives_what_alignment_by_video_does_not():
    mask = known(TRUTH, Protocol())
    inverse = np.where(mask, 1 / np.where(mask, TRUTH, 1), 0)
    drifting = inverse * np.array([1.0, 1.5, 2.0])[:, None, None]
    by_frame = depth_scores(drifting, TRUTH, mask, Protocol(align="frame"))
    by_video = depth_scores(drifting, TRUTH, mask, Protocol(align="video"))
    assert by_frame.rel < 1e-9 < 0.05 < by_video.rel


def test_negative_aligned_disparity_is_held_at_a_kilometre():
    truth = np.full((1, 1, 2), 2.0)
    depth = aligned_depth(np.array([[[-5.0, 0.5]]]), truth, truth > 0, Protocol(align="none"))
    assert depth.tolist() == [[[1000.0, 2.0]]]


def test_what_does_not_count_cannot_change_a_score():
    protocol = Protocol(max_depth=2.0)
    mask = known(TRUTH, protocol)
    assert not mask[:, :2].any() and not mask[TRUTH > 2].any()
    noisy = np.where(mask, 1 / np.where(mask, TRUTH, 1), np.nan)
    assert depth_scores(noisy, TRUTH, mask, protocol).rel < 1e-9


def test_errors_say_what_is_wrong():
    mask = known(TRUTH, Protocol())
    with pytest.raises(ValueError, match="not finite"):
        depth_scores(np.full_like(TRUTH, np.nan), TRUTH, mask, Protocol())
    with pytest.raises(ValueError, match="no pixel counts"):
        depth_scores(TRUTH, TRUTH, np.zeros_like(mask), Protocol())
    with pytest.raises(ValueError, match="object masks"):
        known(TRUTH, Protocol(region="objects"))


def test_normals_that_are_turned_by_ten_degrees_score_ten_degrees():
    truth = np.zeros((2, 4, 4, 3))
    truth[..., 2] = -1
    angle = np.radians(10)
    turned = np.zeros_like(truth)
    turned[..., 0], turned[..., 2] = np.sin(angle), -np.cos(angle)
    scores = normal_scores(3 * turned, truth, np.ones((2, 4, 4), bool))
    assert (scores.mean, scores.median, scores.rmse) == pytest.approx((10, 10, 10))
    assert scores.under == (0, 0, 1, 1, 1)


def scene(frames):
    poses, k = orbit(frames, arc=0.1), intrinsics(96, 72)
    depth = np.stack([cast(pose, k, (72, 96), ())[0] for pose in poses])
    return depth, k, poses


def test_true_depth_agrees_with_itself_over_time():
    depth, k, poses = scene(3)
    assert temporal_alignment_error(depth, depth, k, poses) < 1.0


def test_flickering_depth_costs_what_it_flickers():
    depth, k, poses = scene(4)
    factor = np.array([1.0, 1.1, 1.0, 1.1])[:, None, None]
    steady = temporal_alignment_error(depth, depth, k, poses)
    flickering = temporal_alignment_error(depth * factor, depth, k, poses)
    assert 8 < flickering - steady < 12


def test_one_frame_has_no_temporal_error():
    depth, k, poses = scene(1)
    with pytest.raises(ValueError, match="two or more"):
        temporal_alignment_error(depth, depth, k, poses)


def test_the_common_direction_is_that_of_most_normals_whatever_the_rest_and_the_unknown():
    table, side = np.array([0.0, -0.6, -0.8]), np.array([1.0, 0.0, 0.0])
    normals = np.array([table] * 5 + [side] * 3 + [np.zeros(3)] * 20)
    np.testing.assert_allclose(common_direction(normals), table)
    np.testing.assert_array_equal(common_direction(np.zeros((4, 3))), [0, 0, -1])
