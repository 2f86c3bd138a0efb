"""Intervals against closed forms, and what they say of nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from train.evaluation.intervals import (
    FEWEST,
    NOTHING,
    Estimate,
    Z,
    mean,
    mean_difference,
    percentiles,
    ratio,
    resamples,
    share,
    share_difference,
    weights,
)  # fmt: skip


@given(st.integers(1, 300).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_shares_have_the_interval_of_wilson(counts: tuple[int, int]) -> None:
    count, of = counts
    expected = binomtest(count, of).proportion_ci(0.95, method="wilson")
    found = share(count, of)
    assert found.value == count / of
    assert found.interval == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_z_is_the_quantile_it_says() -> None:
    assert pytest.approx(norm.ppf(0.975)) == Z


def test_of_nothing_there_is_no_share() -> None:
    assert share(0, 0) == NOTHING == share_difference(0, 0, 1, 2)


def test_a_difference_of_shares_as_newcombe_has_it() -> None:
    # Newcombe 1998, table II, example (a): 56/70 less 48/80.
    found = share_difference(56, 70, 48, 80)
    assert found.value == pytest.approx(0.2)
    assert found.interval == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_a_difference_of_all_and_none_has_an_interval() -> None:
    found = share_difference(64, 64, 0, 64)
    assert found.value == 1.0
    assert found.interval is not None
    assert 0.9 < found.interval[0] < found.interval[1] == 1.0


def test_the_interval_of_a_mean_is_about_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(5, 2, 400)
    found = mean(values, seed=0)
    error = values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.interval == pytest.approx((values.mean() - Z * error, values.mean() + Z * error), abs=0.25 * error)
    assert mean(values, seed=0) == found
    assert mean(values, seed=1) != found


def test_few_observations_have_a_mean_and_no_interval() -> None:
    assert mean(np.arange(FEWEST - 1.0), seed=0) == Estimate(4.0)
    assert mean(np.zeros(0), seed=0) == NOTHING
    assert mean(np.arange(float(FEWEST)), seed=0).interval is not None


def test_a_difference_is_paired() -> None:
    base = np.random.default_rng(2).normal(0, 100, 50)
    assert mean_difference(base + 1, base, seed=0).interval == pytest.approx((1, 1))
    assert mean_difference(base[:-1], base, seed=0) == NOTHING


def test_a_ratio_of_sums_weighs_observations_by_their_size() -> None:
    found = ratio(np.array([1.0, 9.0] * 10), np.array([1.0, 3.0] * 10), seed=0)
    assert found.value == pytest.approx(2.5)
    assert found.interval is not None
    assert 1 < found.interval[0] < 2.5 < found.interval[1] < 3
    assert ratio(np.ones(12), np.zeros(12), seed=0) == NOTHING


def test_weights_count_the_resamples() -> None:
    drawn, counted = resamples(7, 3, 20), weights(7, 3, 20)
    assert (counted.sum(axis=1) == 7).all()
    assert [np.bincount(row, minlength=7).tolist() for row in drawn] == counted.tolist()


def test_statistics_that_are_no_numbers_have_no_interval() -> None:
    assert percentiles(np.array([1.0, np.nan])) is None
    assert percentiles(np.zeros(0)) is None
