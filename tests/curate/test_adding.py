"""Importing into a folder that holds posts: what is there stays, newer records replace older ones, and the account stays whole."""

import datetime
import gzip
import itertools
import json
import os
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate import store
from curate.forget import forget
from curate.forgetting.forgotten import Forgotten
from curate.gather import Gathered, import_files, import_table
from curate.sources.source import Wanted
from formats.errors import UserError

Record = dict[str, Any]
Make = Callable[..., Record]
Dump = Callable[..., Path]


def table(out: Path) -> pl.DataFrame:
    return pl.concat(store.read_bucket(out, bucket) for bucket in store.bucket_numbers(out)).sort("id")


def rejects(out: Path) -> list[tuple[str, int, str]]:
    entries = [json.loads(line) for line in (out / "rejects.jsonl").read_text("utf-8").split("\n")[:-1]]
    return sorted(
        (Path(entry["file"]).name, entry["row"] + more, entry["reason"]) for entry in entries for more in range(entry.get("rows", 1))
    )


def check_account(gathered: Gathered, out: Path) -> None:
    gone = gathered.rejects + gathered.replaced + gathered.forgotten + gathered.not_asked_for
    assert gathered.lines == gathered.posts + gone
    posts = table(out)
    assert posts["id"].is_unique().all()
    assert (gathered.posts, gathered.comments) == (posts.height, (posts["kind"] == "comment").sum())
    assert gathered.rejects == len(rejects(out))


def add(files: Sequence[Path], out: Path, wanted: Wanted | None = None) -> Gathered:
    gathered = import_files(files, out, wanted, add=True)
    check_account(gathered, out)
    return gathered


def stamps(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_second_file_is_added_to_the_first(tmp_path: Path, comment: Make, submission: Make, dump: Dump) -> None:
    first = dump(submission(), comment("c1"), b"bad", name="a.ndjson")
    second = dump(comment("c2"), comment("c1"), b"worse", name="b.ndjson")
    assert add([first], tmp_path / "posts") == Gathered(lines=3, posts=2, comments=1, submissions=1, rejects=1, not_asked_for=0)
    both = add([second], tmp_path / "posts")
    assert both == Gathered(lines=6, posts=3, comments=2, submissions=1, rejects=3, not_asked_for=0, files=2)
    assert table(tmp_path / "posts").select("id", "source_row").rows() == [("t1_c1", 2), ("t1_c2", 1), ("t3_s1", 1)]
    assert rejects(tmp_path / "posts") == [
        ("a.ndjson", 3, "not JSON: Expecting value"),
        ("b.ndjson", 2, "the id t1_c1 came before"),
        ("b.ndjson", 3, "not JSON: Expecting value"),
    ]


def test_files_that_are_there_are_not_read_again(tmp_path: Path, comment: Make, dump: Dump) -> None:
    first, second = dump(comment("c1"), name="a.ndjson"), dump(comment("c2"), name="b.ndjson")
    import_files([first], tmp_path / "posts", add=True)
    read: list[str] = []
    import_files([first, second], tmp_path / "posts", progress=lambda what, done, total: read.append(what), add=True)
    assert read == ["import b.ndjson"]
    first.unlink()
    third = dump(comment("c3"), name="c.ndjson")
    assert add([third], tmp_path / "posts").posts == 3, "a file that is there already may have gone"


def test_the_same_file_twice_changes_nothing(tmp_path: Path, comment: Make, dump: Dump) -> None:
    path, other = dump(comment("c1"), b"bad", comment("c1")), dump(comment("c2"), name="other.ndjson")
    first = add([path, other], tmp_path / "posts")
    before = stamps(tmp_path / "posts")
    assert add([path], tmp_path / "posts") == first
    assert add([other, path], tmp_path / "posts") == first
    assert stamps(tmp_path / "posts") == before


def test_without_add_the_folder_holds_these_files_alone(tmp_path: Path, comment: Make, dump: Dump) -> None:
    first, second = dump(comment("c1"), name="a.ndjson"), dump(comment("c2"), name="b.ndjson")
    import_files([first], tmp_path / "posts")
    assert import_files([second], tmp_path / "posts").posts == 1
    assert table(tmp_path / "posts")["id"].to_list() == ["t1_c2"]


@pytest.mark.parametrize("newer_first", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_a_newer_archive_of_a_month_keeps_the_newer_record(
    tmp_path: Path, comment: Make, dump: Dump, newer_first: bool, at_once: bool
) -> None:
    old = dump(
        comment("c1", body="Before.", score=1, retrieved_on=1_700_000_000), comment("c2", retrieved_on=1_700_000_000),
        comment("c3", body="Undated."), comment("c4"), name="old.ndjson",
    )  # fmt: skip
    new = dump(
        comment("c1", body="After.", score=9, retrieved_on=1_700_100_000), comment("c2", retrieved_on=1_700_000_000),
        comment("c3", body="Dated.", retrieved_utc=1_700_000_000), comment("c4"), comment("c5"), name="new.ndjson",
    )  # fmt: skip
    files = [new, old] if newer_first else [old, new]
    for group in [files] if at_once else [[path] for path in files]:
        gathered = add(group, tmp_path / "posts")
    assert gathered == Gathered(lines=9, posts=5, comments=5, submissions=0, rejects=2, not_asked_for=0, replaced=2, files=2)
    first, second = (path.name for path in files)
    assert [(row[0], row[1], Path(row[2]).name) for row in table(tmp_path / "posts").select("id", "text", "source_file").rows()] == [
        ("t1_c1", "After.", "new.ndjson"),
        ("t1_c2", "A kettle answers kettle c2.", first),
        ("t1_c3", "Dated.", "new.ndjson"),
        ("t1_c4", "A kettle answers kettle c4.", first),
        ("t1_c5", "A kettle answers kettle c5.", "new.ndjson"),
    ]
    assert rejects(tmp_path / "posts") == [(second, 2, "the id t1_c2 came before"), (second, 4, "the id t1_c4 came before")]


def test_a_file_that_changed_leads_to_all_being_read_again(tmp_path: Path, comment: Make, dump: Dump) -> None:
    first, second = dump(comment("c1"), comment("c2"), name="a.ndjson"), dump(comment("c3"), name="b.ndjson")
    add([first, second], tmp_path / "posts")
    dump(comment("c1"), comment("c9"), comment("c8"), name="a.ndjson")
    read: list[str] = []
    gathered = import_files([first], tmp_path / "posts", progress=lambda what, done, total: read.append(what), add=True)
    assert sorted(read) == ["import a.ndjson", "import b.ndjson"]
    assert (gathered.lines, gathered.posts, gathered.files) == (4, 4, 2)
    assert table(tmp_path / "posts")["id"].to_list() == ["t1_c1", "t1_c3", "t1_c8", "t1_c9"]


def test_a_file_that_vanished_is_missed_only_where_all_must_be_read_again(tmp_path: Path, comment: Make, dump: Dump) -> None:
    first, second = dump(comment("c1"), name="a.ndjson"), dump(comment("c2"), name="b.ndjson")
    add([first, second], tmp_path / "posts")
    before = stamps(tmp_path / "posts")
    first.unlink()
    dump(comment("c2"), comment("c3"), name="b.ndjson")
    with pytest.raises(UserError) as told:
        import_files([second], tmp_path / "posts", add=True)
    assert str(told.value) == (
        f"{tmp_path / 'posts'}: was made from {first} too. Other files changed, so that all must be read again, and this one is not "
        "there: bring it back, or name another folder with --out"
    )
    assert stamps(tmp_path / "posts") == before


def test_another_community_of_the_same_file_is_added_to_the_first(tmp_path: Path, comment: Make, dump: Dump) -> None:
    path = dump(*(comment(f"c{number}", subreddit=("KettleCourt", "Teapots", "Elsewhere")[number % 3]) for number in range(9)))
    add([path], tmp_path / "posts", Wanted(("KettleCourt",)))
    gathered = add([path], tmp_path / "posts", Wanted(("Teapots",)))
    assert (gathered.lines, gathered.posts, gathered.not_asked_for, gathered.files) == (18, 6, 12, 2)
    assert set(table(tmp_path / "posts")["community"]) == {"KettleCourt", "Teapots"}


def test_what_holds_nothing_of_what_was_asked_for_is_told_and_not_added(tmp_path: Path, comment: Make, dump: Dump) -> None:
    path = dump(comment("c1"))
    add([path], tmp_path / "posts")
    before = stamps(tmp_path / "posts")
    with pytest.raises(UserError, match=r"dump\.ndjson: 1 lines, and none of them is of Teapots; check the name and the days"):
        import_files([path], tmp_path / "posts", Wanted(("Teapots",)), add=True)
    assert stamps(tmp_path / "posts") == before


def test_more_posts_than_the_buckets_are_meant_for_lead_to_more_buckets(
    tmp_path: Path, comment: Make, dump: Dump, rows_per_bucket: Callable[[float], None]
) -> None:
    rows_per_bucket(100)
    files = [dump(*(comment(f"{part}x{n}", thread=f"s{n}") for n in range(60)), name=f"{part}.ndjson") for part in range(6)]
    buckets, lines_read = [], []
    for path in files:
        read: list[int] = []
        gathered = import_files([path], tmp_path / "posts", progress=lambda what, done, total: read.append(done), add=True)  # noqa: B023
        check_account(gathered, tmp_path / "posts")
        buckets.append(gathered.buckets)
        lines_read.append(sum(read))
    assert buckets[0] < buckets[-1]
    assert any(before == after for before, after in itertools.pairwise(buckets)), "not with every file"
    assert lines_read == [60] * 6, "what is there is spread, not read again"
    held = [store.read_bucket(tmp_path / "posts", bucket) for bucket in store.bucket_numbers(tmp_path / "posts")]
    assert max(bucket.height for bucket in held) <= store.SLACK * store.ROWS_PER_BUCKET
    assert sum(bucket["thread_id"].n_unique() for bucket in held) == 60, "no thread is in two buckets"
    assert table(tmp_path / "posts").height == 360


def test_what_was_forgotten_never_comes_back_and_is_counted(tmp_path: Path, comment: Make, dump: Dump) -> None:
    first = dump(comment("c1"), comment("c2", author="Odo"), comment("c3"), name="a.ndjson")
    add([first], tmp_path / "posts")
    forget(tmp_path / "posts", ids=["t1_c1"], authors=["odo"])
    second = dump(comment("c1"), comment("c4", author="oDo"), comment("c5"), name="b.ndjson")
    gathered = add([second], tmp_path / "posts")
    assert (gathered.lines, gathered.posts, gathered.forgotten, gathered.rejects) == (6, 2, 4, 0)
    assert table(tmp_path / "posts")["id"].to_list() == ["t1_c3", "t1_c5"]
    dump(comment("c1"), comment("c2", author="Odo"), comment("c3"), comment("c6"), name="a.ndjson")
    gathered = add([first], tmp_path / "posts")
    assert (gathered.lines, gathered.posts, gathered.forgotten) == (7, 3, 4)
    assert table(tmp_path / "posts")["id"].to_list() == ["t1_c3", "t1_c5", "t1_c6"]


def test_after_forgetting_files_are_added_without_reading_the_others_again(tmp_path: Path, comment: Make, dump: Dump) -> None:
    first = dump(comment("c1"), comment("c2"), name="a.ndjson")
    add([first], tmp_path / "posts")
    forget(tmp_path / "posts", ids=["t1_c1"])
    first.unlink()
    gathered = add([dump(comment("c3"), name="b.ndjson")], tmp_path / "posts")
    assert (gathered.lines, gathered.posts, gathered.forgotten) == (3, 2, 1)


def test_all_may_be_forgotten(tmp_path: Path, comment: Make, dump: Dump) -> None:
    (tmp_path / "posts").mkdir()
    path = dump(comment("c1", author="Odo"))
    import_files([path], tmp_path / "posts")
    Forgotten().with_more(authors=["Odo"]).write(tmp_path / "posts")
    os.utime(path, (1, 1))
    gathered = import_files([path], tmp_path / "posts", add=True)
    assert (gathered.lines, gathered.posts, gathered.forgotten) == (1, 0, 1)
    assert store.bucket_numbers(tmp_path / "posts") == [] or table(tmp_path / "posts").is_empty()


def test_tables_in_memory_are_added_one_after_the_other(tmp_path: Path) -> None:
    """Python gives the next table the address of one that is gone."""
    for number in range(4):
        frame = pl.DataFrame(
            {"id": [f"a{number}", f"b{number}"], "thread_id": ["t", "t"], "parent_id": [None, "a0"], "text": ["Tea?", "Tea."]}
        )
        gathered = import_table(frame, tmp_path / "posts", add=True)
        del frame
        assert gathered.posts == 2 * (number + 1)
    assert table(tmp_path / "posts")["id"].to_list() == [f"{letter}{number}" for letter in "ab" for number in range(4)]


entries = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 9), st.sampled_from([None, 1, 2, 3]), st.sampled_from(["KettleCourt", "Elsewhere"])),
        st.sampled_from([b"", b"{", b'{"id": "x"}']),
    ),
    max_size=10,
)


@settings(max_examples=40)
@given(st.lists(entries, min_size=1, max_size=4), st.booleans(), st.sets(st.integers(0, 9), max_size=2), st.integers(0, 99))
def test_files_one_after_the_other_are_the_files_at_once(
    tmp_path_factory: pytest.TempPathFactory, comment: Make, lines: Callable[..., bytes],
    files: list[list[Any]], asked: bool, forgotten: set[int], seed: int,
) -> None:  # fmt: skip
    """The same posts and counts, whatever the dumps hold, and however they are grouped; and every line is accounted for."""
    folder = tmp_path_factory.mktemp("adding")
    paths = []
    for number, some in enumerate(files):
        records = [
            entry if isinstance(entry, bytes) else comment(f"c{entry[0]}", retrieved_on=entry[1], subreddit=entry[2], body=f"of {number}")
            for entry in some
        ]
        paths.append(folder / f"{number}.gz")
        paths[-1].write_bytes(gzip.compress(lines(comment(f"first{number}"), *records)))
    base = folder / "base.ndjson"
    base.write_bytes(lines(comment("base")))
    groups = random.Random(seed)
    starts = [0, *sorted(groups.sample(range(1, len(paths)), groups.randint(0, len(paths) - 1))), len(paths)]
    wanted = Wanted(("kettlecourt",)) if asked else None
    remembered = Forgotten().with_more([f"t1_c{number}" for number in forgotten])
    found = []
    for name, parts in (("once", [paths]), ("after", [paths[a:b] for a, b in itertools.pairwise(starts)])):
        import_files([base], folder / name)
        remembered.write(folder / name)
        for part in parts:
            gathered = add(part, folder / name, wanted)
        found.append((replace(gathered, buckets=1), table(folder / name).to_dicts(), rejects(folder / name)))
    assert found[0] == found[1]
    assert not {f"t1_c{number}" for number in forgotten} & set(table(folder / "once")["id"])


def test_killed_between_the_two_renames_of_the_swap_nothing_that_was_there_is_lost(tmp_path: Path, comment: Make, dump: Dump) -> None:
    first, second = (dump(comment(f"{name}1"), comment(f"{name}2"), name=f"{name}.ndjson") for name in "ab")
    out = tmp_path / "posts"
    add([first], out)
    shutil.copytree(out, tmp_path / ".posts.old")
    whole = add([second], out)
    out.rename(tmp_path / ".posts.partial")
    assert add([second], out) == whole
    assert table(out)["id"].to_list() == ["t1_a1", "t1_a2", "t1_b1", "t1_b2"]
    assert add([second], out) == whole


def test_two_files_of_one_name_in_two_folders_are_two(tmp_path: Path, comment: Make, dump: Dump, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        dump(comment(f"{folder}1"), name=f"{folder}/dump.ndjson")
        monkeypatch.chdir(tmp_path / folder)
        add([Path("dump.ndjson")], tmp_path / "posts")
    assert table(tmp_path / "posts")["id"].to_list() == ["t1_a1", "t1_b1"]
    before = stamps(tmp_path / "posts")
    gathered = add([tmp_path / "a" / "dump.ndjson"], tmp_path / "posts")
    assert (gathered.posts, gathered.rejects) == (2, 0), "the same file by another name"
    assert stamps(tmp_path / "posts") == before


def test_another_mapping_of_a_table_takes_the_place_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("key,asked,german,english\n1,Tee?,Ja.,Yes.\n2,Milch?,Nein.,No.\n")
    columns = {"prompt": "asked", "id": "key"}
    import_files([path], tmp_path / "posts", columns={**columns, "text": "german"}, add=True)
    gathered = import_files([path], tmp_path / "posts", columns={**columns, "text": "english"}, add=True)
    assert (gathered.lines, gathered.posts, gathered.rejects) == (4, 4, 0)
    assert table(tmp_path / "posts").filter(kind="comment")["text"].to_list() == ["Yes.", "No."]


def test_a_mapping_is_refused_where_no_file_is_a_table(tmp_path: Path, comment: Make, dump: Dump) -> None:
    with pytest.raises(UserError, match=r"--map \(gather.map\) zzz: is for tables, and none of these files is one; leave it out"):
        import_files([dump(comment("c1"))], tmp_path / "posts", columns={"zzz": "body"})


def test_a_failed_import_leaves_nothing_behind(tmp_path: Path, comment: Make, dump: Dump) -> None:
    path = dump(comment("c1"))
    with pytest.raises(UserError, match="none of them is of Teapots"):
        import_files([path], tmp_path / "posts", Wanted(("Teapots",)))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"communities": ("",)}, "a community's name is empty"),
        ({"since": datetime.date(2024, 2, 1), "until": datetime.date(2024, 2, 1)}, "no day lies between them"),
    ],
)
def test_wishes_that_nothing_can_meet_are_refused_before_anything_is_read(wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Wanted(**wanted)


def test_a_community_may_be_named_as_reddit_writes_it(tmp_path: Path, comment: Make, dump: Dump) -> None:
    path = dump(comment("c1"), comment("c2", subreddit="Elsewhere"))
    assert import_files([path], tmp_path / "posts", Wanted(("/r/KettleCourt", "r/kettlecourt"))).posts == 1
