"""Angular errors of surface normals."""

from __future__ import annotations

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


def normal_scores(
    prediction: NDArray[Any], truth: NDArray[Any], mask: NDArray[np.bool_]
) -> NormalScores:
    """Scores of one video, (T, H, W, 3) normals of any length, where the mask (T, H, W) holds.

    Raises ValueError if no pixel counts.
    """
    return angle_scores(angle_maps(prediction, truth, mask), mask)


def angle_maps(
    prediction: NDArray[Any], truth: NDArray[Any], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """(T, H, W) degrees between normals (T, H, W, 3) of any length, NaN outside the mask.

    Frame by frame, as float64 of a whole video takes gigabytes; the angles keep 1e-5 degrees.
    """
    found = np.full(mask.shape, np.nan, np.float32)
    for t in range(len(mask)):
        found[t][mask[t]] = angles(_unit(prediction[t][mask[t]]), _unit(truth[t][mask[t]]))
    return found


def angle_scores(maps: NDArray[np.float32], mask: NDArray[np.bool_]) -> NormalScores:
    """Scores of the angles (T, H, W) in a mask. Raises ValueError if no pixel counts."""
    found = maps[mask]
    if not found.size:
        raise ValueError("truth: no pixel has a normal")
    return NormalScores(
        mean=float(found.mean(dtype=np.float64)),
        median=float(np.median(found)),
        rmse=float(np.sqrt(np.mean(found**2, dtype=np.float64))),
        under=tuple(float((found < limit).mean()) for limit in SHARES),
    )


def common_direction(normals: NDArray[Any]) -> NDArray[np.float64]:
    """The unit vector that most of (..., 3) normals are near, along the median of each component.

    Zeros, which are no normals, do not count; of nothing else it is toward the camera.
    """
    known = normals[(normals != 0).any(-1)]
    middle = np.median(known, axis=0) if len(known) else np.zeros(3)
    return _unit(middle) if middle.any() else np.array([0.0, 0.0, -1.0])


def _unit(vectors: NDArray[Any]) -> NDArray[np.float64]:
    length = np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros(vectors.shape), where=length > 0)
