import datetime
import itertools
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.splits import SPLITS, SplitPlan, SplitSettings, parse_split, plan_split
from curate.splitting.related import relate
from formats.errors import UserError
from tests.judged_folder import judged_posts, write_judged

THREADS = ["t3_kettle", "t3_1abc", "t3_zzzzzz", "t3_0", "hn_1", "t3_é"]
MANY = [f"t3_{number:x}" for number in range(10_000)]
MAY = datetime.datetime(2024, 5, 17, tzinfo=datetime.UTC)
ADDRESS = "https://www.reddit.com/r/KettleCourt/comments/{}/the_case_of_the_cold_tea/"
SPEECH = "The court finds that the kettle was warm when the witness came in, and that nobody poured the tea until both sides were heard."

Judged = Callable[..., Path]
Change = Mapping[str, Any]


def split_of(threads: list[str], shares: tuple[float, float, float], seed: int = 0) -> list[str]:
    plan = SplitPlan(SplitSettings(shares, seed), relate([]))
    return plan.split_of(pl.DataFrame({"thread_id": threads}, {"thread_id": pl.String})).to_list()


def thread(name: str, day: int | None = 0, replies: int = 3, **submission: Any) -> list[Change]:
    """A submission and replies to it, an hour after each other."""
    at = None if day is None else MAY + datetime.timedelta(days=day)
    times = [None if at is None else at + datetime.timedelta(hours=place) for place in range(replies + 1)]
    root = {"id": f"t3_{name}", "parent_id": None, "kind": "submission", "title": f"Case {name}", "text": "", "url": ADDRESS.format(name)}
    root |= {"target_reasons": ["length"], "created_at": times[0], "permalink": f"/r/KettleCourt/comments/{name}/the_case/", **submission}
    answers = [{"id": f"t1_{name}{place}", "parent_id": f"t3_{name}", "created_at": times[place]} for place in range(1, replies + 1)]
    return [{**post, "thread_id": f"t3_{name}"} for post in (root, *answers)]


@pytest.fixture
def judged(tmp_path: Path) -> Judged:
    """A folder of judged threads, in one bucket or dealt out to more."""
    numbers = itertools.count()

    def make(*threads: list[Change], buckets: int = 1) -> Path:
        dealt = [[post for posts in threads[bucket::buckets] for post in posts] for bucket in range(buckets)]
        return write_judged(tmp_path / f"judged {next(numbers)}", *map(judged_posts, dealt))

    return make


def splits(judged: Path, **settings: Any) -> dict[str, str | None]:
    plan = plan_split(judged, SplitSettings(**settings))
    parts = sorted(judged.glob("bucket=*/*.parquet"))
    found = pl.concat([pl.read_parquet(part, columns=["thread_id"]) for part in parts])["thread_id"].unique()
    return dict(zip(found, plan.split_of(pl.DataFrame({"thread_id": found})), strict=True))


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (0, ["test", "train", "train", "train", "test", "validation"]),
        (1, ["test", "validation", "test", "validation", "test", "train"]),
    ],
)
def test_a_thread_is_in_the_same_split_on_every_machine_and_in_every_version(seed: int, expected: list[str]) -> None:
    assert split_of(THREADS, (0.5, 0.25, 0.25), seed) == expected


@given(st.lists(st.sampled_from(THREADS), max_size=40), st.integers(0, 3))
def test_no_thread_is_in_two_splits_whatever_stands_around_it(threads: list[str], seed: int) -> None:
    alone = dict(zip(THREADS, split_of(THREADS, (0.4, 0.3, 0.3), seed), strict=True))
    assert split_of(threads, (0.4, 0.3, 0.3), seed) == [alone[thread] for thread in threads]


@pytest.mark.parametrize("shares", [(0.9, 0.05, 0.05), (0.34, 0.33, 0.33), (0.8, 0.2, 0.0), (0.02, 0.0, 0.98)])
def test_the_shares_of_ten_thousand_threads_are_those_asked_for(shares: tuple[float, float, float]) -> None:
    found = split_of(MANY, shares)
    for name, share in zip(SPLITS, shares, strict=True):
        assert abs(found.count(name) - 10_000 * share) <= 4 * (10_000 * share * (1 - share)) ** 0.5  # four standard deviations


def test_all_in_one_split() -> None:
    assert set(split_of(MANY, (1.0, 0.0, 0.0), 5)) == {"train"}


def test_another_seed_is_another_split() -> None:
    first, second = (split_of(MANY, (0.5, 0.25, 0.25), seed) for seed in (0, 1))
    same = sum(one == other for one, other in zip(first, second, strict=True))
    assert 3_000 < same < 4_500  # by chance: 0.5² + 0.25² + 0.25²


def test_a_larger_share_of_training_only_adds_threads_to_it() -> None:
    small, large = (
        {thread for thread, split in zip(MANY, split_of(MANY, shares), strict=True) if split == "train"}
        for shares in ((0.5, 0.25, 0.25), (0.8, 0.1, 0.1))
    )
    assert small < large


def test_of_an_empty_table_there_is_no_split() -> None:
    assert split_of([], (0.9, 0.05, 0.05)) == []


def test_crossposts_are_in_one_split_and_all_other_threads_where_they_are_alone(judged: Judged) -> None:
    alone = [thread(f"{number:x}") for number in range(60)]
    crossposts = [thread(f"x{number:x}", url=ADDRESS.format(f"{number:x}")) for number in range(0, 60, 2)]
    absent = [thread(f"y{number}", url="/r/TeaTrials/comments/gone/a_case/") for number in range(10)]
    found = splits(judged(*alone, *crossposts, *absent), shares=(0.4, 0.3, 0.3))
    assert [found[f"t3_{number:x}"] for number in range(60)] == split_of([f"t3_{number:x}" for number in range(60)], (0.4, 0.3, 0.3))
    assert all(found[f"t3_x{number:x}"] == found[f"t3_{number:x}"] for number in range(0, 60, 2))
    assert len({found[f"t3_y{number}"] for number in range(10)}) == 1
    assert set(found.values()) == set(SPLITS)


def test_a_crosspost_is_with_a_thread_of_which_only_comments_are_there(judged: Judged) -> None:
    comments = thread("old")[1:]
    for seed in range(8):
        found = splits(judged(comments, thread("new", url=ADDRESS.format("old"))), shares=(0.4, 0.3, 0.3), seed=seed)
        assert found["t3_old"] == found["t3_new"]


def test_submissions_that_are_near_copies_are_in_one_split(judged: Judged) -> None:
    posted_again = [thread(f"{number:x}", text=f"Case {number}: {SPEECH} {SPEECH.upper()}") for number in range(40)]
    found = splits(judged(*posted_again, *(thread(f"x{number:x}") for number in range(40)), buckets=3), shares=(0.4, 0.3, 0.3))
    assert len({found[f"t3_{number:x}"] for number in range(40)}) == 1
    assert {found[f"t3_x{number:x}"] for number in range(40)} == set(SPLITS)


@pytest.mark.parametrize("by", ["thread", "time"])
def test_buckets_and_the_order_of_threads_change_nothing(judged: Judged, by: str) -> None:
    threads = [thread(f"{number:x}", number % 7, number % 4, text=SPEECH * (number % 5 == 0)) for number in range(40)]
    found = splits(judged(*threads), by=by, shares=(0.5, 0.25, 0.25))
    assert set(found.values()) >= set(SPLITS)
    for buckets in (2, 5, 40):
        shuffled = random.Random(buckets).sample(threads, len(threads))
        assert splits(judged(*shuffled, buckets=buckets), by=by, shares=(0.5, 0.25, 0.25)) == found


def test_by_time_the_newest_threads_are_held_out(judged: Judged) -> None:
    threads = [thread(f"{number:x}", number, replies=1 + number % 3) for number in range(100)]
    random.Random(0).shuffle(threads)
    found = splits(judged(*threads, buckets=3), by="time", shares=(0.8, 0.1, 0.1))
    assert [found[f"t3_{number:x}"] for number in range(100)] == ["train"] * 80 + ["validation"] * 10 + ["test"] * 10


def test_by_time_a_later_crosspost_of_what_is_learned_is_in_no_split(judged: Judged) -> None:
    threads = [thread(f"{number:x}", number) for number in range(10)] + [thread("again", 20, url=ADDRESS.format("2"))]
    found = splits(judged(*threads), by="time", shares=(0.5, 0.2, 0.3))
    assert found.pop("t3_again") is None
    assert None not in found.values()
    assert found["t3_2"] == "train"


def test_a_plan_has_nothing_to_say_of_a_forum_where_no_thread_is_like_another(judged: Judged) -> None:
    plan = plan_split(judged(*(thread(name) for name in "abc")), SplitSettings())
    assert plan.related.threads.is_empty()
    assert plan.cut is None


def test_reading_tells_how_far_it_is(judged: Judged) -> None:
    told: list[tuple[str, int, int]] = []
    plan_split(judged(*(thread(name) for name in "abc"), buckets=3), SplitSettings(), lambda *step: told.append(step))
    assert told == [("split", 1, 3), ("split", 2, 3), ("split", 3, 3)]


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
