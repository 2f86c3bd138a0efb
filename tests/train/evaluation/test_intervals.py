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
    assert share(0, 0) == NOTHING == share_difference([], [])


def paired(both: int, only_one: int, only_other: int, neither: int) -> Estimate:
    one = [True] * (both + only_one) + [False] * (only_other + neither)
    return share_difference(one, [True] * both + [False] * only_one + [True] * only_other + [False] * neither)


def test_a_difference_of_paired_shares_as_newcombe_has_it() -> None:
    # Fagerland, Lydersen and Laake 2014, Statistics in Medicine 33:2850: of 21 children, table 1, 1, 7, 12.
    found = paired(1, 1, 7, 12)
    assert found.value == pytest.approx(-6 / 21)
    assert found.interval == pytest.approx((-0.507, -0.026), abs=5e-4)
    assert share_difference([True], [True, False]) == NOTHING


def test_answers_that_agree_narrow_a_difference_and_such_that_disagree_widen_it() -> None:
    def width(found: Estimate) -> float:
        assert found.interval is not None
        return found.interval[1] - found.interval[0]

    # All three are 32 of 64 less 32 of 64.
    agree, apart, disagree = paired(32, 0, 0, 32), paired(16, 16, 16, 16), paired(0, 32, 32, 0)
    assert agree.value == apart.value == disagree.value == 0
    assert width(agree) < width(apart) / 3 < width(apart) < width(disagree)


def test_a_difference_of_all_and_none_has_an_interval() -> None:
    found = paired(0, 64, 0, 0)
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


def test_threads_are_drawn_whole() -> None:
    threads = np.array([7, 7, 7, 2, 2, 5])
    drawn = resamples(6, 0, 50, threads)
    assert drawn.shape == (50, 6)
    members = {"012", "34", "5"}
    for row in drawn:
        said = "".join(map(str, row))
        while said:
            whole = [one for one in members if said.startswith(one) or one.startswith(said)]
            assert whole, "a thread comes with all of its observations, but for the last one"
            said = said[len(whole[0]) :]
    assert (resamples(9, 3, 20, np.arange(9)) == resamples(9, 3, 20)).all(), "threads of one are observations"


def test_observations_that_go_together_tell_less() -> None:
    by_thread = np.repeat(np.random.default_rng(3).normal(0, 1, 20), 10)
    alone, together = mean(by_thread, 0), mean(by_thread, 0, np.repeat(np.arange(20), 10))
    assert alone.interval is not None
    assert together.interval is not None
    assert together.value == alone.value
    widths = [high - low for low, high in (alone.interval, together.interval)]
    assert widths[1] == pytest.approx(widths[0] * 10**0.5, rel=0.25)
    assert mean(by_thread, 0, np.repeat(np.arange(4), 50)) == Estimate(alone.value), "four threads, whatever they say"


def test_weights_count_the_resamples() -> None:
    drawn, counted = resamples(7, 3, 20), weights(7, 3, 20)
    assert (counted.sum(axis=1) == 7).all()
    assert [np.bincount(row, minlength=7).tolist() for row in drawn] == counted.tolist()


def test_statistics_that_are_no_numbers_have_no_interval() -> None:
    assert percentiles(np.array([1.0, np.nan])) is None
    assert percentiles(np.zeros(0)) is None
