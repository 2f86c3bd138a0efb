import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.splits import SPLITS, parse_split, split_of
from formats.errors import UserError

THREADS = pl.Series("thread_id", ["t3_kettle", "t3_1abc", "t3_zzzzzz", "t3_0", "hn_1", "t3_é"])
MANY = pl.Series("thread_id", [f"t3_{number:x}" for number in range(10_000)])


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (0, ["test", "train", "train", "train", "test", "validation"]),
        (1, ["test", "validation", "test", "validation", "test", "train"]),
    ],
)
def test_a_thread_is_in_the_same_split_on_every_machine_and_in_every_version(seed: int, expected: list[str]) -> None:
    assert split_of(THREADS, (0.5, 0.25, 0.25), seed).to_list() == expected


@given(st.lists(st.sampled_from(THREADS.to_list()), max_size=40), st.integers(0, 3))
def test_no_thread_is_in_two_splits_whatever_stands_around_it(threads: list[str], seed: int) -> None:
    alone = dict(zip(THREADS, split_of(THREADS, (0.4, 0.3, 0.3), seed), strict=True))
    assert split_of(pl.Series(threads, dtype=pl.String), (0.4, 0.3, 0.3), seed).to_list() == [alone[thread] for thread in threads]


@pytest.mark.parametrize("shares", [(0.9, 0.05, 0.05), (0.34, 0.33, 0.33), (0.8, 0.2, 0.0), (0.02, 0.0, 0.98)])
def test_the_shares_of_ten_thousand_threads_are_those_asked_for(shares: tuple[float, float, float]) -> None:
    counts = dict(split_of(MANY, shares, 0).value_counts().iter_rows())
    assert sum(counts.values()) == 10_000
    for name, share in zip(SPLITS, shares, strict=True):
        assert abs(counts.get(name, 0) - 10_000 * share) <= 4 * (10_000 * share * (1 - share)) ** 0.5  # four standard deviations


def test_all_in_one_split() -> None:
    assert set(split_of(MANY, (1.0, 0.0, 0.0), 5)) == {"train"}


def test_another_seed_is_another_split() -> None:
    first, second = (split_of(MANY, (0.5, 0.25, 0.25), seed) for seed in (0, 1))
    assert 0.3 < (first == second).mean() < 0.45  # by chance: 0.5² + 0.25² + 0.25²


def test_a_larger_share_of_training_only_adds_threads_to_it() -> None:
    small, large = (set(MANY.filter(split_of(MANY, shares, 0) == "train")) for shares in ((0.5, 0.25, 0.25), (0.8, 0.1, 0.1)))
    assert small < large


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("90/5/5", (0.9, 0.05, 0.05)),
        ("100/0/0", (1, 0, 0)),
        ("33.3/33.3/33.4", (0.333, 0.333, 0.334)),
        ("99.9/0.1/0", (0.999, 0.001, 0)),
        ("5/90/5", (0.05, 0.9, 0.05)),
    ],
)
def test_percentages_become_shares(text: str, shares: tuple[float, float, float]) -> None:
    assert parse_split(text) == pytest.approx(shares)


@pytest.mark.parametrize(
    "text", ["", "90/10", "90/5/3/2", "ninety/5/5", "-10/60/50", "90/5/5%", " 90/5/5", "90/5/5\n", "1e2/0/0", "nan/50/50"]
)
def test_what_is_no_split_is_told_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match=r"expected three percentages of train/validation/test, as in 90/5/5"):
        parse_split(text)


@pytest.mark.parametrize(("text", "total"), [("90/5/6", "101"), ("0.9/0.05/0.05", "1"), ("90/5/4.9", "99.9"), ("0/50/50", "100")])
def test_a_split_that_does_not_add_up_or_leaves_nothing_to_train_on_is_told(text: str, total: str) -> None:
    with pytest.raises(UserError, match=f"'{text}', which adds up to {total}; expected 100, with a share for train"):
        parse_split(text)
