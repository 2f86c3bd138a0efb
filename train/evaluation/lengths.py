"""How long answers are, beside the forum's own replies to the same prompts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from train.evaluation.intervals import NOTHING, Estimate, Floats, Threads, bootstrap, resamples

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Lengths:
    """Lengths of texts.

    Args:
        tokens: of each text, without its stop.
        median_tokens, median_words: with intervals by bootstrap over the threads of the prompts.
        quantiles: tokens at the shares `QUANTILES`.
        distance: from the forum's replies to the same prompts, in tokens: how far, on average, a length would have to be moved for both
            to be spread alike (the Wasserstein distance of order 1); None for the forum's own.
    """

    tokens: tuple[int, ...]
    median_tokens: Estimate
    median_words: Estimate
    quantiles: tuple[float, ...]
    distance: Estimate


def lengths(
    tokens: Sequence[int], words: Sequence[int], real_tokens: Sequence[int] | None, seed: int, threads: Threads | None = None
) -> Lengths:
    """Measures lengths; `real_tokens` are those of the real replies to the same prompts, in the same order."""
    return Lengths(
        tokens=tuple(map(int, tokens)),
        median_tokens=_median(tokens, seed, threads),
        median_words=_median(words, seed, threads),
        quantiles=tuple(np.quantile(tokens, QUANTILES).tolist()) if len(tokens) else (),
        distance=NOTHING if real_tokens is None else distance(tokens, real_tokens, seed, threads),
    )


def distance(one: Sequence[int], other: Sequence[int], seed: int, threads: Threads | None = None) -> Estimate:
    """The Wasserstein distance of order 1 between as many lengths, with a bootstrap over the prompts that both answer.

    Resampling adds noise of its own to a distance, which is never below 0; the interval is shifted back by as much as the resamples lie
    above the estimate on average (Efron 1982, the bootstrap's estimate of bias), though not below 0.
    """
    pairs = np.array([one, other], np.float64).T
    found = bootstrap(pairs, wasserstein, seed, threads)
    if found.value is None or found.interval is None:
        return found
    drawn = wasserstein(pairs[resamples(len(pairs), seed, threads=threads)])
    bias = max(0.0, float(drawn.mean()) - found.value)
    low, high = (max(0.0, end - bias) for end in found.interval)
    return Estimate(found.value, (min(low, found.value), max(high, found.value)))


def wasserstein(drawn: Floats) -> Floats:
    """The distance of order 1 between the two columns of (…, observations, 2): the mean distance of those of the same rank."""
    ranked = np.sort(drawn, axis=-2)
    found: Floats = np.abs(ranked[..., 0] - ranked[..., 1]).mean(axis=-1)
    return found


def _median(values: Sequence[int], seed: int, threads: Threads | None) -> Estimate:
    return bootstrap(np.array(values, np.float64), lambda drawn: np.median(drawn, axis=1), seed, threads)
