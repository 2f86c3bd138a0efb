import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import store
from curate.drops import REPEATED, Dropped, drop_superfluous
from curate.forgetting.forgotten import Forgotten
from curate.posts import POSTS

Row = tuple[str, int | None]
"""A post's id, and the second when it was retrieved."""


def posts(file: int, rows: list[Row], author: str = "mabel") -> pl.DataFrame:
    """In the posts schema; ids that begin with s are submissions."""
    known = {
        "id": [name for name, _ in rows],
        "thread_id": ["t3_s"] * len(rows),
        "kind": ["submission" if name.startswith("s") else "comment" for name, _ in rows],
        "author": [author] * len(rows),
        "retrieved_at": pl.Series([None if second is None else second * 1000 for second in (s for _, s in rows)], dtype=pl.Int64).cast(
            POSTS["retrieved_at"]
        ),
        "source_file": [f"{file}.ndjson"] * len(rows),
        "source_row": list(range(1, len(rows) + 1)),
    }
    return pl.DataFrame({name: known.get(name, [None] * len(rows)) for name in POSTS}, schema=POSTS)


def write(folder: Path, *files: list[Row]) -> None:
    for number, rows in enumerate(files):
        with store.PostWriter(folder, 1, number) as writer:
            writer.add(posts(number, rows))


def left(folder: Path) -> list[tuple[str, str, int]]:
    return store.read_bucket(folder, 0).select("id", "source_file", "source_row").rows()


def repeats(folder: Path) -> list[tuple[str, int, str]]:
    entries = [json.loads(line) for line in (folder / REPEATED).read_text().splitlines()]
    return [(entry["file"], entry["row"], entry["reason"]) for entry in entries]


def test_where_every_id_is_there_once_nothing_is_dropped_or_rewritten(tmp_path: Path) -> None:
    write(tmp_path, [("a", 1), ("b", None)], [("c", 1)])
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*.parquet")}
    assert drop_superfluous(tmp_path, Forgotten()) == Dropped(repeated=0, replaced=0, forgotten=0, comments=0)
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*.parquet")} == before
    assert repeats(tmp_path) == []


@pytest.mark.parametrize(
    ("files", "stays", "repeated", "replaced"),
    [
        ([[("a", 1), ("a", 1)]], ("0.ndjson", 1), [("0.ndjson", 2)], 0),
        ([[("a", 1)], [("a", 2)]], ("1.ndjson", 1), [], 1),
        ([[("a", 2)], [("a", 1)]], ("0.ndjson", 1), [], 1),
        ([[("a", None)], [("a", 1)]], ("1.ndjson", 1), [], 1),
        ([[("a", 1)], [("a", None)]], ("0.ndjson", 1), [], 1),
        ([[("a", None)], [("a", None)]], ("0.ndjson", 1), [("1.ndjson", 1)], 0),
        ([[("a", 1)], [("a", 2)], [("a", 2)]], ("1.ndjson", 1), [("2.ndjson", 1)], 1),
        ([[("a", 1)], [("a", 1)], [("a", 2)]], ("2.ndjson", 1), [("1.ndjson", 1)], 1),
        ([[("a", 2)], [("a", 1)], [("a", 1)], [("a", 2)]], ("0.ndjson", 1), [("3.ndjson", 1)], 2),
        ([[("a", 1)], [("a", 1)], []], ("0.ndjson", 1), [("1.ndjson", 1)], 0),  # a file read twice: its lineage is the same
    ],
)
def test_the_record_retrieved_last_stays_and_of_equal_ones_the_first(
    tmp_path: Path, files: list[list[Row]], stays: tuple[str, int], repeated: list[tuple[str, int]], replaced: int
) -> None:
    write(tmp_path, *files)
    assert drop_superfluous(tmp_path, Forgotten()) == Dropped(len(repeated), replaced, 0, len(repeated) + replaced)
    assert left(tmp_path) == [("a", *stays)]
    assert repeats(tmp_path) == [(file, row, "the id a came before") for file, row in repeated]


def test_a_file_whose_rows_have_the_same_lineage_keeps_them_once(tmp_path: Path) -> None:
    for number in range(2):
        with store.PostWriter(tmp_path, 1, number) as writer:
            writer.add(posts(0, [("a", 1), ("b", 1)]))
    assert drop_superfluous(tmp_path, Forgotten()) == Dropped(2, 0, 0, 2)
    assert left(tmp_path) == [("a", "0.ndjson", 1), ("b", "0.ndjson", 2)]


def test_what_is_forgotten_goes_with_all_its_records_and_is_counted_apart(tmp_path: Path) -> None:
    write(tmp_path, [("a", 1), ("b", 1), ("s1", 1)], [("a", 2), ("b", 1), ("s1", 1)])
    with store.PostWriter(tmp_path, 1, 2) as writer:
        writer.add(posts(2, [("c", 1), ("d", 1)], author="Odo"))
    dropped = drop_superfluous(tmp_path, Forgotten().with_more(["a", "s1", "never seen"], ["oDO"]))
    assert dropped == Dropped(repeated=1, replaced=0, forgotten=6, comments=5)
    assert left(tmp_path) == [("b", "0.ndjson", 2)]
    assert repeats(tmp_path) == [("1.ndjson", 2, "the id b came before")]


records = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([None, 1, 2, 3])), max_size=14)


@given(st.lists(records, min_size=1, max_size=3), st.sets(st.sampled_from("abcd"), max_size=2))
def test_one_record_of_each_id_is_left_and_every_other_has_one_reason(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[Row]], gone: set[str]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    write(folder, *files)
    if not store.bucket_numbers(folder):
        return
    dropped = drop_superfluous(folder, Forgotten(ids=frozenset(gone)))
    everything = [(name, second, f"{file}.ndjson", row + 1) for file, rows in enumerate(files) for row, (name, second) in enumerate(rows)]
    best: dict[str, tuple[str, int]] = {}
    newest: dict[str, int] = {}
    repeated = 0
    for name, second, file, row in everything:
        if name in gone:
            continue
        if name not in newest or (second or 0) > newest[name]:
            newest[name], best[name] = second or 0, (file, row)
        elif (second or 0) == newest[name]:
            repeated += 1
    assert sorted(left(folder)) == sorted((name, *place) for name, place in best.items())
    forgotten = sum(name in gone for name, *_ in everything)
    replaced = len(everything) - len(best) - forgotten - repeated
    assert (dropped.repeated, dropped.replaced, dropped.forgotten) == (repeated, replaced, forgotten)
    assert len(repeats(folder)) == repeated


@given(records, st.integers(0, 14))
def test_dropping_in_two_goes_counts_what_dropping_at_once_counts(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], cut: int
) -> None:
    """So an import of one file after the other is one of both."""
    at_once, first, second = (tmp_path_factory.mktemp(name) for name in ("once", "first", "second"))
    write(at_once, rows[:cut], rows[cut:])
    write(first, rows[:cut])
    counts = [drop_superfluous(first, Forgotten())]
    with store.PostWriter(second, 1, 0) as writer:
        if store.bucket_numbers(first):
            writer.add(store.read_bucket(first, 0))
    with store.PostWriter(second, 1, 1) as writer:
        writer.add(posts(1, rows[cut:]))
    counts.append(drop_superfluous(second, Forgotten()))
    whole = drop_superfluous(at_once, Forgotten())
    assert whole == Dropped(*(sum(getattr(count, name) for count in counts) for name in ("repeated", "replaced", "forgotten", "comments")))
    if rows:
        assert left(second) == left(at_once)


def test_stopped_before_any_change_the_counts_are_the_same(tmp_path: Path, stopped_before: Callable[..., Any]) -> None:
    files = [[("a", 1), ("b", 1), ("c", 1)], [("a", 2), ("b", 1), ("s1", 1)], [("a", 1), ("s1", None), ("c", 1)]]
    write(tmp_path / "whole", *files)
    whole = drop_superfluous(tmp_path / "whole", Forgotten(ids=frozenset("c")))
    for number in range(100):
        folder = tmp_path / str(number)
        write(folder, *files)
        with stopped_before(number, folder) as stop:
            drop_superfluous(folder, Forgotten(ids=frozenset("c")))
        if not stop.happened:
            break
        assert drop_superfluous(folder, Forgotten(ids=frozenset("c"))) == whole
        assert (left(folder), repeats(folder)) == (left(tmp_path / "whole"), repeats(tmp_path / "whole"))
    assert number > 4
