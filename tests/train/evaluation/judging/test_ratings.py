"""Elo and win rates: against hand computation, against the model's own truth, and their symmetries."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from train.evaluation.judging.ratings import elo, win_rate

PAIR = [(0, 1)]
ROUND = [(0, 1), (0, 2), (1, 2)]


def of(wins: int, ties: int, losses: int) -> np.ndarray:
    return np.array([1.0] * wins + [0.5] * ties + [0.0] * losses)[:, None]


@pytest.mark.parametrize(("wins", "ties", "losses"), [(3, 0, 1), (10, 4, 2), (20, 0, 0), (0, 5, 0), (0, 0, 7), (500, 0, 1)])
def test_two_contestants_by_hand(wins: int, ties: int, losses: int) -> None:
    won, lost = wins + ties / 2 + 0.5, losses + ties / 2 + 0.5
    points = 400 * math.log10(won / lost)
    first, second = elo(of(wins, ties, losses), PAIR, 2)
    assert first.value == pytest.approx(1000 + points / 2, abs=1e-6)
    assert second.value == pytest.approx(1000 - points / 2, abs=1e-6)
    assert first.low <= first.value <= first.high


def test_ten_to_one_are_four_hundred_points() -> None:
    first, second = elo(of(10_000, 0, 1_000), PAIR, 2)
    assert first.value - second.value == pytest.approx(400, abs=0.5)


@pytest.mark.parametrize(("wins", "losses"), [(20, 0), (13, 7), (0, 4), (2, 1)])
def test_without_ties_the_interval_is_jeffreys(wins: int, losses: int) -> None:
    low, high = beta.ppf([0.025, 0.975], wins + 0.5, losses + 0.5)
    found = win_rate(of(wins, 0, losses))
    assert found is not None
    assert found.value == wins / (wins + losses)
    assert found.low == pytest.approx(low if wins else 0, abs=0.015)
    assert found.high == pytest.approx(high if losses else 1, abs=0.015)


def test_a_winner_of_everything_has_a_wide_finite_interval() -> None:
    first, _ = elo(of(20, 0, 0), PAIR, 2)
    assert first.low < first.value - 50
    assert first.high > first.value + 100
    assert math.isfinite(first.high)


@settings(max_examples=6, deadline=None)
@given(st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0, math.nan]), min_size=3, max_size=3), min_size=1, max_size=12))
def test_ratings_sum_to_their_mean_and_are_symmetric(rows: list[list[float]]) -> None:
    outcomes = np.array(rows)
    ratings = [one.value for one in elo(outcomes, ROUND, 3)]
    assert sum(ratings) == pytest.approx(3000, abs=1e-6)
    swapped = [one.value for one in elo(1 - outcomes, [(second, first) for first, second in ROUND], 3)]
    assert swapped == pytest.approx(ratings, abs=1e-6)
    # Contestant 0 becomes 2 and the other way round.
    renamed = [one.value for one in elo(outcomes, [(2 - first, 2 - second) for first, second in ROUND], 3)]
    assert renamed == pytest.approx(ratings[::-1], abs=1e-6)
    shuffled = [one.value for one in elo(outcomes[::-1], ROUND, 3)]
    assert shuffled == pytest.approx(ratings, abs=1e-6)


def test_intervals_mirror_when_contestants_swap() -> None:
    first, second = elo(of(30, 6, 12), PAIR, 2)
    assert first.low - 1000 == pytest.approx(1000 - second.high, abs=1e-6)
    other, _ = elo(of(12, 6, 30), PAIR, 2)
    assert other.high == pytest.approx(second.high, abs=8)


def test_the_maximum_likelihood_of_three() -> None:
    random = np.random.default_rng(1)
    outcomes = (random.random((40, 3)) < [0.7, 0.6, 0.4]).astype(float)
    strength = np.array([one.value - 1000 for one in elo(outcomes, ROUND, 3)]) * math.log(10) / 400
    won, lost = outcomes.sum(axis=0) + 0.5, (1 - outcomes).sum(axis=0) + 0.5

    def likelihood(at: np.ndarray) -> float:
        gaps = np.array([at[first] - at[second] for first, second in ROUND])
        return float(-(won * np.log1p(np.exp(-gaps)) + lost * np.log1p(np.exp(gaps))).sum())

    best = likelihood(strength)
    for _ in range(200):
        assert likelihood(strength + random.normal(scale=0.05, size=3)) <= best + 1e-12


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    truth = np.array([150.0, 0.0, -150.0])
    chances = [1 / (1 + 10 ** ((truth[second] - truth[first]) / 400)) for first, second in ROUND]
    random = np.random.default_rng(7)
    held = []
    for seed in range(40):
        outcomes = (random.random((80, 3)) < chances).astype(float)
        held += [one.low <= 1000 + true <= one.high for one, true in zip(elo(outcomes, ROUND, 3, seed=seed), truth, strict=True)]
    assert 0.89 <= np.mean(held) <= 0.99


def test_questions_are_drawn_whole() -> None:
    """Where each question's pairs agree, they tell no more than one of them: the interval of a contestant does not shrink."""
    once = of(30, 0, 20)
    alone = win_rate(once)
    together = win_rate(np.repeat(once, 3, axis=1))
    assert alone is not None
    assert together is not None
    assert together.value == alone.value
    assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=0.1)


def test_unreadable_verdicts_count_for_nothing() -> None:
    with_unreadable = np.vstack([of(6, 1, 3), np.full((5, 1), np.nan)])
    assert elo(with_unreadable, PAIR, 2)[0].value == elo(of(6, 1, 3), PAIR, 2)[0].value
    assert win_rate(np.full((4, 1), np.nan)) is None
    blind = elo(np.full((4, 1), np.nan), PAIR, 2)
    assert blind[0].value == 1000
    assert blind[0].high - blind[0].low > 1000


def test_contestants_that_never_met_are_refused() -> None:
    with pytest.raises(ValueError, match="do not connect"):
        elo(of(1, 0, 0), PAIR, 3)
