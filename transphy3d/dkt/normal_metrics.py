"""Angular errors of surface normals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHARES = (5.0, 7.5, 11.25, 22.5, 30.0)  # degrees


@dataclass(frozen=True)
class NormalScores:
    """Degrees over all pixels of a video that count; `under` : shares within each of SHARES."""

    mean: float
    median: float
    rmse: float
    under: tuple[float, ...]


def angles(
    prediction: NDArray[Any], truth: NDArray[Any], mask: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(N,) degrees between (T, H, W, 3) normals of any length where the mask holds.

    By atan2 of cross and dot product, exact also near 0 and 180 degrees.
    """
    p, g = prediction[mask].astype(np.float64), truth[mask].astype(np.float64)
    cross = np.linalg.norm(np.cross(p, g), axis=-1)
    return np.asarray(np.degrees(np.arctan2(cross, (p * g).sum(-1))))


def mean_normals(scores: Sequence[NormalScores]) -> NormalScores:
    """The mean over videos, each counting once."""
    columns = np.array([[s.mean, s.median, s.rmse, *s.under] for s in scores])
    mean, median, rmse, *under = columns.mean(0).tolist()
    return NormalScores(mean, median, rmse, tuple(under))


def normal_scores(
    prediction: NDArray[Any], truth: NDArray[Any], mask: NDArray[np.bool_]
) -> NormalScores:
    """Scores of one video. Raises ValueError if no pixel counts."""
    found = angles(prediction, truth, mask)
    if not found.size:
        raise ValueError("truth: no pixel has a normal")
    return NormalScores(
        mean=float(found.mean()),
        median=float(np.median(found)),
        rmse=float(np.sqrt((found**2).mean())),
        under=tuple(float((found < limit).mean()) for limit in SHARES),
    )
