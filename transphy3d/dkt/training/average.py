"""A moving average of the weights that training moves."""

from __future__ import annotations

from collections.abc import Sequence

import torch


class MovingAverage:
    """a <- decay a + (1 - decay) p after each step, in float32.

    decay is held below (1 + n) / (10 + n) after n steps, so that early weights are soon forgotten.
    """

    def __init__(self, parameters: Sequence[torch.Tensor], decay: float) -> None:
        self.decay = decay
        self.values = [p.detach().float().clone() for p in parameters]

    @torch.no_grad()
    def update(self, parameters: Sequence[torch.Tensor], step: int) -> None:
        """Take in the weights after step number `step`, from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for value, parameter in zip(self.values, parameters, strict=True):
            value.lerp_(parameter.detach().float(), 1 - decay)
