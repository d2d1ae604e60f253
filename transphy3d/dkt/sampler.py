"""From noise and a picture's latents to the latents of its depth or normals."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch

from transphy3d.dkt.flow import SHIFT, euler_step, sampling_sigmas
from transphy3d.dkt.windows import Windows, blended

WINDOWS = Windows()
# (noisy, picture, sigma (1,)) to v, all of one window
Predict = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@torch.no_grad()
def sample(
    predict: Predict,
    picture: torch.Tensor,
    x: torch.Tensor,
    *,
    steps: int = 5,
    shift: float = SHIFT,
    windows: Windows = WINDOWS,
    rounded_times: bool = False,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Turn noise `x` (1, 16, T, h, w) into a sample, in place, by `steps` Euler steps.

    picture : (1, 16, T, h, w). Both may lie in files mapped to memory: one window is read at a time
    rounded_times : round the times that the network is told to bfloat16, as the released DKT
    told : called with steps done and in all after each
    At every step v is predicted window by window and blended before the step is taken, so that
    windows agree where they overlap.
    """
    sigmas = sampling_sigmas(steps, shift).tolist()
    spans = windows.spans(x.shape[2])
    for step, (sigma, following) in enumerate(itertools.pairwise(sigmas)):
        level = told_level(sigma, rounded=rounded_times)
        window = _window(predict, picture, x, level)
        for start, end, v in blended(window, spans):
            x[:, :, start:end] = euler_step(x[:, :, start:end], v.to(x.device), sigma, following)
        told(step + 1, steps)


def told_level(sigma: float, *, rounded: bool) -> torch.Tensor:
    """(1,) noise level as the network is told it."""
    time = torch.tensor([1000 * sigma])
    return (time.bfloat16().float() if rounded else time) / 1000


def _window(
    predict: Predict, picture: torch.Tensor, x: torch.Tensor, level: torch.Tensor
) -> Callable[[int, int], torch.Tensor]:
    return lambda start, end: predict(x[:, :, start:end], picture[:, :, start:end], level)
