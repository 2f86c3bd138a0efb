import datetime
import gzip
import itertools
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from curate import store
from curate.gather import Gathered, import_files
from curate.manifest import report_of
from curate.sources.reading import compressed
from curate.sources.source import Wanted
from formats.errors import UserError

Record = dict[str, Any]
Make = Callable[..., Record]
Dump = Callable[..., Path]


def table(out: Path) -> pl.DataFrame:
    return pl.concat(store.read_bucket(out, bucket) for bucket in store.bucket_numbers(out))


def rejects(out: Path) -> list[tuple[str, int, str, str]]:
    """Of each: name of the file, row, reason, beginning of the line; entries that stand for several rows are unfolded."""
    entries = [json.loads(line) for line in (out / "rejects.jsonl").read_text("utf-8").split("\n")[:-1]]
    return [
        (Path(entry["file"]).name, entry["row"] + more, entry["reason"], entry["line"])
        for entry in entries
        for more in range(entry.get("rows", 1))
    ]


def check_account(gathered: Gathered, out: Path) -> None:
    """What is reported is what is on disk."""
    posts = table(out)
    gone = gathered.rejects + gathered.replaced + gathered.forgotten + gathered.not_asked_for
    assert gathered.lines == gathered.posts + gone
    assert (gathered.posts, gathered.comments) == (posts.height, (posts["kind"] == "comment").sum())
    assert gathered.rejects == len(rejects(out))
    assert posts["id"].is_unique().all()
    assert Gathered(**report_of(out, "posts"), passed_over=gathered.passed_over) == gathered


@pytest.fixture
def many_buckets(rows_per_bucket: Callable[[float], None]) -> None:
    rows_per_bucket(2)


def test_every_line_is_a_post_a_reject_or_not_asked_for(tmp_path: Path, comment: Make, submission: Make, dump: Dump) -> None:
    path = dump(
        submission(),
        comment("c1"),
        b"{broken",
        comment("c2", created_utc=4e9),
        b"",
        comment("c3"),
        {"id": "x"},
        comment("c1"),
        b"[1]",
    )
    gathered = import_files([path], tmp_path / "posts", Wanted(until=datetime.date(2030, 1, 1)))
    assert gathered == Gathered(lines=9, posts=3, comments=2, submissions=1, rejects=5, not_asked_for=1)
    check_account(gathered, tmp_path / "posts")
    assert table(tmp_path / "posts").select("id", "source_row").rows() == [("t3_s1", 1), ("t1_c1", 2), ("t1_c3", 6)]
    assert rejects(tmp_path / "posts") == [
        ("dump.ndjson", 3, "not JSON: Expecting property name enclosed in double quotes", "{broken"),
        ("dump.ndjson", 5, "blank line", ""),
        ("dump.ndjson", 7, "neither a comment (body) nor a submission (title)", '{"id": "x"}'),
        ("dump.ndjson", 9, "JSON, but no object: list", "[1]"),
        ("dump.ndjson", 8, "the id t1_c1 came before", ""),
    ]


def test_where_a_community_is_asked_for_a_line_that_is_no_object_is_still_rejected(tmp_path: Path, comment: Make, dump: Dump) -> None:
    path = dump(
        comment("c1"), b'{"subreddit": "KettleCourt", "body": "cut', b"{bad", *(comment(f"e{n}", subreddit="Elsewhere") for n in range(6))
    )
    gathered = import_files([path], tmp_path / "posts", Wanted(("kettlecourt",)))
    check_account(gathered, tmp_path / "posts")
    assert (gathered.posts, gathered.rejects, gathered.not_asked_for) == (1, 2, 6)


def test_lines_that_no_store_could_hold_are_refused_by_the_account() -> None:
    with pytest.raises(ValueError, match="do not add up"):
        Gathered(lines=10, posts=5, comments=5, submissions=0, rejects=4, not_asked_for=0, buckets=1)
    with pytest.raises(ValueError, match="do not add up"):
        Gathered(lines=10, posts=5, comments=3, submissions=1, rejects=5, not_asked_for=0, buckets=1)


@pytest.mark.parametrize("asked", ["KettleCourt", "kettlecourt", "KETTLECOURT"])
def test_a_community_is_wanted_in_any_case(tmp_path: Path, comment: Make, dump: Dump, asked: str) -> None:
    written = ["KettleCourt", "kettlecourt", "KETTLECOURT", "KettleCourts", "Kettle", "aKettleCourt", None]
    path = dump(*(comment(f"c{place}", subreddit=name) for place, name in enumerate(written)))
    gathered = import_files([path], tmp_path / "posts", Wanted((asked,)))
    check_account(gathered, tmp_path / "posts")
    assert table(tmp_path / "posts")["community"].to_list() == ["KettleCourt", "kettlecourt", "KETTLECOURT"]
    assert (gathered.lines, gathered.not_asked_for, gathered.rejects) == (7, 4, 0)


def test_the_name_of_a_community_elsewhere_in_the_record_is_no_membership(tmp_path: Path, comment: Make, dump: Dump) -> None:
    """The raw bytes hold the quoted name in each of these."""
    path = dump(
        comment("c1", subreddit="Elsewhere", author="KettleCourt"),
        comment("c2", subreddit="Elsewhere", body="KettleCourt"),
        comment("c3", subreddit="Elsewhere", author_flair_text="kettlecourt"),
        comment("c4", subreddit="Elsewhere", KettleCourt=1),
        comment("c5", body='he said "kettlecourt" twice'),
        *(comment(f"d{number}", subreddit="Elsewhere") for number in range(9)),
    )
    gathered = import_files([path], tmp_path / "posts", Wanted(("KettleCourt",)))
    check_account(gathered, tmp_path / "posts")
    assert table(tmp_path / "posts")["id"].to_list() == ["t1_c5"]
    assert gathered.not_asked_for == 13


def test_several_communities_and_names_with_signs_of_regular_expressions(tmp_path: Path, comment: Make, dump: Dump) -> None:
    path = dump(*(comment(f"c{place}", subreddit=name) for place, name in enumerate(["A.B", "AxB", "u_odo", "Tea"])))
    import_files([path], tmp_path / "posts", Wanted(("a.b", "U_ODO")))
    assert table(tmp_path / "posts")["community"].to_list() == ["A.B", "u_odo"]


@pytest.mark.parametrize("share", [0.05, 0.95])
def test_the_same_posts_come_whether_lines_are_picked_or_all_are_parsed(tmp_path: Path, comment: Make, dump: Dump, share: float) -> None:
    """A chunk of which most is wanted is parsed whole; of others the lines are picked first."""
    wanted = [number % 100 < 100 * share for number in range(400)]
    path = dump(*(comment(f"c{number}", subreddit="KettleCourt" if is_wanted else "Elsewhere") for number, is_wanted in enumerate(wanted)))
    gathered = import_files([path], tmp_path / "posts", Wanted(("kettlecourt",)))
    check_account(gathered, tmp_path / "posts")
    assert table(tmp_path / "posts")["source_row"].to_list() == [number + 1 for number, is_wanted in enumerate(wanted) if is_wanted]


def test_since_is_included_and_until_is_not_and_a_post_without_a_date_passes(tmp_path: Path, comment: Make, dump: Dump) -> None:
    days = ["2019-12-31T23:59:59", "2020-01-01T00:00:00", "2020-06-01T12:00:00", "2020-12-31T23:59:59", "2021-01-01T00:00:00"]
    times = [int(datetime.datetime.fromisoformat(day).replace(tzinfo=datetime.UTC).timestamp()) for day in days]
    path = dump(*(comment(f"c{place}", created_utc=time) for place, time in enumerate(times)), comment("undated", created_utc=None))

    def kept(number: int, wanted: Wanted) -> list[str]:
        out = tmp_path / f"posts{number}"
        check_account(import_files([path], out, wanted), out)
        return table(out)["id"].to_list()

    since, until = datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)
    assert kept(1, Wanted(since=since)) == ["t1_c1", "t1_c2", "t1_c3", "t1_c4", "t1_undated"]
    assert kept(2, Wanted(until=until)) == ["t1_c0", "t1_c1", "t1_c2", "t1_c3", "t1_undated"]
    assert kept(3, Wanted(since=since, until=until)) == ["t1_c1", "t1_c2", "t1_c3", "t1_undated"]


def test_several_files_of_several_compressions_are_one_store(
    tmp_path: Path, comment: Make, submission: Make, lines: Callable[..., bytes], many_buckets: None
) -> None:
    files = [tmp_path / name for name in ("a.zst", "b.gz", "c.ndjson")]
    files[0].write_bytes(zstandard.ZstdCompressor().compress(lines(comment("c1"), b"bad one", comment("c2", thread="s2"))))
    files[1].write_bytes(gzip.compress(lines(submission("s1"), comment("c1"), submission("s2"))))
    files[2].write_bytes(lines(comment("c3", parent="c1"), comment("c2", thread="s2"), b"bad two"))
    gathered = import_files(files, tmp_path / "posts")
    assert (gathered.lines, gathered.posts, gathered.rejects) == (9, 5, 4)
    check_account(gathered, tmp_path / "posts")
    posts = table(tmp_path / "posts").sort("source_file", "source_row")
    assert (
        posts.select("id", pl.col("source_file").str.split("/").list.last(), "source_row").rows()
        == [
            ("t1_c1", "a.zst", 1),
            ("t1_c2", "a.zst", 3),
            ("t3_s1", "b.gz", 1),
            ("t3_s2", "b.gz", 3),
            ("t1_c3", "c.ndjson", 1),
            ("t1_c2", "c.ndjson", 2),
        ][: posts.height]
    )


def test_an_id_that_comes_again_in_another_file_is_a_reject_and_the_first_stays(tmp_path: Path, comment: Make, dump: Dump) -> None:
    first = dump(comment("c1", body="The first word."), comment("c2"), name="2023.ndjson")
    second = dump(comment("c3"), comment("c1", body="The second word."), comment("c1", body="The third."), name="2024.ndjson")
    gathered = import_files([first, second], tmp_path / "posts")
    check_account(gathered, tmp_path / "posts")
    assert table(tmp_path / "posts").select("id", "text").rows()[0] == ("t1_c1", "The first word.")
    assert [entry[:3] for entry in rejects(tmp_path / "posts")] == [
        ("2024.ndjson", 2, "the id t1_c1 came before"),
        ("2024.ndjson", 3, "the id t1_c1 came before"),
    ]


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path, comment: Make, dump: Dump, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dump(comment("c1"), comment("c2"))
    monkeypatch.chdir(tmp_path)
    gathered = import_files([path, "dump.ndjson", "./d*.ndjson"], tmp_path / "posts")
    check_account(gathered, tmp_path / "posts")
    assert (gathered.files, gathered.lines, gathered.posts) == (1, 2, 2)


dump_lines = st.one_of(
    st.integers(0, 15).map(lambda name: ("comment", f"c{name}", f"s{name % 4}", "KettleCourt")),
    st.integers(0, 15).map(lambda name: ("comment", f"e{name}", f"s{name % 4}", "Elsewhere")),
    st.integers(0, 3).map(lambda name: ("submission", f"s{name}", "", "KettleCourt")),
    st.sampled_from([b"", b"{", b'{"id": 1}', b"KettleCourt", b'{"subreddit": "KettleCourt"', b'{"id": "q", "subreddit": "KettleCourt"}']),
)


@settings(max_examples=30)
@given(st.lists(st.lists(dump_lines, min_size=1, max_size=12), min_size=1, max_size=3), st.booleans(), st.booleans())
def test_whatever_the_files_hold_the_account_is_that_of_the_disk(
    tmp_path_factory: pytest.TempPathFactory, comment: Make, submission: Make, lines: Callable[..., bytes],
    files: list[list[Any]], filtered: bool, split: bool,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("import")
    paths = []
    for number, entries in enumerate(files):
        records = [
            entry if isinstance(entry, bytes)
            else comment(entry[1], thread=entry[2], subreddit=entry[3]) if entry[0] == "comment"
            else submission(entry[1], subreddit=entry[3])
            for entry in entries
        ]  # fmt: skip
        paths.append(folder / f"{number}.ndjson")
        paths[-1].write_bytes(lines(comment(f"first{number}"), *records))
    with pytest.MonkeyPatch.context() as patch:
        if split:
            patch.setattr(store, "ROWS_PER_BUCKET", 0.1)
        gathered = import_files(paths, folder / "posts", Wanted(("kettlecourt",)) if filtered else None)
    check_account(gathered, folder / "posts")
    assert gathered.lines == sum(len(entries) + 1 for entries in files)
    asked = {
        name
        for entries in files
        for kind, name, _, community in (e for e in entries if not isinstance(e, bytes))
        if not filtered or community == "KettleCourt"
    }
    assert {post_id[3:] for post_id in table(folder / "posts")["id"]} == asked | {f"first{number}" for number in range(len(files))}


def test_what_was_imported_is_not_imported_again_unless_something_changed(tmp_path: Path, comment: Make, dump: Dump) -> None:
    calls: list[str] = []

    def progress(what: str, done: int, total: int) -> None:
        calls.append(what)

    path = dump(comment("c1"))
    out = tmp_path / "posts"
    import_files([path], out, progress=progress)
    import_files([path], out, progress=progress)
    assert len(calls) == 1
    import_files([path], out, Wanted(("KettleCourt",)), progress)
    path.write_bytes(path.read_bytes() * 2)
    assert import_files([path], out, Wanted(("KettleCourt",)), progress).rejects == 1
    assert len(calls) == 3


def crowd(comment: Make, submission: Make, name: str, others: str = "") -> Iterator[Record | bytes]:
    """Several threads, repeats within the file and across files, and bad lines."""
    for number in range(2):
        yield submission(f"{name}{number}")
        yield comment(f"{name}c{number}", thread=f"{name}{number}")
        yield comment(f"{name}c0", thread=f"{name}0")
        if others:
            yield comment(f"{others}c{number}", thread=f"{others}{number}")
        yield b"{bad " + name.encode()


def test_stopped_before_any_change_an_import_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, comment: Make, submission: Make, dump: Dump, contents: Callable[[Path], dict[str, bytes]],
    stopped_before: Callable[..., Any], many_buckets: None,
) -> None:  # fmt: skip
    files = [dump(*crowd(comment, submission, "a"), name="a.ndjson"), dump(*crowd(comment, submission, "b", "a"), name="b.ndjson")]
    gathered = import_files(files, tmp_path / "whole" / "posts")
    check_account(gathered, tmp_path / "whole" / "posts")
    assert (gathered.buckets > 1, gathered.posts, gathered.rejects) == (True, 8, 10)
    for number in itertools.count():
        out = tmp_path / str(number) / "posts"
        with stopped_before(number, out.parent) as stop:
            import_files(files, out)
        if not stop.happened:
            break
        assert import_files(files, out) == gathered
        assert contents(out) == contents(tmp_path / "whole" / "posts")
        assert [path.name for path in out.parent.iterdir()] == ["posts"]
    assert number > 25


KILLED_IMPORT = """
import os, signal, sys
from pathlib import Path
from curate.gather import import_files
from curate.sources.reading import compressed

compressed.CHUNK = 1 << 20
left = int(sys.argv[1])

def progress(what, done, total):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

print(import_files([Path(path) for path in sys.argv[3:]], Path(sys.argv[2]), progress=progress))
"""


def test_killed_in_the_middle_an_import_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, comment: Make, lines: Callable[..., bytes], contents: Callable[[Path], dict[str, bytes]]
) -> None:
    files = []
    for name in ("a", "b"):
        body = "The kettle is warm, my lord, and has been since dawn. " * 20
        data = lines(*(comment(f"{name}{number}", thread=f"s{number % 9}", body=body) for number in range(3000)), comment("a1"), b"bad")
        files.append(tmp_path / f"{name}.gz")
        files[-1].write_bytes(gzip.compress(data, 1))

    def run(out: Path, kill_at: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", KILLED_IMPORT, str(kill_at), str(out), *map(str, files)]
        return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)

    whole = run(tmp_path / "whole", 0)
    assert "lines=6004, posts=6000, comments=6000, submissions=0, rejects=4, not_asked_for=0" in whole.stdout
    killed = run(tmp_path / "killed", 6)  # of four chunks a file, the second of the second
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed").exists()
    assert json.loads((tmp_path / ".killed.partial" / ".manifest.json").read_text())["done"].keys() == {"0"}
    again = run(tmp_path / "killed", 0)
    assert again.stdout == whole.stdout
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_missing_file_is_told_before_anything_is_read_or_written(tmp_path: Path, comment: Make, dump: Dump) -> None:
    with pytest.raises(UserError, match=r"none\.zst: no such file; give the path of a dump"):
        import_files([dump(comment("c1")), tmp_path / "none.zst"], tmp_path / "posts")
    assert [path.name for path in tmp_path.iterdir()] == ["dump.ndjson"]


def test_no_files_at_all_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no files given; name at least one"):
        import_files([], tmp_path / "posts")


NO_POSTS = {
    "a table of something else": (b"weight,colour\n1,red\n2,blue\n", "cannot tell its columns: found weight, colour; still needed: text"),
    "other JSON": (b'{"kettle": 1}\n{"kettle": 2}\n', "cannot tell its columns: found kettle; still needed: text"),
    "a picture": (bytes(range(256)) * 400, "no source recognises it; it begins with b'\\x00\\x01"),
    "a text": (b"Once there was a kettle.\n", "no source recognises it; it begins with b'Once there was a kettle.\\n'"),
    "a page": (b"<!DOCTYPE html>\n<html><body>404</body></html>\n", "no source recognises it; it begins with b'<!DOCTYPE html>"),
    "blank lines": (b"\n\n\n", "no source recognises it; it begins with b'\\n\\n\\n'"),
}


@pytest.mark.parametrize("kind", NO_POSTS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_that_holds_no_posts_is_told_with_what_it_holds(tmp_path: Path, kind: str, pack: Callable[[bytes], bytes]) -> None:
    data, found = NO_POSTS[kind]
    path = tmp_path / "thing"
    path.write_bytes(pack(data))
    with pytest.raises(UserError) as caught:
        import_files([path], tmp_path / "posts")
    assert str(caught.value).startswith(f"{path}: {found}")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "posts").exists()


READ_AS_DUMPS = {
    "a table": (b"id,author,body\n" + b"1,odo,tea with milk and with sugar in it\n" * 50_000, "row 1: not JSON: Expecting value"),
    "a picture": (bytes(range(256)) * 400, "row 1: not"),
    "other JSON": (b'{"kettle": 1}\n{"kettle": 2}\n', "row 1: no id"),
    "a list": (b'[{"id": "a", "title": "t"},\n{"id": "b", "title": "t"}]\n', "row 1: not JSON: Expecting"),
    "blank lines": (b"\n\n\n", "row 1: blank line"),
}


@pytest.mark.parametrize("kind", READ_AS_DUMPS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_that_is_said_to_be_a_dump_and_is_none_is_told_with_its_first_fault(
    tmp_path: Path, kind: str, pack: Callable[[bytes], bytes]
) -> None:
    data, first = READ_AS_DUMPS[kind]
    path = tmp_path / "thing"
    path.write_bytes(pack(data))
    with pytest.raises(UserError) as caught:
        import_files([path], tmp_path / "posts", source="reddit-dump")
    count = len(data.removesuffix(b"\n").split(b"\n"))
    told = re.match(re.escape(f"{path}: read as reddit-dump, and none of its first ") + r"(\d+) records is a post \(", str(caught.value))
    assert told
    assert min(count, 20_000) <= int(told[1]) <= count  # it does not read on for long
    assert first in str(caught.value)
    assert str(caught.value).endswith("if it is of another kind, name that with --source")
    assert not (tmp_path / "posts").exists()


@pytest.mark.parametrize("data", [b"", zstandard.ZstdCompressor().compress(b""), gzip.compress(b"", mtime=0)])
def test_an_empty_dump_is_told(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "empty.zst"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"empty\.zst: is empty: it holds no line; fetch it again or leave it out"):
        import_files([path], tmp_path / "posts")


def test_a_dump_without_what_was_asked_for_is_told(tmp_path: Path, comment: Make, dump: Dump) -> None:
    path = dump(comment("c1"), comment("c2"))
    with pytest.raises(UserError, match=r"dump\.ndjson: 2 lines, and none of them is of Teapots; check the name and the days"):
        import_files([path], tmp_path / "posts", Wanted(("Teapots",)))
    with pytest.raises(UserError, match="2 lines, and none of them is of the days asked for"):
        import_files([path], tmp_path / "posts", Wanted(since=datetime.date(2100, 1, 1)))


@pytest.mark.parametrize("fault", ["truncated", "no dump", "empty", "nothing asked for"])
def test_an_import_that_fails_leaves_the_posts_that_were_there(
    tmp_path: Path, comment: Make, dump: Dump, contents: Callable[[Path], dict[str, bytes]], fault: str
) -> None:
    import_files([dump(comment("c1"))], tmp_path / "posts")
    before = contents(tmp_path / "posts")
    good, bad = dump(comment("c2")), tmp_path / "bad"
    whole = gzip.compress(good.read_bytes())
    bad.write_bytes({"truncated": whole[:-9], "no dump": b"tea and milk\n", "empty": b"", "nothing asked for": whole}[fault])
    with pytest.raises(UserError):
        import_files([good, bad], tmp_path / "posts", Wanted(("Teapots",)) if fault == "nothing asked for" else None)
    assert contents(tmp_path / "posts") == before
    bad.write_bytes(gzip.compress(good.read_bytes()))
    assert import_files([bad], tmp_path / "posts").posts == 1


def test_a_bad_line_in_any_chunk_has_the_row_of_its_file(
    tmp_path: Path, comment: Make, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressed, "CHUNK", 1 << 20)
    records: list[Record | bytes] = [comment(f"c{number}", body="tea " * 250) for number in range(3000)]
    for row in (1, 1500, 2222, 3000):
        records[row - 1] = b"bad %d" % row
    gathered = import_files([dump(*records)], tmp_path / "posts")
    check_account(gathered, tmp_path / "posts")
    assert [(row, line) for _, row, _, line in rejects(tmp_path / "posts")] == [(row, f"bad {row}") for row in (1, 1500, 2222, 3000)]
    posts = table(tmp_path / "posts")
    assert (posts["id"] == "t1_c" + (posts["source_row"] - 1).cast(pl.String)).all()


def test_of_a_long_bad_line_the_beginning_is_kept(tmp_path: Path, comment: Make, dump: Dump) -> None:
    import_files([dump(comment("c1"), b'{"body": "' + "té ".encode() * 1000)], tmp_path / "posts")
    ((_, row, _, line),) = rejects(tmp_path / "posts")
    assert (row, line) == (2, ('{"body": "' + "té " * 1000)[:200])


def test_rows_are_counted_by_line_feeds_alone(tmp_path: Path, comment: Make, dump: Dump) -> None:
    odd = "one\u2028two\x85three\r\n"
    gathered = import_files([dump(comment("c1", body=odd), "bad\u2028line\x85".encode(), comment("c2"))], tmp_path / "posts")
    check_account(gathered, tmp_path / "posts")
    assert table(tmp_path / "posts").select("id", "text", "source_row").row(0) == ("t1_c1", "one\u2028two\x85three", 1)
    assert [entry[1] for entry in rejects(tmp_path / "posts")] == [2]


@pytest.mark.parametrize("name", ["posts [1]", "posts*", "pösts ☕"])
def test_any_name_of_a_folder_will_do(tmp_path: Path, comment: Make, dump: Dump, name: str) -> None:
    path = dump(comment("c1"), comment("c1"), name="dump [a].ndjson")
    gathered = import_files([path], tmp_path / name)
    check_account(gathered, tmp_path / name)
    assert (gathered.posts, gathered.rejects) == (1, 1)
