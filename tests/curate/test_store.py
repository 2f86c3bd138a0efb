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
        writer = store.PostWriter(folder, buckets, number)
        writer.add(table)
        writer.flush()


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


@pytest.mark.parametrize(("size", "buckets"), [(0, 1), (1, 1), (25_000_000, 1), (100_000_000, 2), (1_000_000_000, 32)])
def test_a_bucket_is_meant_for_less_than_a_million_rows(size: int, buckets: int) -> None:
    assert store.buckets_for(size) == buckets
    assert size * store.ZSTD_RATIO / store.BYTES_PER_ROW / buckets < 1_000_000


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


def test_parts_are_written_when_enough_rows_wait_and_read_in_the_order_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "ROWS_PER_PART", 3)
    writer = store.PostWriter(tmp_path, 1, 7)
    for row in range(8):
        writer.add(posts((f"t1_{row}", "t3_s", row)))
    assert len(list(tmp_path.rglob("*.parquet"))) == 2
    writer.flush()
    writer.flush()
    assert [part.name for part in sorted(tmp_path.rglob("*.parquet"))] == [f"part-0007-0000{part}.parquet" for part in range(3)]
    assert store.read_bucket(tmp_path, 0)["source_row"].to_list() == list(range(8))


def test_a_file_that_is_written_again_replaces_its_parts_and_no_others(tmp_path: Path) -> None:
    write(tmp_path, posts(("t1_a", "t3_s", 1)), posts(("t1_b", "t3_s", 1), ("t1_c", "t3_s", 2)))
    writer = store.PostWriter(tmp_path, 1, 1)
    assert store.read_bucket(tmp_path, 0)["id"].to_list() == ["t1_a"]
    writer.add(posts(("t1_d", "t3_s", 1)))
    writer.flush()
    assert store.read_bucket(tmp_path, 0)["id"].to_list() == ["t1_a", "t1_d"]


def test_the_first_post_of_an_id_stays_and_the_others_are_dropped_and_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        posts(("t1_a", "t3_s", 1), ("t1_b", "t3_s", 2), ("t1_a", "t3_s", 3)),
        posts(("t1_b", "t3_s", 1), ("t1_c", "t3_s", 2), ("t1_c", "t3_s", 3), ("t1_a", "t3_s", 4)),
    )
    found = store.repeats(tmp_path, 0)
    assert found.select("id", "source_row").rows() == [("t1_a", 3), ("t1_b", 1), ("t1_c", 3), ("t1_a", 4)]
    store.drop(tmp_path, 0, found["at"])
    assert store.read_bucket(tmp_path, 0).select("id", "source_row").rows() == [("t1_a", 1), ("t1_b", 2), ("t1_c", 2)]
    assert store.repeats(tmp_path, 0).is_empty()


def test_a_file_read_twice_keeps_its_posts_once(tmp_path: Path) -> None:
    """The repeat has the file and the row of the one that stays."""
    table = posts(("t1_a", "t3_s", 1), ("t1_b", "t3_s", 2))
    write(tmp_path, table, table)
    store.drop(tmp_path, 0, store.repeats(tmp_path, 0)["at"])
    assert store.read_bucket(tmp_path, 0)["id"].to_list() == ["t1_a", "t1_b"]


def test_a_part_without_repeats_is_not_written_again(tmp_path: Path) -> None:
    write(tmp_path, posts(("t1_a", "t3_s", 1)), posts(("t1_a", "t3_s", 1), ("t1_b", "t3_s", 2)))
    first, second = sorted(tmp_path.rglob("*.parquet"))
    before = (first.stat().st_ino, second.stat().st_ino)
    store.drop(tmp_path, 0, store.repeats(tmp_path, 0)["at"])
    assert first.stat().st_ino == before[0]
    assert second.stat().st_ino != before[1]


@given(st.lists(st.integers(0, 6), max_size=25))
def test_dropping_repeats_leaves_each_id_once_in_the_order_of_its_first(tmp_path_factory: pytest.TempPathFactory, ids: list[int]) -> None:
    folder = tmp_path_factory.mktemp("store")
    table = posts(*((f"t1_{post}", "t3_s", row) for row, post in enumerate(ids)))
    write(folder, table[:5], table[5:10], table[10:])
    for bucket in store.bucket_numbers(folder):
        found = store.repeats(folder, bucket)
        store.drop(folder, bucket, found["at"])
        left = store.read_bucket(folder, bucket)
        assert left["id"].to_list() == [f"t1_{post}" for post in dict.fromkeys(ids)]
        assert sorted([*left["source_row"], *found["source_row"]]) == list(range(len(ids)))


def test_a_column_can_be_read_alone(tmp_path: Path) -> None:
    write(tmp_path, posts(("t1_a", "t3_s", 1)))
    assert store.read_bucket(tmp_path, 0, ["id", "score"]).to_dicts() == [{"id": "t1_a", "score": None}]


@pytest.mark.parametrize("name", ["posts [1]", "posts*", "bucket=3", "pösts ☕"])
def test_any_name_of_a_folder_will_do(tmp_path: Path, name: str) -> None:
    table = posts(("t1_a", "t3_s", 1), ("t1_a", "t3_s", 2))
    write(tmp_path / name, table)
    store.drop(tmp_path / name, 0, store.repeats(tmp_path / name, 0)["at"])
    assert store.read_bucket(tmp_path / name, 0)["source_row"].to_list() == [1]
    assert store.bucket_numbers(tmp_path / name) == [0]


def test_what_was_stopped_while_it_wrote_is_no_part(tmp_path: Path, stopped_before: Callable) -> None:
    writer = store.PostWriter(tmp_path, 1, 0)
    writer.add(posts(("t1_a", "t3_s", 1)))
    with stopped_before(1, tmp_path) as stop:  # 0 makes the folder, 1 is the renaming
        writer.flush()
    assert stop.happened
    assert store.bucket_numbers(tmp_path) == []
