import threading
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import store
from curate.posts import POSTS


def posts(*rows: tuple[str, str, int]) -> pl.DataFrame:
    """Of (id, thread, row), in the posts schema."""
    known = pl.DataFrame(rows, schema={"id": pl.String, "thread_id": pl.String, "source_row": pl.Int64}, orient="row")
    return known.with_columns(pl.lit("f").alias("source_file")).select(
        (pl.col(name) if name in (*known.columns, "source_file") else pl.lit(None)).cast(dtype).alias(name) for name, dtype in POSTS.items()
    )


def write(folder: Path, *files: pl.DataFrame, buckets: int = 1) -> None:
    for number, table in enumerate(files):
        with store.PostWriter(folder, buckets, number) as writer:
            writer.add(table)


@pytest.mark.parametrize(
    ("buckets", "expected"), [(1, [0, 0, 0, 0, 0, 0]), (2, [0, 1, 1, 0, 1, 1]), (8, [2, 3, 3, 0, 1, 1]), (64, [42, 11, 3, 24, 17, 17])]
)
def test_the_bucket_of_a_thread_is_the_same_on_every_machine_and_in_every_version(buckets: int, expected: list[int]) -> None:
    threads = pl.Series(["t3_kettle", "t3_1abc", "t3_zzzzzz", "t3_0", "hn_1", "t3_é"])
    assert store.bucket_of(threads, buckets).to_list() == expected


def test_twice_the_buckets_split_each_bucket_in_two() -> None:
    threads = pl.Series([f"t3_{number:x}" for number in range(2000)])
    assert (store.bucket_of(threads, 16) % 8 == store.bucket_of(threads, 8)).all()


def test_buckets_are_of_like_size() -> None:
    threads = pl.Series([f"t3_{number:x}" for number in range(20_000)])
    sizes = store.bucket_of(threads, 8).value_counts()["count"]
    assert len(sizes) == 8
    assert sizes.min() > 2500 * 0.9
    assert sizes.max() < 2500 * 1.1


@pytest.mark.parametrize(
    ("json_bytes", "buckets"),
    [(0, 1), (1, 1), (650_000_000, 1), (650_000_001, 2), (1_300_000_000, 2), (1_300_000_001, 4), (40_000_000_000, 64)],
)
def test_a_bucket_is_meant_for_half_a_million_rows(json_bytes: int, buckets: int) -> None:
    assert store.buckets_for(json_bytes) == buckets
    assert json_bytes / store.BYTES_PER_ROW / buckets <= store.ROWS_PER_BUCKET


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), max_size=30), st.sampled_from([1, 2, 8]))
def test_every_post_lies_in_the_bucket_of_its_thread_and_none_is_lost(
    tmp_path_factory: pytest.TempPathFactory, keys: list[tuple[int, int]], buckets: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    table = posts(*((f"t1_{post}", f"t3_{thread}", row) for row, (post, thread) in enumerate(keys)))
    write(folder, table[:7], table[7:], buckets=buckets)
    found = {bucket: store.read_bucket(folder, bucket) for bucket in store.bucket_numbers(folder)}
    for bucket, rows in found.items():
        assert set(store.bucket_of(rows["thread_id"], buckets)) == {bucket}
        assert rows.schema == pl.Schema(POSTS)
        assert rows["source_row"].is_sorted()
    assert sorted(row for rows in found.values() for row in rows["source_row"]) == list(range(len(keys)))


def many(first: int, count: int) -> pl.DataFrame:
    rows = pl.int_range(first, first + count, eager=True)
    return posts().clear(count).with_columns(rows.alias("source_row"), ("t1_" + rows.cast(pl.String)).alias("id"), thread_id=pl.lit("t3_s"))


def test_parts_are_written_when_enough_rows_wait_and_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    with store.PostWriter(tmp_path, 1, 7) as writer:
        for turn in range(5):
            writer.add(many(turn * 30_000, 30_000))
    parts = [(part.name, pl.scan_parquet(part).select(pl.len()).collect().item()) for part in sorted(tmp_path.rglob("*.parquet"))]
    assert parts == [("part-0007-00000.parquet", 60_000), ("part-0007-00001.parquet", 60_000), ("part-0007-00002.parquet", 30_000)]
    assert store.read_bucket(tmp_path, 0)["source_row"].to_list() == list(range(150_000))


def test_parts_are_written_when_few_rows_are_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BYTES_PER_PART", 1 << 20)
    with store.PostWriter(tmp_path, 1, 0) as writer:
        for row in range(5):
            writer.add(posts((f"t1_{row}", "t3_s", row)).with_columns(text=pl.lit("tea " * (150 << 10))))
    heights = [pl.scan_parquet(part).select(pl.len()).collect().item() for part in sorted(tmp_path.rglob("*.parquet"))]
    assert heights == [2, 2, 1]
    assert store.read_bucket(tmp_path, 0)["source_row"].to_list() == [0, 1, 2, 3, 4]


def test_a_writer_that_gets_no_post_writes_none(tmp_path: Path) -> None:
    with store.PostWriter(tmp_path, 4, 0) as writer:
        writer.add(posts())
    assert list(tmp_path.iterdir()) == []


def test_what_waits_when_reading_fails_is_not_written_and_the_failure_is_told(tmp_path: Path) -> None:
    before = set(threading.enumerate())

    def fail() -> None:
        with store.PostWriter(tmp_path, 1, 0) as writer:
            writer.add(posts(("t1_a", "t3_s", 1)))
            raise RuntimeError("no more tea")

    with pytest.raises(RuntimeError, match="no more tea"):
        fail()
    assert list(tmp_path.iterdir()) == []
    assert set(threading.enumerate()) == before


def test_a_part_that_cannot_be_written_is_told_by_the_next_call(tmp_path: Path) -> None:
    (tmp_path / "bucket=0000").write_text("in the way")
    before = set(threading.enumerate())

    def fail() -> None:
        with store.PostWriter(tmp_path, 1, 0) as writer:
            writer.add(many(0, 60_000))
            writer.add(many(60_000, 60_000))
            raise AssertionError("the second part was taken though the first could not be written")

    with pytest.raises(OSError, match="bucket=0000"):
        fail()
    assert set(threading.enumerate()) == before


def test_a_file_that_is_written_again_replaces_its_parts_and_no_others(tmp_path: Path) -> None:
    write(tmp_path, posts(("t1_a", "t3_s", 1)), posts(("t1_b", "t3_s", 1), ("t1_c", "t3_s", 2)))
    with store.PostWriter(tmp_path, 1, 1) as writer:
        assert store.read_bucket(tmp_path, 0)["id"].to_list() == ["t1_a"]
        writer.add(posts(("t1_d", "t3_s", 1)))
    assert store.read_bucket(tmp_path, 0)["id"].to_list() == ["t1_a", "t1_d"]


def test_dropped_rows_are_counted_through_the_parts_of_a_bucket(tmp_path: Path) -> None:
    write(
        tmp_path,
        posts(("t1_a", "t3_s", 1), ("t1_b", "t3_s", 2), ("t1_c", "t3_s", 3)),
        posts(("t1_d", "t3_s", 1), ("t1_e", "t3_s", 2)),
    )
    store.drop(tmp_path, 0, pl.Series([0, 2, 4]))
    assert store.read_bucket(tmp_path, 0)["id"].to_list() == ["t1_b", "t1_d"]


def test_a_part_that_loses_nothing_is_not_written_again(tmp_path: Path) -> None:
    write(tmp_path, posts(("t1_a", "t3_s", 1)), posts(("t1_a", "t3_s", 1), ("t1_b", "t3_s", 2)))
    first, second = sorted(tmp_path.rglob("*.parquet"))
    before = (first.stat().st_ino, second.stat().st_ino)
    store.drop(tmp_path, 0, pl.Series([1]))
    assert first.stat().st_ino == before[0]
    assert second.stat().st_ino != before[1]


@given(st.integers(0, 25), st.sets(st.integers(0, 24)))
def test_dropping_leaves_the_others_in_their_order(tmp_path_factory: pytest.TempPathFactory, count: int, rows: set[int]) -> None:
    folder = tmp_path_factory.mktemp("store")
    table = posts(*((f"t1_{row}", "t3_s", row) for row in range(count)))
    write(folder, table[:5], table[5:10], table[10:])
    for bucket in store.bucket_numbers(folder):
        store.drop(folder, bucket, pl.Series(sorted(rows), dtype=pl.Int64))
        assert store.read_bucket(folder, bucket)["source_row"].to_list() == [row for row in range(count) if row not in rows]


def test_a_column_can_be_read_alone(tmp_path: Path) -> None:
    write(tmp_path, posts(("t1_a", "t3_s", 1)))
    assert store.read_bucket(tmp_path, 0, ["id", "score"]).to_dicts() == [{"id": "t1_a", "score": None}]


@pytest.mark.parametrize("name", ["posts [1]", "posts*", "bucket=3", "pösts ☕"])
def test_any_name_of_a_folder_will_do(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, posts(("t1_a", "t3_s", 1), ("t1_b", "t3_s", 2)))
    store.drop(tmp_path / name, 0, pl.Series([1]))
    assert store.read_bucket(tmp_path / name, 0)["source_row"].to_list() == [1]
    assert store.bucket_numbers(tmp_path / name) == [0]


def test_what_was_stopped_while_it_wrote_is_no_part(tmp_path: Path, stopped_before: Callable) -> None:
    table = posts(("t1_a", "t3_s", 1))
    with stopped_before(1, tmp_path) as stop, store.PostWriter(tmp_path, 1, 0) as writer:  # 0 makes the folder, 1 is the renaming
        writer.add(table)
    assert stop.happened
    assert store.bucket_numbers(tmp_path) == []
