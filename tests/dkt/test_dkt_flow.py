"""Noise levels, weights and steps against plain formulas written out here."""

import numpy as np
import pytest
import torch

from transphy3d.dkt.model import flow


def test_five_steps_have_the_released_noise_levels():
    expected = [1, 0.952381, 0.882353, 0.769231, 0.555556, 0]
    np.testing.assert_allclose(flow.sampling_sigmas(5), expected, atol=1e-6)


def test_levels_equal_those_of_diffusers_scheduler():
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler(shift=5)
    scheduler.set_timesteps(sigmas=np.linspace(1, 0, 6)[:-1])
    np.testing.assert_allclose(flow.sampling_sigmas(5), scheduler.sigmas.numpy(), atol=1e-6)


def test_euler_steps_equal_those_of_diffusers_scheduler():
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler(shift=5)
    scheduler.set_timesteps(sigmas=np.linspace(1, 0, 6)[:-1])
    ours = theirs = torch.randn(1, 16, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    sigmas = flow.sampling_sigmas(5)
    for step, time in enumerate(scheduler.timesteps):
        ours = flow.euler_step(ours, torch.sin(3 * ours), sigmas[step], sigmas[step + 1])
        theirs = scheduler.step(torch.sin(3 * theirs), time, theirs, return_dict=False)[0]
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("weighting", ["bell", "uniform", "logit_normal"])
def test_weights_have_mean_one_and_none_is_negative(weighting):
    weights = flow.loss_weights(weighting)
    assert weights.shape == (1000,)
    assert weights.mean() == pytest.approx(1)
    assert weights.min() >= 0


def test_the_bell_is_the_formula_of_the_trainer():
    times = [1000 * 5 * s / (1 + 4 * s) for s in (np.arange(1000, 0, -1) / 1000)]
    bell = [np.exp(-2 * ((t - 500) / 1000) ** 2) for t in times]
    shifted = [b - min(bell) for b in bell]
    expected = [s * 1000 / sum(shifted) for s in shifted]
    np.testing.assert_allclose(flow.loss_weights("bell"), expected, atol=1e-9)


def test_stepping_back_along_the_true_velocity_gives_the_data():
    data, noise = torch.randn(2, 3, 16, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    x = noise
    for sigma, following in zip(flow.sampling_sigmas(5), flow.sampling_sigmas(5)[1:], strict=False):
        x = flow.euler_step(x, noise - data, sigma, following)
    torch.testing.assert_close(x, data, atol=1e-5, rtol=0)


def test_mixing_goes_from_data_to_noise():
    data, noise = torch.zeros(3, 16, 1, 2, 2), torch.ones(3, 16, 1, 2, 2)
    mixed = flow.mix(data, noise, torch.tensor([0.0, 0.25, 1.0]))
    assert mixed[:, 0, 0, 0, 0].tolist() == [0.0, 0.25, 1.0]


def test_the_loss_is_the_weighted_mean_square_over_what_is_known():
    rng = np.random.default_rng(0)
    predicted, data, noise = (rng.standard_normal((2, 16, 3, 2, 2)) for _ in range(3))
    weight, mask = np.array([0.5, 2.0]), (rng.random((2, 1, 3, 2, 2)) > 0.4).astype(float)
    full = np.broadcast_to(mask, predicted.shape)
    squares = (predicted - (noise - data)) ** 2
    per_clip = [squares[b][full[b] == 1].mean() for b in range(2)]
    expected = np.mean([w * value for w, value in zip(weight, per_clip, strict=False)])
    found = flow.loss(*map(torch.tensor, (predicted, data, noise, weight, mask)))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_what_is_unknown_does_not_move_the_loss():
    data, noise = torch.zeros(1, 16, 1, 2, 2), torch.ones(1, 16, 1, 2, 2)
    mask = torch.tensor([1.0, 1.0, 0.0, 0.0]).reshape(1, 1, 1, 2, 2)
    predicted = torch.ones(1, 16, 1, 2, 2)
    wild = predicted + 1000 * (1 - mask)
    assert flow.loss(wild, data, noise, torch.ones(1), mask) == 0
    assert flow.loss(wild, data, noise, torch.ones(1)) > 1000
