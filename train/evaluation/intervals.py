"""Estimates with 95 % intervals: of shares (Wilson), of means and other statistics (bootstrap), of differences (paired bootstrap)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Interval = tuple[float, float]

CONFIDENCE = 0.95
Z = 1.959963984540054
"""The standard normal distribution's quantile at (1 + `CONFIDENCE`) / 2."""

DRAWS = 1_000
"""Resamples of a bootstrap: the ends of an interval then move by a few per cent of its width from seed to seed."""

FEWEST = 10
"""Observations below which a bootstrap promises more than it holds: it gives no interval."""


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; None where there was nothing, or too little, to estimate it from."""

    value: float | None
    interval: Interval | None = None


NOTHING = Estimate(None)


def share(count: int, of: int) -> Estimate:
    """A share and the interval of Wilson (1927), which holds for few observations and for shares of 0 and 1 too."""
    if not of:
        return NOTHING
    rate, spread = count / of, Z * Z / of
    middle = (rate + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * float(np.sqrt(rate * (1 - rate) / of + spread / (4 * of)))
    return Estimate(rate, (0.0 if count == 0 else middle - half, 1.0 if count == of else middle + half))


def share_difference(count: int, of: int, less: int, less_of: int) -> Estimate:
    """A share less another, with the interval of Newcombe (1998, method 10), which holds for shares of 0 and 1 too."""
    one, other = share(count, of), share(less, less_of)
    if one.value is None or other.value is None or one.interval is None or other.interval is None:
        return NOTHING
    found = one.value - other.value
    below = float(np.hypot(one.value - one.interval[0], other.interval[1] - other.value))
    above = float(np.hypot(one.interval[1] - one.value, other.value - other.interval[0]))
    return Estimate(found, (found - below, found + above))


def resamples(size: int, seed: int, draws: int = DRAWS) -> NDArray[np.int64]:
    """Indices of bootstrap resamples, shape (draws, size); the same for the same size and seed, so that differences are paired."""
    return np.random.default_rng(seed).integers(0, size, (draws, size))


def weights(size: int, seed: int, draws: int = DRAWS) -> Floats:
    """How often each observation stands in each of the same resamples, shape (draws, size)."""
    drawn = resamples(size, seed, draws) + size * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * size).reshape(draws, size).astype(np.float64)


def percentiles(statistics: Floats) -> Interval | None:
    """The interval of a bootstrap's statistics (Efron's percentile method); None where one of them is no number."""
    if not len(statistics) or not np.isfinite(statistics).all():
        return None
    low, high = np.quantile(statistics, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def bootstrap(values: Floats, statistic: Callable[[Floats], Floats], seed: int) -> Estimate:
    """A statistic of observations, shape (observations, …), with its interval.

    Args:
        statistic: maps (…, observations) and what follows, with any axes in front, to (…): it is called once for all resamples.
    """
    if not len(values):
        return NOTHING
    found = float(statistic(values[None])[0])
    if not np.isfinite(found):
        return NOTHING
    if len(values) < FEWEST:
        return Estimate(found)
    return Estimate(found, percentiles(np.asarray(statistic(values[resamples(len(values), seed)]), np.float64)))


def mean(values: Floats, seed: int) -> Estimate:
    """The mean of observations."""
    return bootstrap(np.asarray(values, np.float64), lambda drawn: drawn.mean(axis=1), seed)


def mean_difference(minuend: Floats, subtrahend: Floats, seed: int) -> Estimate:
    """The mean of the differences of paired observations; nothing where they do not pair."""
    if len(minuend) != len(subtrahend):
        return NOTHING
    return mean(np.asarray(minuend, np.float64) - np.asarray(subtrahend, np.float64), seed)


def ratio(numerators: Floats, denominators: Floats, seed: int, of: Callable[[Floats], Floats] = lambda quotient: quotient) -> Estimate:
    """A function of the quotient of two sums, where each observation has a part in both."""
    pairs = np.stack([numerators, denominators], axis=1).astype(np.float64)

    def quotient(drawn: Floats) -> Floats:
        sums = drawn.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return of(sums[:, 0] / sums[:, 1])

    return bootstrap(pairs, quotient, seed)
