"""How fast training is: steps, clips and memory since the last look."""

from __future__ import annotations

import time

import torch


class Pace:
    """Counts from its making, or from the last look, on."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget what was counted, as after a validation, which is no part of the steps."""
        self._began = time.perf_counter()
        self._steps = self._clips = 0

    def step(self, clips: int) -> None:
        """One more step, of so many clips over all ranks."""
        self._steps += 1
        self._clips += clips

    def figures(self) -> dict[str, float]:
        """seconds_per_step, clips_per_second, and peak_gpu_gb of this rank where it has a GPU."""
        seconds = time.perf_counter() - self._began
        found = {
            "seconds_per_step": seconds / max(self._steps, 1),
            "clips_per_second": self._clips / seconds,
        }
        if torch.cuda.is_available():
            found["peak_gpu_gb"] = torch.cuda.max_memory_allocated() / 1e9
        self.restart()
        return found
