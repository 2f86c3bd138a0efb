"""Which set of vectors a vector belongs to: right where sets differ, unsure where they do not, and as sure as it is right."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from train.shelf.routing_decision import FLOOR, Decision, decide

Array = NDArray[np.float64]


def blob(seed: int, count: int = 100, at: float = 0.0, width: int = 24, axis: int = 0) -> Array:
    """Vectors around a point on an axis."""
    found = np.random.default_rng(seed).standard_normal((count, width))
    found[:, axis] += at
    return found


def chosen(decision: Decision, vectors: Array) -> NDArray[np.int64]:
    places: NDArray[np.int64] = decision.shares(vectors).argmax(axis=1)
    return places


def test_sets_that_lie_apart_are_told_apart() -> None:
    decision = decide([blob(1 + axis, at=6, axis=axis) for axis in range(3)])
    for axis in range(3):
        fresh = blob(10 + axis, at=6, axis=axis)
        assert (chosen(decision, fresh) == axis).mean() > 0.95
        assert decision.shares(fresh)[:, axis].mean() > 0.9


def test_sets_that_are_alike_leave_it_open() -> None:
    decision = decide([blob(1), blob(2)])
    shares = decision.shares(blob(3))
    assert np.abs(shares - 0.5).max() < 0.25
    assert np.abs(shares - 0.5).mean() < 0.1


@pytest.mark.parametrize("apart", [0.5, 1.5, 3.0])
def test_it_is_as_sure_as_it_is_right(apart: float) -> None:
    """More features than a regression without restraint could bear."""
    decision = decide([blob(1, at=-apart / 2, width=200), blob(2, at=apart / 2, width=200)])
    fresh = np.concatenate([blob(3, 2000, -apart / 2, 200), blob(4, 2000, apart / 2, 200)])
    shares = decision.shares(fresh)
    right = (shares.argmax(axis=1) == np.repeat([0, 1], 2000)).mean()
    assert shares.max(axis=1).mean() == pytest.approx(right, abs=0.08)


def test_a_small_set_is_as_likely_beforehand_as_a_large_one() -> None:
    decision = decide([blob(1, 250, at=-1), blob(2, 12, at=1)])
    middle = np.zeros((1, 24))
    assert decision.shares(middle)[0, 1] == pytest.approx(0.5, abs=0.15)
    assert (chosen(decision, blob(3, 200, at=1.5)) == 1).mean() > 0.6


def test_scale_and_place_of_features_do_not_matter() -> None:
    sets = [blob(1, at=-2), blob(2, at=2)]
    stretch, moved = np.logspace(-3, 4, 24), np.linspace(-50, 900, 24)
    fresh = blob(3, at=1)
    plain = decide(sets).shares(fresh)
    other = decide([one * stretch + moved for one in sets]).shares(fresh * stretch + moved)
    assert other == pytest.approx(plain, abs=1e-4)


def test_vectors_in_16_bit_are_taken() -> None:
    sets = [blob(1, at=-3).astype(np.float16), blob(2, at=3).astype(np.float16)]
    assert decide(sets).weights.dtype == np.float64
    assert (chosen(decide(sets), blob(4, at=3)) == 1).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_vectors_are_enough_to_choose_by(count: int) -> None:
    decision = decide([blob(1, count, at=-8), blob(2, 40, at=8)])
    assert np.isfinite(decision.shares(blob(3))).all()
    assert (chosen(decision, blob(4, at=8)) == 1).mean() > 0.9


def test_one_set_is_always_chosen() -> None:
    decision = decide([blob(1)])
    assert (decision.shares(blob(2)) == 1).all()


def test_a_feature_that_never_varies_breaks_nothing() -> None:
    sets = [np.hstack([blob(seed, at=at), np.ones((100, 1))]) for seed, at in ((1, -5), (2, 5))]
    decision = decide(sets)
    assert (chosen(decision, np.hstack([blob(3, at=5), np.ones((100, 1))])) == 1).all()


def test_likeness_is_low_for_what_is_like_no_set() -> None:
    rng = np.random.default_rng(0)
    topics = rng.standard_normal((2, 64)) * 3

    def of(topic: Array, count: int) -> Array:
        found: Array = topic + rng.standard_normal((count, 64)) * 0.7
        return found

    decision = decide([of(topics[0], 200), of(topics[1], 200)])
    own = decision.likeness(np.concatenate([of(topics[0], 500), of(topics[1], 500)]))
    foreign = decision.likeness(of(rng.standard_normal(64) * 3, 500))
    assert (own < FLOOR).mean() < 0.03, "by what it means, a share of at most 1 %"
    assert (own < 0.2).mean() < 0.3
    assert (foreign < FLOOR).mean() > 0.95
    assert own.max() <= 1
    assert foreign.min() > 0


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(0, 1000), st.data())
def test_shares_are_shares_whatever_the_sets(sets: int, seed: int, data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 20), min_size=sets, max_size=sets))
    own = [blob(seed + place, size, at=float(place), width=6) for place, size in enumerate(sizes)]
    decision = decide(own)
    shares, likeness = decision.shares(blob(seed + 9, 8, width=6)), decision.likeness(blob(seed + 9, 8, width=6))
    assert shares.shape == (8, sets)
    assert (shares >= 0).all()
    assert shares.sum(axis=1) == pytest.approx(1)
    assert ((likeness > 0) & (likeness <= 1)).all()


def test_the_nearer_the_more_probable() -> None:
    decision = decide([blob(1, at=-3), blob(2, at=3)])
    along = np.zeros((7, 24))
    along[:, 0] = np.arange(-3, 4)
    shares = decision.shares(along)[:, 1]
    assert all(before < after for before, after in pairwise(shares))
