"""A long video in overlapping windows of one length, blended where they overlap.

All counts are latents: one for the first frame, one for every four frames after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

FRAMES_PER_LATENT = 4


def latents_of(frames: int) -> int:
    """Latents of a video of `frames`, the last one filled up."""
    return 1 + -(-(frames - 1) // FRAMES_PER_LATENT)


def padded_frames(frames: int) -> int:
    """The next length of the form 4 N + 1."""
    return 1 + FRAMES_PER_LATENT * (latents_of(frames) - 1)


@dataclass(frozen=True)
class Windows:
    """Windows of `length` latents that share at least `overlap` with their neighbours.

    shrink_last : let the last window be shorter than the others, as the released DKT does,
        instead of moving it to the left
    """

    length: int = 21
    overlap: int = 3
    shrink_last: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.length:
            raise ValueError(
                f"overlap: {self.overlap} latents; choose 0 to {self.length - 1}, less than a "
                "window's length"
            )

    def spans(self, total: int) -> list[tuple[int, int]]:
        """(start, end) of each window over `total` latents."""
        if total <= self.length:
            return [(0, total)]
        stride = self.length - self.overlap
        starts = list(range(0, total - self.overlap, stride))
        if self.shrink_last:
            return [(start, min(start + self.length, total)) for start in starts]
        return [
            (min(start, total - self.length), min(start + self.length, total)) for start in starts
        ]


def ramps(spans: Sequence[tuple[int, int]], number: int) -> torch.Tensor:
    """(length,) weights of a window: linear over what it shares with each neighbour, else 1."""
    start, end = spans[number]
    weight = torch.ones(end - start)
    if number > 0 and (shared := spans[number - 1][1] - start) > 0:
        weight[:shared] = torch.minimum(weight[:shared], _rise(shared))
    if number + 1 < len(spans) and (shared := end - spans[number + 1][0]) > 0:
        weight[-shared:] = torch.minimum(weight[-shared:], _rise(shared).flip(0))
    return weight


def _rise(count: int) -> torch.Tensor:
    return (torch.arange(count) + 0.5) / count


def blended(
    found: Iterable[torch.Tensor], spans: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int, torch.Tensor]]:
    """What was found for each span, (B, C, end - start, h, w), piece by piece in order.

    Yields (start, end, mean) float32 for latents that no later window touches; where windows
    overlap, the mean weighted by their ramps. Only one window and its overlap are held.
    """
    total, weight = torch.empty(0), torch.empty(0)
    for number, ((start, end), window) in enumerate(zip(spans, found, strict=True)):
        ramp = ramps(spans, number).to(window.device)
        weighted = window.float() * ramp[:, None, None]
        shared = len(weight)
        if shared:
            weighted[:, :, :shared] += total
            ramp[:shared] += weight
        final = (spans[number + 1][0] if number + 1 < len(spans) else end) - start
        yield start, start + final, weighted[:, :, :final] / ramp[:final, None, None]
        total, weight = weighted[:, :, final:], ramp[final:]
