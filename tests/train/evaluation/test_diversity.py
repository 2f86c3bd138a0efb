"""Variety, counted by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.evaluation.diversity import diversity, matched_size, repetition


def test_distinct_ngrams_by_hand() -> None:
    texts = [["the", "mug", "the", "mug", "the", "spoon"], ["the", "mug"]]
    found = diversity(texts, 8, 0)
    # 3 of 8 words; the mug, mug the, the spoon of 6 pairs; the mug the, mug the mug, mug the spoon of 4 triples.
    assert [order.value for order in found.distinct] == [3 / 8, 3 / 6, 3 / 4]
    assert found.repetition.value == pytest.approx((1 / 4 + 0) / 2)
    assert found.words == 8


def test_only_equally_many_words_are_compared() -> None:
    one, other = [["tea", "milk", "mug"], ["spoon"]], [["tea", "tea"], ["milk"]]
    assert matched_size(one, other) == 3
    assert diversity(one, 3, 0).distinct[0].value == 1.0
    assert diversity(one, 3, 0).words == diversity(other, 3, 0).words == 3
    assert diversity(other, 3, 0).distinct[0].value == pytest.approx(2 / 3)


def test_the_jackknife_by_hand() -> None:
    # Eleven texts of two words, one word shared by all: each adds one of its own to it.
    found = diversity([["tea", f"mug{place}"] for place in range(11)], 22, 0).distinct[0]
    assert found.value == pytest.approx(12 / 22)
    assert found.interval == pytest.approx((12 / 22, 12 / 22)), "no text differs from the others in what it adds"
    mixed = diversity([["tea", f"mug{place}" if place % 2 else "tea"] for place in range(12)], 24, 0).distinct[0]
    assert mixed.interval is not None
    assert mixed.interval[0] < 7 / 24 < mixed.interval[1]


@given(st.lists(st.lists(st.sampled_from(["tea", "milk", "mug"]), max_size=9), max_size=14), st.integers(0, 60))
def test_shares_stay_shares(texts: list[list[str]], size: int) -> None:
    found = diversity(texts, size, 0)
    for one in (*found.distinct, found.repetition):
        assert one.value is None or 0 <= one.value <= 1
        if one.interval:
            assert 0 <= one.interval[0] <= (one.value or 0) <= one.interval[1] <= 1


def test_repetition_of_short_texts_is_nothing() -> None:
    assert [repetition(text.split()) for text in ("", "tea tea", "tea tea tea tea")] == [0, 0, 0.5]
