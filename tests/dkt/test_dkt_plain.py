"""Sampler, blending, loss, alignment and metrics equal the loops of `plain`."""

import numpy as np
import plain
import pytest
import tiny_dkt
import torch
from synthetic import BALLS, cast, intrinsics, orbit

from transphy3d.dkt.evaluation import metrics
from transphy3d.dkt.evaluation.metrics import (
    Protocol,
    aligned_depth,
    depth_scores,
    known,
    scale_drift,
)
from transphy3d.dkt.evaluation.normal_metrics import normal_scores
from transphy3d.dkt.evaluation.temporal import temporal_alignment_error
from transphy3d.dkt.model import flow
from transphy3d.dkt.model.sampler import sample
from transphy3d.dkt.model.windows import Windows, blended
from transphy3d.dkt.training.step import Encoded, Schedule, clip_losses, noise_of

SIZE = (12, 16)


def draw(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def velocity(noisy, picture, level):
    """Depends on everything, and on the neighbours in time, so that windows disagree."""
    before = np.concatenate([noisy[:, :1], noisy[:, :-1]], 1)
    return np.tanh(noisy + 0.5 * before - picture) + level * picture


def told(noisy, picture, sigma):
    """The same for the code under test: batches of tensors."""
    pairs = zip(noisy.numpy(), picture.numpy(), sigma.tolist(), strict=True)
    return torch.from_numpy(np.stack([velocity(n, p, level) for n, p, level in pairs]))


@pytest.mark.parametrize("windows", [Windows(5, 2), Windows(4, 3), Windows(6, 1, True), Windows()])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_sampler_is_eulers_method_over_blended_windows(windows, batch):
    noise, picture = draw((16, 13, 2, 3)), draw((16, 13, 2, 3), 1)
    expected = plain.sample(velocity, picture, noise, 5, windows.spans(13))
    x = torch.from_numpy(noise[None].copy())
    sample(told, torch.from_numpy(picture[None]), x, steps=5, windows=windows, batch=batch)
    np.testing.assert_allclose(x[0].numpy(), expected, atol=2e-5)


@pytest.mark.parametrize("windows", [Windows(5, 2), Windows(4, 3), Windows(7, 5, True)])
def test_blending_is_the_mean_weighted_by_ramps(windows):
    spans = windows.spans(17)
    said = [draw((3, end - start, 2, 2), start) for start, end in spans]
    pieces = blended((torch.from_numpy(each[None]) for each in said), spans)
    joined = torch.cat([piece for _, _, piece in pieces], 2)[0]
    np.testing.assert_allclose(joined.numpy(), plain.blend(spans, said), atol=1e-5)


def test_the_loss_is_each_clips_mean_over_what_is_known():
    predicted, data, noise = (draw((2, 3, 2, 2, 2), seed) for seed in range(3))
    share = np.random.default_rng(3).uniform(0, 1, (2, 1, 2, 2, 2))
    weight = np.array([0.4, 1.7])
    found = flow.loss(*map(torch.from_numpy, (predicted, data, noise, weight, share)))
    expected = plain.loss(predicted, data, noise, weight, share)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_a_steps_loss_is_that_of_its_clips_one_by_one():
    model, batch, numbers = tiny_dkt.model(), 2, [7, 12]
    picture, target = (torch.from_numpy(draw((batch, 16, 2, 4, 4), s)).float() for s in (0, 1))
    share = torch.from_numpy(np.random.default_rng(2).uniform(0, 1, (batch, 1, 2, 4, 4))).float()
    schedule = Schedule(torch.from_numpy(flow.training_sigmas()).float(), torch.rand(1000) + 0.5)
    with torch.no_grad():
        found = clip_losses(
            model.network, Encoded(picture, target, share), model.context, schedule, 5, numbers
        )
        said, noises, weights = [], [], []
        for clip, number in enumerate(numbers):
            noise, index = noise_of(5, number, (16, 2, 4, 4))
            level = 5 * (1 - index / 1000) / (1 + 4 * (1 - index / 1000))
            noisy = (1 - level) * target[clip] + level * noise
            inputs = torch.cat([noisy, picture[clip], torch.zeros(16, 2, 4, 4)])[None]
            time = torch.tensor([1000 * level])
            text, image = model.context.text, model.context.image
            said.append(model.network(inputs, time, text, image, return_dict=False)[0][0])
            noises.append(noise)
            weights.append(float(schedule.weights[index]))
    arrays = (torch.stack(said), target, torch.stack(noises))
    expected = plain.loss(*(a.double().numpy() for a in arrays), weights, share.numpy())
    assert float(found) == pytest.approx(expected, rel=1e-4)


@pytest.fixture
def video():
    """Truth with holes, a prediction of its disparity with noise, and which pixels count."""
    rng = np.random.default_rng(1)
    truth = rng.uniform(0.3, 3.0, (3, *SIZE))
    truth[:, :2], truth[1, 5, 5] = 0, np.nan
    mask = known(truth, Protocol(max_depth=2.5))
    noise = rng.normal(0, 0.2, truth.shape)
    prediction = np.where(mask, 0.4 / np.where(mask, truth, 1) - 0.2, 5) + noise
    return prediction, truth, mask


@pytest.mark.parametrize("domain", ["disparity", "depth"])
@pytest.mark.parametrize("align", ["video", "frame"])
def test_alignment_is_least_squares(video, domain, align):
    prediction, truth, mask = video
    found = aligned_depth(prediction, truth, mask, Protocol(align=align, domain=domain))
    filled = np.where(mask, truth, 0)
    expected = plain.aligned(prediction, filled, mask, domain, by_frame=align == "frame")
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_alignment_loses_nothing_to_short_floats(video, kind):
    """Sums of float16 end at 65504, and far from zero float32 differences drown."""
    prediction, truth, mask = video
    shifted = (prediction + 1000).astype(kind)
    found = metrics.fit(shifted[mask], (1 / truth[mask]).astype(kind))
    places = plain.counted(mask)
    target = np.where(mask, 1 / np.where(mask, truth, 1), 0).astype(kind).astype(float)
    expected = plain.scale_and_shift(shifted.astype(float), target, places)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_depth_metrics_are_their_definitions(video):
    prediction, truth, mask = video
    mask[2] = False  # a frame without a pixel that counts is none
    scores = depth_scores(prediction, truth, mask, Protocol())
    depth = plain.aligned(prediction, np.where(mask, truth, 0), mask)
    expected = plain.depth_figures(depth, truth, mask)
    found = [scores.rel, scores.rmse, scores.mae, *scores.delta]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert scores.frames == 2
    assert len({round(figure, 6) for figure in found}) == 6


def test_drift_is_its_definition(video):
    prediction, truth, mask = video
    depth = plain.aligned(prediction, np.where(mask, truth, 0), mask)
    assert scale_drift(depth, truth, mask) == pytest.approx(plain.drift(depth, truth, mask))
    breathing = np.where(mask, truth, 1) * np.array([0.9, 1.0, 1.1])[:, None, None]
    expected = 100 * np.std([0.9, 1.0, 1.1])
    assert scale_drift(breathing, truth, mask) == pytest.approx(expected)
    assert scale_drift(depth[:1], truth[:1], mask[:1]) is None


def test_the_temporal_error_is_its_definition():
    poses, k = orbit(4, arc=0.5), intrinsics(*SIZE[::-1])
    truth = np.stack([cast(pose, k, SIZE, BALLS)[0] for pose in poses])
    depth = truth * np.random.default_rng(2).uniform(0.9, 1.1, truth.shape) + 0.01
    found = temporal_alignment_error(depth, truth, k, poses)
    assert found == pytest.approx(plain.temporal_error(depth, truth, k, poses), rel=1e-9)
    everything = plain.temporal_error(depth, truth, k, poses, seen=np.inf)
    assert abs(everything - found) > 0.3  # the test of what is seen leaves something out


def test_normal_metrics_are_their_definitions():
    truth, prediction = draw((2, 6, 6, 3)), draw((2, 6, 6, 3), 1)
    prediction = truth + 0.3 * prediction
    mask = np.random.default_rng(4).random((2, 6, 6)) > 0.3
    scores = normal_scores(prediction, truth, mask)
    found = [scores.mean, scores.median, scores.rmse, *scores.under]
    np.testing.assert_allclose(found, plain.normal_figures(prediction, truth, mask), rtol=1e-6)
