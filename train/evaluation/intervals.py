"""Estimates with 95 % intervals: of shares (Wilson), of means and other statistics (bootstrap), of differences (paired).

Replies of one thread are like each other, so a bootstrap of them draws whole threads (Davison and Hinkley 1997, section 3.8): `threads`
numbers the thread of each observation; without it, each observation is one of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Interval = tuple[float, float]
Threads = NDArray[np.int64]
"""The number of the thread of each observation, shape (observations,)."""

CONFIDENCE = 0.95
Z = 1.959963984540054
"""The standard normal distribution's quantile at (1 + `CONFIDENCE`) / 2."""

DRAWS = 1_000
"""Resamples of a bootstrap: the ends of an interval then move by a few per cent of its width from seed to seed."""

FEWEST = 10
"""Threads of observations below which a bootstrap promises more than it holds: it gives no interval."""


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


def share_difference(one: Sequence[bool], other: Sequence[bool]) -> Estimate:
    """The share of prompts at which `one` holds less that at which `other` does, both told of the same prompts.

    The interval is Newcombe's for paired shares (1998, Statistics in Medicine 17:2635, method 10), which holds for shares of 0 and 1 too.
    """
    of = len(one)
    first, second = share(sum(one), of), share(sum(other), of)
    if of != len(other) or first.value is None or second.value is None or first.interval is None or second.interval is None:
        return NOTHING
    both, only_one = sum(a and b for a, b in zip(one, other, strict=True)), sum(a and not b for a, b in zip(one, other, strict=True))
    only_other = sum(other) - both
    neither = of - both - only_one - only_other
    margins = (both + only_one) * (only_other + neither) * (both + only_other) * (only_one + neither)
    excess = both * neither - only_one * only_other
    phi = (max(excess - of / 2, 0) if excess > 0 else excess) / margins**0.5 if margins else 0.0
    below, above = first.value - first.interval[0], first.interval[1] - first.value
    less_below, less_above = second.value - second.interval[0], second.interval[1] - second.value
    found = first.value - second.value
    down = (below**2 - 2 * phi * below * less_above + less_above**2) ** 0.5
    up = (above**2 - 2 * phi * above * less_below + less_below**2) ** 0.5
    return Estimate(found, (found - down, found + up))


def enough(size: int, threads: Threads | None = None) -> bool:
    """Whether so many observations, of these threads, allow an interval."""
    return (size if threads is None else len(np.unique(threads))) >= FEWEST


def resamples(size: int, seed: int, draws: int = DRAWS, threads: Threads | None = None) -> NDArray[np.int64]:
    """Indices of bootstrap resamples, shape (draws, size); the same for the same size, threads and seed, so that differences are paired.

    Threads are drawn with replacement, each with all of its observations, until there are `size`; the last is cut there, as blocks of a
    series are (Künsch 1989).
    """
    if threads is None:
        return np.random.default_rng(seed).integers(0, size, (draws, size))
    return _of_threads(size, seed, draws, threads.tobytes())


@lru_cache(maxsize=4)
def _of_threads(size: int, seed: int, draws: int, threads: bytes) -> NDArray[np.int64]:
    """The resamples of threads; kept, as every figure of an evaluation needs the same."""
    _, first, numbers, counts = np.unique(np.frombuffer(threads, np.int64), return_index=True, return_inverse=True, return_counts=True)
    # In the order in which they first stand: where each observation is a thread of its own, the resamples are those without threads.
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    members, sizes = np.argsort(rank[numbers], kind="stable"), counts[order]
    begins = np.cumsum(sizes) - sizes
    found = np.empty((draws, size), np.int64)
    for row, chosen in zip(found, np.random.default_rng(seed).integers(0, len(sizes), (draws, size)), strict=True):
        ends = np.cumsum(sizes[chosen])
        chosen = chosen[: int(np.searchsorted(ends, size)) + 1]
        offsets = begins[chosen] - (ends[: len(chosen)] - sizes[chosen])
        row[:] = members[(np.repeat(offsets, sizes[chosen]) + np.arange(ends[len(chosen) - 1]))[:size]]
    return found


def weights(size: int, seed: int, draws: int = DRAWS, threads: Threads | None = None) -> Floats:
    """How often each observation stands in each of the same resamples, shape (draws, size)."""
    drawn = resamples(size, seed, draws, threads) + size * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * size).reshape(draws, size).astype(np.float64)


def percentiles(statistics: Floats) -> Interval | None:
    """The interval of a bootstrap's statistics (Efron's percentile method); None where one of them is no number."""
    if not len(statistics) or not np.isfinite(statistics).all():
        return None
    low, high = np.quantile(statistics, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def bootstrap(values: Floats, statistic: Callable[[Floats], Floats], seed: int, threads: Threads | None = None) -> Estimate:
    """A statistic of observations, shape (observations, …), with its interval.

    Args:
        statistic: maps (…, observations) and what follows, with any axes in front, to (…): it is called once for all resamples.
    """
    if not len(values):
        return NOTHING
    found = float(statistic(values[None])[0])
    if not np.isfinite(found):
        return NOTHING
    if not enough(len(values), threads):
        return Estimate(found)
    return Estimate(found, percentiles(np.asarray(statistic(values[resamples(len(values), seed, threads=threads)]), np.float64)))


def mean(values: Floats, seed: int, threads: Threads | None = None) -> Estimate:
    """The mean of observations."""
    return bootstrap(np.asarray(values, np.float64), lambda drawn: drawn.mean(axis=1), seed, threads)


def mean_difference(minuend: Floats, subtrahend: Floats, seed: int, threads: Threads | None = None) -> Estimate:
    """The mean of the differences of paired observations; nothing where they do not pair."""
    if len(minuend) != len(subtrahend):
        return NOTHING
    return mean(np.asarray(minuend, np.float64) - np.asarray(subtrahend, np.float64), seed, threads)


def ratio(
    numerators: Floats,
    denominators: Floats,
    seed: int,
    of: Callable[[Floats], Floats] = lambda quotient: quotient,
    threads: Threads | None = None,
) -> Estimate:
    """A function of the quotient of two sums, where each observation has a part in both."""
    pairs = np.stack([numerators, denominators], axis=1).astype(np.float64)

    def quotient(drawn: Floats) -> Floats:
        sums = drawn.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return of(sums[:, 0] / sums[:, 1])

    return bootstrap(pairs, quotient, seed, threads)
