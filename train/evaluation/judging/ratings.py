"""Win rates and Elo ratings from judged pairs, with intervals.

Ratings are the maximum likelihood of the Bradley-Terry model, told on Elo's scale: mean 1000, and 400 points are odds of ten to one. The
QLoRA paper (Dettmers et al. 2023, section 5) updates ratings match by match with K = 32 and averages over 10,000 orders of the matches,
since every order comes to other figures. Contestants here do not change while they are judged, so no order means anything; Chatbot Arena
went the same way (Chiang et al. 2024, arXiv:2403.04132). There is one answer, and no K to choose.

Each pair starts with half a win for either side, so that whoever wins everything still has a rating. Intervals are a Bayesian bootstrap
over questions (Rubin 1981): each draw weighs every question, in all of its pairs at once, by an exponential variate, and the halves at
the start by gamma variates of shape one half. The ordinary bootstrap gives a winner of 20 out of 20 an interval without width; this one
gives two contestants without ties exactly Jeffreys' interval, Beta(wins + 1/2, losses + 1/2).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MEAN_ELO = 1000.0
CONFIDENCE = 0.95
RESAMPLES = 10_000
"""Draws of an interval: with 1,000 of them, the bounds of few questions still move by some percent from seed to seed."""

_POINTS = 400 / math.log(10)
"""Elo points of a unit of log odds."""

_START = 0.5
_LONGEST_STEP = 2.0
"""In log odds: Newton's method may leap too far where one contestant wins almost everything."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure and the interval in which it lies with a probability of `CONFIDENCE`."""

    value: float
    low: float
    high: float


def elo(outcomes: Floats, pairs: Sequence[tuple[int, int]], contestants: int, *, seed: int = 0) -> list[Estimate]:
    """Rates contestants by what came of their pairs; the mean of the ratings is `MEAN_ELO`.

    Args:
        outcomes: shape (questions, pairs): 1 where the pair's first contestant won, 0.5 for a tie, 0 where it lost, NaN where there is no
            verdict.
        pairs: the two contestants of each column, by their numbers.

    Raises:
        ValueError: some contestant is in no pair that connects it with the others.
    """
    won, lost, counts = _alike(outcomes)
    random = np.random.default_rng(seed)
    weights = random.gamma(counts, size=(RESAMPLES, len(counts)))
    starts = random.gamma(_START, size=(2, RESAMPLES, len(pairs)))
    fitted = _fit(counts[None] @ won + _START, counts[None] @ lost + _START, pairs, contestants)[0]
    drawn = _fit(weights @ won + starts[0], weights @ lost + starts[1], pairs, contestants)
    return [_estimate(fitted[place], drawn[:, place]) for place in range(contestants)]


def win_rate(outcomes: Floats, *, seed: int = 0) -> Estimate | None:
    """The share of wins, ties as half, in outcomes of one or several pairs, shape (questions, pairs); None without any verdict."""
    sides = _alike(outcomes)
    won, lost, counts = sides[0].sum(axis=1), sides[1].sum(axis=1), sides[2]
    if not (won + lost).any():
        return None
    random = np.random.default_rng(seed)
    weights = random.gamma(counts, size=(RESAMPLES, len(counts)))
    starts = random.gamma(_START, size=(2, RESAMPLES))
    drawn = (weights @ won + starts[0]) / (weights @ (won + lost) + starts.sum(axis=0))
    return _estimate(float(counts @ won / (counts @ (won + lost))), drawn)


def _alike(outcomes: Floats) -> tuple[Floats, Floats, Floats]:
    """Wins and losses of questions with the same outcomes as one row, and how many there are of each.

    The sum of so many exponential variates is one gamma variate: drawing takes no longer for thousands of questions.
    """
    rows, counts = np.unique(np.nan_to_num(outcomes, nan=-1.0), axis=0, return_counts=True)
    judged = rows >= 0
    return np.where(judged, rows, 0.0), np.where(judged, 1 - rows, 0.0), counts.astype(np.float64)


def _estimate(value: float, drawn: Floats) -> Estimate:
    """The figure with the middle `CONFIDENCE` of its draws; a win rate of 1 lies above all of them, so the interval is stretched to it."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))


def _fit(won: Floats, lost: Floats, pairs: Sequence[tuple[int, int]], contestants: int) -> Floats:
    """Elo by Newton's method, shape (draws, contestants), from wins and losses of each pair's first, shape (draws, pairs), above 0."""
    # One row a pair: +1 for its first contestant, -1 for its second, so that this times the strengths is the log odds of a win.
    design = np.zeros((len(pairs), contestants))
    for place, (first, second) in enumerate(pairs):
        design[place, first], design[place, second] = 1.0, -1.0
    if np.linalg.matrix_rank(design) < contestants - 1:
        raise ValueError("the pairs do not connect all contestants")
    met = won + lost
    strength = np.zeros((len(won), contestants))
    for _ in range(100):
        chance = 1 / (1 + np.exp(-strength @ design.T))
        gradient = (won - met * chance) @ design
        # Only differences of strengths are determined: the ones hold their sum at 0.
        curvature = np.einsum("dp,pi,pj->dij", met * chance * (1 - chance), design, design) + 1 / contestants
        step = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        step *= np.minimum(1, _LONGEST_STEP / np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-300))
        strength += step
        if np.abs(step).max() < 1e-8:
            break
    rating: Floats = MEAN_ELO + _POINTS * (strength - strength.mean(axis=1, keepdims=True))
    return rating
