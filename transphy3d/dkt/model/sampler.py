"""From noise and a picture's latents to the latents of its depth or normals."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import torch

from transphy3d.dkt.model.flow import SHIFT, euler_step, sampling_sigmas
from transphy3d.dkt.model.windows import Windows, blended

WINDOWS = Windows()
Span = tuple[int, int]
# (noisy, picture, sigma (B,)) to v, all of B windows of one length
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
    batch: int = 1,
    rounded_times: bool = False,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Turn noise `x` (1, 16, T, h, w) into a sample, in place, by `steps` Euler steps.

    picture : (1, 16, T, h, w). Both may lie in files mapped to memory: `batch` windows are read
        at a time
    batch : windows of one length that are looked at together
    rounded_times : round the times that the network is told to bfloat16, as the released DKT
    told : called with steps done and in all after each
    At every step v is predicted window by window and blended before the step is taken, so that
    windows agree where they overlap.
    """
    sigmas = sampling_sigmas(steps, shift).tolist()
    spans = windows.spans(x.shape[2])
    for step, (sigma, following) in enumerate(itertools.pairwise(sigmas)):
        level = told_level(sigma, rounded=rounded_times)
        for start, end, v in blended(_looks(predict, picture, x, level, spans, batch), spans):
            x[:, :, start:end] = euler_step(x[:, :, start:end], v.to(x.device), sigma, following)
        told(step + 1, steps)


def told_level(sigma: float, *, rounded: bool) -> torch.Tensor:
    """(1,) noise level as the network is told it."""
    time = torch.tensor([1000 * sigma])
    return (time.bfloat16().float() if rounded else time) / 1000


def _looks(
    predict: Predict,
    picture: torch.Tensor,
    x: torch.Tensor,
    level: torch.Tensor,
    spans: Sequence[Span],
    batch: int,
) -> Iterator[torch.Tensor]:
    """v of every span. Those ahead are read before `x` moves where they overlap those behind."""
    for together in batches(spans, batch):
        noisy, seen = (
            torch.cat([latents[:, :, start:end] for start, end in together])
            for latents in (x, picture)
        )
        yield from torch.split(predict(noisy, seen, level.expand(len(together))), 1)


def batches(spans: Sequence[Span], size: int) -> Iterator[tuple[Span, ...]]:
    """Neighbouring spans of one length, at most `size` at a time."""
    for _, group in itertools.groupby(spans, lambda span: span[1] - span[0]):
        equal = tuple(group)
        yield from (equal[first : first + size] for first in range(0, len(equal), size))
