import datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.posts import TIME
from curate.splitting.by_time import Cut, cut, read_begun
from curate.splitting.related import Related, relate
from tests.judged_folder import judged_posts, write_judged

MAY = datetime.datetime(2024, 5, 17, tzinfo=datetime.UTC)
ALONE = relate([])
THIRDS = (1 / 3, 1 / 3, 1 / 3)
SCHEMA = {"thread_id": pl.String, "began": TIME, "samples": pl.Int64}

Thread = tuple[str, int | None, int]


def begun(*threads: Thread) -> pl.DataFrame:
    """Threads with the day on which they began and their number of samples."""
    rows = [(name, None if day is None else MAY + datetime.timedelta(days=day), samples) for name, day, samples in threads]
    return pl.DataFrame(rows, SCHEMA, orient="row")


def related(*groups: str) -> Related:
    rows = [(thread, min(group)) for group in groups for thread in group]
    return Related(pl.DataFrame(rows, {"thread_id": pl.String, "group": pl.String}, orient="row"))


def parts(found: Cut, names: str) -> str:
    """The part of each thread, `-` for none."""
    later = dict(found.later.select("thread_id", pl.col("part").cast(pl.String).fill_null("-")).iter_rows())
    return "".join(later.get(name, "0") for name in names)


def test_threads_are_cut_in_the_order_in_which_they_began() -> None:
    found = cut([begun(("c", 3, 1), ("a", 5, 1)), begun(("b", 1, 1))], ALONE, THIRDS)
    assert parts(found, "bca") == "012"
    assert found.undated == 0


@pytest.mark.parametrize(
    ("samples", "shares", "expected"),
    [
        ([1] * 10, (0.8, 0.1, 0.1), "0000000012"),
        ([1] * 10, (0.8, 0.0, 0.2), "0000000022"),
        ([1] * 10, (0.8, 0.2, 0.0), "0000000011"),
        ([1] * 10, (1.0, 0.0, 0.0), "0000000000"),
        ([1] * 10, (0.9, 0.05, 0.05), "0000000002"),  # 9.5 is as near to 9 as to 10
        ([5, 5, 1, 1, 4, 4], (0.5, 0.25, 0.25), "001112"),
        ([9, 1], (0.1, 0.0, 0.9), "02"),  # something must be learned
        ([7], (0.5, 0.25, 0.25), "0"),
        ([1, 98, 1], (0.5, 0.25, 0.25), "012"),
    ],
)
def test_the_cuts_are_where_the_shares_of_samples_come_nearest(
    samples: list[int], shares: tuple[float, float, float], expected: str
) -> None:
    threads = [(chr(ord("a") + place), place, count) for place, count in enumerate(samples)]
    assert parts(cut([begun(*threads)], ALONE, shares), "abcdefghij"[: len(samples)]) == expected


def test_threads_that_began_at_once_are_in_the_order_of_their_ids() -> None:
    found = cut([begun(("d", 0, 1), ("b", 0, 1)), begun(("a", 0, 1), ("c", 0, 1))], ALONE, (0.5, 0.25, 0.25))
    assert parts(found, "abcd") == "0012"


def test_threads_without_a_time_are_learned_and_counted() -> None:
    found = cut([begun(("a", 1, 1), ("b", None, 1), ("c", 2, 1), ("d", None, 1), ("e", None, 1))], ALONE, (0.2, 0.4, 0.4))
    assert parts(found, "bdeac") == "00022"
    assert found.undated == 3
    assert parts(cut([begun(("a", None, 1), ("b", None, 1))], ALONE, THIRDS), "ab") == "00"


def test_of_related_threads_on_both_sides_of_a_cut_the_later_ones_are_left_out() -> None:
    threads = [(name, day, 1) for day, name in enumerate("abcdefghi")]
    assert parts(cut([begun(*threads)], related("ad", "eh", "fg", "bc"), THIRDS), "abcdefghi") == "000-11--2"
    assert parts(cut([begun(*threads)], related("abcdefghi"), THIRDS), "abcdefghi") == "000------"
    assert parts(cut([begun(*threads)], related("ghi"), THIRDS), "abcdefghi") == "000111222"


def test_a_related_thread_without_samples_leaves_none_out() -> None:
    threads = [(name, day, 1) for day, name in enumerate("bcdefghi")]
    assert "-" not in parts(cut([begun(*threads)], related("ai"), THIRDS), "bcdefghi")


def test_of_no_threads_there_is_nothing_to_cut() -> None:
    for found in (cut([begun()], ALONE, THIRDS), cut([begun(), begun()], related("ab"), THIRDS)):
        assert found.later.is_empty()
        assert found.undated == 0


def test_what_is_read_of_a_bucket_are_threads_with_replies_to_learn(tmp_path: Path) -> None:
    later = MAY + datetime.timedelta(days=1)
    posts = judged_posts(
        [
            {"thread_id": "a", "id": "t3_a", "parent_id": None, "created_at": MAY},
            {"thread_id": "a", "parent_id": "t3_a", "created_at": later},
            {"thread_id": "a", "parent_id": "t3_a", "created_at": None},
            {"thread_id": "a", "parent_id": "t3_a", "created_at": later, "target_reasons": ["length"]},
            {"thread_id": "b", "id": "t3_b", "parent_id": None, "created_at": MAY},
            {"thread_id": "c", "parent_id": "t3_c", "created_at": later},
            {"thread_id": "d", "parent_id": "t3_d", "created_at": None},
        ]
    )
    found = read_begun(write_judged(tmp_path / "judged", posts), 0).sort("thread_id")
    assert found.equals(pl.DataFrame([("a", MAY, 2), ("c", later, 1), ("d", None, 1)], SCHEMA, orient="row"))


THREADS = st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 9)), st.integers(1, 9)), min_size=1, max_size=30)
GROUPS = st.lists(st.integers(0, 5), min_size=30, max_size=30)


@given(THREADS, GROUPS, st.sampled_from([THIRDS, (0.9, 0.05, 0.05), (0.5, 0.5, 0.0), (0.2, 0.0, 0.8)]), st.booleans())
def test_nothing_is_held_out_that_began_before_what_is_learned(
    threads: list[tuple[int | None, int]], kinds: list[int], shares: tuple[float, float, float], grouped: bool
) -> None:
    names = [f"t{place:02}" for place in range(len(threads))]
    table = begun(*((name, day, samples) for name, (day, samples) in zip(names, threads, strict=True)))
    groups: dict[int, list[str]] = {}
    for name, kind in zip(names, kinds, strict=False):
        groups.setdefault(kind, []).append(name)
    rows = [(name, min(group)) for group in groups.values() for name in group if grouped and len(group) > 1]
    like = Related(pl.DataFrame(rows, {"thread_id": pl.String, "group": pl.String}, orient="row"))
    found = cut([table], like, shares)
    later: dict[str, int | None] = dict(found.later.iter_rows())
    part = {name: later.get(name, 0) for name in names}
    assert 0 in part.values()
    days = {name: -1 if day is None else day for name, (day, _) in zip(names, threads, strict=True)}
    held = [(place, days[name]) for name, place in part.items() if place is not None]
    assert all(day <= other for place, day in held for another, other in held if place < another)
    assert all(part[name] == 0 for name, day in days.items() if day == -1)
    if grouped:
        assert all(len({part[name] for name in group} - {None}) == 1 for group in groups.values())
    else:
        assert None not in part.values()
    pieces = [table[place : place + 3] for place in range(0, len(names), 3)]
    assert cut(reversed(pieces), like, shares).later.sort("thread_id").equals(found.later.sort("thread_id"))
