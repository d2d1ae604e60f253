"""Which clip is drawn when: a function of seed and number alone.

Workers, ranks and resumed runs agree on every draw without talking to each other, because draw
n of a training run is the same wherever and whenever it is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

# Shares are kept exactly over so many draws, and as nearly as can be within them.
MIX_PERIOD = 1000


@dataclass(frozen=True)
class Draw:
    """The `number`-th clip of a run, from 0; frames : its length, None for the data set's own."""

    number: int
    frames: int | None = None


def generator(seed: int, *path: int) -> np.random.Generator:
    """The random stream of one decision."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=path))


def place(number: int, count: int, seed: int) -> int:
    """Which of `count` items draw `number` takes: each once an epoch, in a new order each time."""
    epoch, position = divmod(number, count)
    return int(_order(seed, epoch, count)[position])


@cache
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    return generator(seed, 0, epoch).permutation(count)


@dataclass(frozen=True)
class Shares:
    """Members drawn in turn, each as often as its weight says, evenly spread.

    turns : (MIX_PERIOD,) member of each draw of a period
    before : (MIX_PERIOD, members) draws of each member before a draw of a period
    """

    turns: NDArray[np.int64]
    before: NDArray[np.int64]

    @staticmethod
    def of(weights: Sequence[float]) -> Shares:
        """Shares in proportion to non-negative weights, of which one is positive."""
        wanted = np.asarray(weights, np.float64) / np.sum(weights)
        credit, turns = np.zeros(len(wanted)), np.empty(MIX_PERIOD, np.int64)
        for turn in range(MIX_PERIOD):
            credit += wanted
            turns[turn] = np.argmax(credit)
            credit[turns[turn]] -= 1
        taken = np.eye(len(wanted), dtype=np.int64)[turns]
        return Shares(turns, np.cumsum(taken, axis=0) - taken)

    def member(self, number: int) -> tuple[int, int]:
        """The member that takes draw `number`, and how many draws it has taken before."""
        periods, turn = divmod(number, MIX_PERIOD)
        member = int(self.turns[turn])
        each = int((self.turns == member).sum())
        return member, periods * each + int(self.before[turn, member])


@dataclass(frozen=True)
class Batches:
    """Batches of draws for one rank: a `batch_sampler` of torch's DataLoader.

    sizes : clips in a batch and rank, by clip length in frames
    steps : steps of the run; start : the first one to make, to go on after a stop
    rank, ranks : all ranks draw the same length in a step, so that none waits for another, and
        different clips
    """

    sizes: Mapping[int, int]
    steps: int
    seed: int = 0
    start: int = 0
    rank: int = 0
    ranks: int = 1

    def __len__(self) -> int:
        return self.steps - self.start

    def __iter__(self) -> Iterator[list[Draw]]:
        number = 0
        for step in range(self.steps):
            frames = self.frames(step)
            size = self.sizes[frames]
            if step >= self.start:
                first = number + self.rank * size
                yield [Draw(n, frames) for n in range(first, first + size)]
            number += size * self.ranks

    def frames(self, step: int) -> int:
        """Clip length of a step, uniform over the lengths that have a batch size."""
        lengths = sorted(self.sizes)
        return lengths[int(generator(self.seed, 1, step).integers(len(lengths)))]
