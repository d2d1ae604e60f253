"""Named makers that a job can choose by weight and that a plugin file can add to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

import numpy as np

from transphy3d.errors import JobError

T = TypeVar("T")


class Registry(Generic[T]):
    """What the kinds named under one key of a job stand for.

    key : the job's key, as in "supports.kinds"; errors name it
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self._makers: dict[str, T] = {}

    def register(self, name: str, maker: T) -> None:
        """Add `maker` under `name`; a later one of the same name takes its place."""
        self._makers[name] = maker

    def get(self, name: str) -> T:
        """The maker called `name`. Raises JobError that lists the known ones."""
        if name not in self._makers:
            raise JobError(
                f"{self.key}: {name!r} is not known; known are {', '.join(sorted(self._makers))}, "
                "others need the plugin file that registers them in `plugins`"
            )
        return self._makers[name]

    def names(self) -> list[str]:
        """All registered names, sorted."""
        return sorted(self._makers)

    def draw(self, weights: Mapping[str, float], rng: np.random.Generator) -> str:
        """A name drawn by weight; unknown names and all-zero weights raise JobError."""
        for name in weights:
            self.get(name)
        return weighted(weights, rng, self.key)


def weighted(weights: Mapping[str, float], rng: np.random.Generator, key: str) -> str:
    """A key of `weights` with a probability in proportion to its weight.

    The order of the mapping does not matter. Raises JobError, naming the job's `key`, if no
    weight is above zero.
    """
    names = sorted(weights)
    values = np.array([weights[name] for name in names], dtype=np.float64)
    if not values.sum() > 0:
        raise JobError(f"{key}: no weight in {dict(weights)} is above zero; raise one")
    return names[int(np.searchsorted(np.cumsum(values) / values.sum(), rng.random(), "right"))]
