"""One prediction of one recording against its truth: the figures, and where they come from."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.config import Task
from transphy3d.dkt.evaluation.groups import Group, groups_of
from transphy3d.dkt.evaluation.metrics import (
    DELTAS,
    DepthScores,
    Domain,
    Mask,
    Protocol,
    aligned_depth,
    check_finite,
    in_domain,
    known,
    scale_drift,
    scores_of,
)
from transphy3d.dkt.evaluation.normal_metrics import SHARES, NormalScores, angle_maps, angle_scores
from transphy3d.dkt.evaluation.predictors import Predictor
from transphy3d.dkt.evaluation.temporal import temporal_alignment_error
from transphy3d.errors import ShardError
from transphy3d.jsonio import record
from transphy3d.shards.recording import Recording

Figures = dict[str, float]
# Metres; each a quarter further than the one before, from 0.1 m on.
DISTANCE_EDGES = 0.1 * 1.25 ** np.arange(31)


@record
class GroupPart:
    """Figures over the pixels of one group; pixels : how many that counted, over all frames."""

    kind: str
    name: str
    pixels: int
    figures: Figures


@record
class Part:
    """What one predictor scored on one recording.

    figures : as the table's columns are called
    over_time : by frame, mean relative error or degrees; None where no pixel counts
    over_distance : by bin of DISTANCE_EDGES, the sum of errors and the number of pixels
    pictures : file names by frame
    """

    predictor: str
    recording: str
    frames: int
    figures: Figures
    groups: tuple[GroupPart, ...]
    over_time: tuple[float | None, ...]
    over_distance: tuple[tuple[float, int], ...]
    pictures: dict[int, str]


@dataclass(frozen=True, eq=False)
class Truth:
    """What a recording's predictions are held against, read once for all of them."""

    recording: Recording
    protocol: Protocol
    task: Task

    @cached_property
    def depth(self) -> NDArray[np.float32]:
        """(T, H, W) metres, 0 = unknown."""
        return np.asarray(self.recording["depth"][:], np.float32)

    @cached_property
    def normal(self) -> NDArray[np.float32]:
        """(T, H, W, 3), 0 = unknown."""
        return np.asarray(self.recording["normal"][:], np.float32)

    @cached_property
    def mask(self) -> Mask:
        """(T, H, W) pixels that count."""
        inside = self.instance > 0 if self.protocol.region == "objects" else None
        mask = known(self.depth, self.protocol, inside)
        return mask & (self.normal != 0).any(-1) if self.task == "normal" else mask

    @cached_property
    def instance(self) -> NDArray[Any]:
        """(T, H, W) instances, 0 = surroundings."""
        return self.recording["instance"][:]

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """How its pixels are told apart."""
        return groups_of(self.recording)


@dataclass(frozen=True, eq=False)
class Outcome:
    """A prediction beside the truth.

    shown : what was compared: aligned depth (T, H, W) in metres, or normals (T, H, W, 3)
    error : (T, H, W) float32, relative error or degrees; NaN where nothing counts
    """

    truth: Truth
    shown: NDArray[Any]
    error: NDArray[np.float32]

    @property
    def over_time(self) -> tuple[float | None, ...]:
        """Mean error of each frame."""
        pairs = zip(self.error, self.truth.mask, strict=True)
        return tuple(
            float(error[mask].mean(dtype=float)) if mask.any() else None for error, mask in pairs
        )

    @property
    def over_distance(self) -> tuple[tuple[float, int], ...]:
        """Sum of errors and count of pixels in each bin of true depth."""
        bins = len(DISTANCE_EDGES) - 1
        sums, counts = np.zeros(bins), np.zeros(bins, np.int64)
        for error, depth, mask in zip(self.error, self.truth.depth, self.truth.mask, strict=True):
            sums += np.histogram(depth[mask], DISTANCE_EDGES, weights=error[mask])[0]
            counts += np.histogram(depth[mask], DISTANCE_EDGES)[0]
        return tuple(zip(sums.tolist(), counts.tolist(), strict=True))

    def figures(self, mask: Mask) -> Figures:
        """Scores over the pixels of a mask."""
        if self.truth.task == "normal":
            return normal_figures(angle_scores(self.error, mask))
        return depth_figures(scores_of(self.shown, self.truth.depth, mask))

    @property
    def groups(self) -> tuple[GroupPart, ...]:
        """Scores of each group that has a pixel that counts."""
        found = []
        for group in self.truth.groups:
            mask = self.truth.mask & group.holds(self.truth.instance)
            if pixels := int(mask.sum()):
                figures = self.figures(mask)
                found.append(
                    GroupPart(kind=group.kind, name=group.name, pixels=pixels, figures=figures)
                )
        return tuple(found)


def depth_figures(scores: DepthScores) -> Figures:
    """By the names of the table's columns."""
    shares = {f"delta_{limit:.2f}": s for limit, s in zip(DELTAS, scores.delta, strict=True)}
    return {"rel": scores.rel, "rmse": scores.rmse, "mae": scores.mae, **shares}


def normal_figures(scores: NormalScores) -> Figures:
    """By the names of the table's columns."""
    shares = {f"under_{limit:g}": s for limit, s in zip(SHARES, scores.under, strict=True)}
    return {"mean": scores.mean, "median": scores.median, "rmse": scores.rmse, **shares}


def compare(truth: Truth, predictor: Predictor) -> Outcome:
    """What a predictor sees in a recording, beside the truth.

    Raises ShardError, naming both, for a prediction that cannot be compared.
    """
    prediction = predictor.see(truth.recording)
    try:
        check_finite(prediction, truth.mask)
    except ValueError as error:
        place = f"{truth.recording.name}, {predictor.name}"
        raise ShardError(f"{place}: {error}; predict every pixel") from None
    if truth.task == "normal":
        return Outcome(truth, prediction, angle_maps(prediction, truth.normal, truth.mask))
    kind: Domain = "depth" if predictor.kind == "depth" else "disparity"
    fitted = in_domain(prediction, kind, truth.protocol)
    depth = aligned_depth(fitted, truth.depth, truth.mask, truth.protocol)
    return Outcome(truth, depth, relative_error(depth, truth.depth, truth.mask))


def relative_error(depth: NDArray[Any], truth: NDArray[Any], mask: Mask) -> NDArray[np.float32]:
    """(T, H, W) |p - g| / g, NaN outside the mask."""
    error = np.full(truth.shape, np.nan, np.float32)
    for t in range(len(truth)):
        g = truth[t][mask[t]].astype(np.float64)
        error[t][mask[t]] = np.abs(depth[t][mask[t]] - g) / g
    return error


def part_of(outcome: Outcome, predictor: Predictor, pictures: dict[int, str]) -> Part:
    """Every figure of an outcome."""
    truth = outcome.truth
    figures = outcome.figures(truth.mask)
    if truth.task == "depth":
        figures |= _over_frames(outcome)
    return Part(
        predictor=predictor.name,
        recording=truth.recording.name,
        frames=len(truth.depth),
        figures=figures,
        groups=outcome.groups,
        over_time=outcome.over_time,
        over_distance=outcome.over_distance,
        pictures=pictures,
    )


def _over_frames(outcome: Outcome) -> Figures:
    """What videos alone have: temporal error, and the drift of their scale."""
    truth, found = outcome.truth, {}
    poses = truth.recording.world_to_camera
    drift = scale_drift(outcome.shown, truth.depth, truth.mask)
    if drift is not None:
        found["drift"] = drift
    if len(truth.depth) > 1 and poses is not None:
        intrinsics = truth.recording.intrinsics
        with suppress(ValueError):  # no point is seen in two neighbouring frames
            depth = np.where(truth.mask, truth.depth, 0)
            found["tae"] = temporal_alignment_error(outcome.shown, depth, intrinsics, poses)
    return found
