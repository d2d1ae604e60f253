"""Angular errors of surface normals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transphy3d.groundtruth.consistency import angles

SHARES = (5.0, 7.5, 11.25, 22.5, 30.0)  # degrees


@dataclass(frozen=True)
class NormalScores:
    """Degrees over all pixels of a video that count; `under` : shares within each of SHARES."""

    mean: float
    median: float
    rmse: float
    under: tuple[float, ...]


def mean_normals(scores: Sequence[NormalScores]) -> NormalScores:
    """The mean over videos, each counting once."""
    columns = np.array([[s.mean, s.median, s.rmse, *s.under] for s in scores])
    mean, median, rmse, *under = columns.mean(0).tolist()
    return NormalScores(mean, median, rmse, tuple(under))


def normal_scores(
    prediction: NDArray[Any], truth: NDArray[Any], mask: NDArray[np.bool_]
) -> NormalScores:
    """Scores of one video, (T, H, W, 3) normals of any length, where the mask (T, H, W) holds.

    Raises ValueError if no pixel counts.
    """
    found = angles(_unit(prediction[mask]), _unit(truth[mask]))
    if not found.size:
        raise ValueError("truth: no pixel has a normal")
    return NormalScores(
        mean=float(found.mean()),
        median=float(np.median(found)),
        rmse=float(np.sqrt((found**2).mean())),
        under=tuple(float((found < limit).mean()) for limit in SHARES),
    )


def _unit(vectors: NDArray[Any]) -> NDArray[np.float64]:
    length = np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros(vectors.shape), where=length > 0)
