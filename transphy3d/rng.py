"""Named random generators: each choice has its own stream, so adding a draw moves no other.

A stream is fixed by (job seed, sequence index, attempt, name) alone, never by worker, order,
clock or process.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Streams:
    """The random streams of one attempt at one sequence."""

    seed: int
    index: int
    attempt: int = 0

    def __call__(self, name: str) -> np.random.Generator:
        """A fresh generator for `name`; the same name always starts the same stream."""
        words = np.frombuffer(hashlib.sha256(name.encode()).digest()[:16], "<u4")
        entropy = [self.seed, self.index, self.attempt, *map(int, words)]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
