"""One training step: noise and noise level of each clip, v, and its loss.

Both are drawn from streams of their own for each clip of the run, so that they do not depend on
how many ranks share the work, on the device, or on where a run was stopped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import WanTransformer3DModel

from transphy3d.dkt.config import LossConfig
from transphy3d.dkt.model.flow import TRAINING_TIMES, loss, loss_weights, mix, training_sigmas
from transphy3d.dkt.model.wan import Context, predict
from transphy3d.shards.draws import generator

NOISE_STREAM = 10


@dataclass(frozen=True)
class Encoded:
    """A batch of latents: picture, target (B, 16, T, h, w) and known (B, 1, T, h, w)."""

    picture: torch.Tensor
    target: torch.Tensor
    known: torch.Tensor


@dataclass(frozen=True)
class Schedule:
    """Noise levels that training draws from, and the loss's weight at each."""

    sigmas: torch.Tensor
    weights: torch.Tensor

    @staticmethod
    def of(config: LossConfig) -> Schedule:
        weights = loss_weights(config.weighting, config.shift)
        return Schedule(
            torch.from_numpy(training_sigmas(config.shift)).float(),
            torch.from_numpy(weights).float(),
        )


def noise_of(seed: int, number: int, shape: tuple[int, ...]) -> tuple[torch.Tensor, int]:
    """Standard normal noise for clip `number` of a run, and the index of its noise level."""
    rng = generator(seed, NOISE_STREAM, number)
    index = int(rng.integers(TRAINING_TIMES))
    return torch.from_numpy(rng.standard_normal(shape, np.float32)), index


def clip_losses(
    network: WanTransformer3DModel,
    batch: Encoded,
    context: Context,
    schedule: Schedule,
    seed: int,
    numbers: list[int],
) -> torch.Tensor:
    """The mean loss of a batch; `numbers` are the clips' numbers in the run."""
    drawn = [noise_of(seed, number, tuple(batch.target.shape[1:])) for number in numbers]
    noise = torch.stack([each for each, _ in drawn]).to(batch.target)
    levels = torch.tensor([index for _, index in drawn])
    sigma = schedule.sigmas[levels].to(noise)
    weight = schedule.weights[levels].to(noise.device)
    v = predict(network, mix(batch.target, noise, sigma), batch.picture, sigma, context)
    return loss(v, batch.target, noise, weight, batch.known)
