"""Flow matching: from data to noise on a straight line, and back by Euler's steps.

Convention: x(s) = (1 - s) data + s noise, and the network predicts v = dx/ds = noise - data. The
DKT paper writes the same with the opposite sign and direction. Times are 1000 s, as Wan's
networks take them.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

TRAINING_TIMES = 1000
SHIFT = 5.0
Weighting = Literal["bell", "uniform", "logit_normal"]


def shifted(sigma: NDArray[np.float64], shift: float) -> NDArray[np.float64]:
    """Noise levels moved toward 1: shift s / (1 + (shift - 1) s), as Esser et al. 2024, eq. 23."""
    return np.asarray(shift * sigma / (1 + (shift - 1) * sigma))


def sampling_sigmas(steps: int, shift: float = SHIFT) -> NDArray[np.float64]:
    """(steps + 1,) noise levels from 1 to 0, evenly spaced before the shift."""
    return shifted(np.linspace(1, 0, steps + 1), shift)


def training_sigmas(shift: float = SHIFT) -> NDArray[np.float64]:
    """(1000,) noise levels that training draws from, falling."""
    return shifted(np.linspace(1, 0, TRAINING_TIMES + 1)[:-1], shift)


def loss_weights(weighting: Weighting, shift: float = SHIFT) -> NDArray[np.float64]:
    """(1000,) weights of the loss at `training_sigmas`, with mean 1.

    bell : exp(-2 ((t - 500) / 1000)^2) less its minimum, as DiffSynth-Studio's trainer
    uniform : 1 everywhere
    logit_normal : density of the standard logit-normal at s, as Esser et al. 2024, eq. 19
    """
    sigma = training_sigmas(shift)
    if weighting == "uniform":
        return np.ones(TRAINING_TIMES)
    if weighting == "bell":
        bell = np.exp(-2 * ((sigma * TRAINING_TIMES - 500) / 1000) ** 2)
        weights = bell - bell.min()
    else:
        inner = np.clip(sigma, 1e-3, 1 - 1e-3)
        logit = np.log(inner / (1 - inner))
        weights = np.exp(-(logit**2) / 2) / (inner * (1 - inner))
    return np.asarray(weights / weights.mean())


def mix(data: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """x(s) for sigma (B,) or a scalar, over tensors (B, ...)."""
    level = sigma.reshape(-1, *(1,) * (data.ndim - 1)).to(data.dtype)
    return (1 - level) * data + level * noise


def euler_step(x: torch.Tensor, v: torch.Tensor, sigma: float, following: float) -> torch.Tensor:
    """x at the next noise level, by one step along v; computed in float32."""
    return (x.float() + (following - sigma) * v.float()).to(x.dtype)


def loss(
    predicted: torch.Tensor,
    data: torch.Tensor,
    noise: torch.Tensor,
    weight: torch.Tensor,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Weighted mean squared error of v, a scalar in float32.

    weight : (B,); mask : share of each latent that counts, broadcast over channels, or None; each
        clip counts the same, whatever its share
    """
    error = (predicted.float() - (noise - data).float()) ** 2
    if mask is not None:
        share = mask.flatten(1).mean(1).clamp_min(1e-6)
        error = error * mask / share.reshape(-1, *(1,) * (mask.ndim - 1))
    return (error.flatten(1).mean(1) * weight).mean()
