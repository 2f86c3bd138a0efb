"""Lengths, and how far they are from the forum's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from train.evaluation.lengths import distance, lengths


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=40))
def test_the_distance_is_that_of_wasserstein(pairs: list[tuple[int, int]]) -> None:
    one, other = zip(*pairs, strict=True)
    found = distance(one, other, 0)
    assert found.value == pytest.approx(wasserstein_distance(one, other))
    if found.interval:
        assert 0 <= found.interval[0] <= found.value <= found.interval[1]


def test_the_same_lengths_are_no_distance_apart() -> None:
    assert distance(range(50), range(50), 0).interval == (0, 0)
    # As many draws from one distribution: the interval begins at nothing, since it is not known to be more.
    draw = np.random.default_rng(0)
    found = distance(draw.poisson(30, 80).tolist(), draw.poisson(30, 80).tolist(), 0)
    assert found.interval is not None
    assert found.interval[0] < 1.0


def test_medians_and_quantiles() -> None:
    found = lengths(range(101), [7] * 101, None, 0)
    assert found.median_tokens.value == 50
    assert found.median_tokens.interval is not None
    assert 35 < found.median_tokens.interval[0] < 50 < found.median_tokens.interval[1] < 65
    assert found.median_words.interval == (7, 7)
    assert found.quantiles == (10, 25, 50, 75, 90)
    assert found.distance.value is None
    assert lengths([], [], None, 0).median_tokens.value is None
