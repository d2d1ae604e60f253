"""What a few measured times say about the mean of many."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

CONFIDENCE = 0.95
MIN_VALUES = 2
METHOD = (
    "95 % interval of the mean of log-normally distributed values, by Cox's method with Student's "
    "t (Olsson, J. Statistics Education 13(1), 2005)"
)

Interval = tuple[float, float]


def mean_interval(values: Sequence[float] | NDArray[np.float64]) -> Interval | None:
    """Where the mean lies of what these positive values are a sample of; None for one value.

    Cox's interval for the mean of a log-normal distribution, with Student's t in place of the
    normal quantile: exp(m + s^2/2 -+ t sqrt(s^2/n + s^4/(2(n-1)))), m and s^2 being mean and
    variance of the logarithms (U. Olsson, Confidence Intervals for the Mean of a Log-Normal
    Distribution, J. Statistics Education 13(1), 2005). Times of sequences are positive and skewed,
    so a symmetric interval would promise impossible values where the sample is small.
    """
    count = len(values)
    if count < MIN_VALUES:
        return None
    logs = np.log(np.asarray(values, dtype=np.float64))
    mean, variance = float(logs.mean()), float(logs.var(ddof=1))
    error = math.sqrt(variance / count + variance**2 / (2 * (count - 1)))
    reach = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * error
    centre = mean + variance / 2
    return math.exp(centre - reach), _exp(centre + reach)


def _exp(value: float) -> float:
    """exp that says infinity where two wildly different values leave everything open."""
    return math.exp(value) if value < math.log(float(np.finfo(np.float64).max)) else math.inf
