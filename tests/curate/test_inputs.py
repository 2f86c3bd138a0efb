import datetime
import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from curate.gather import import_files
from curate.inputs import UNKNOWN_BYTES, Input, resolve
from curate.sources.source import Wanted
from formats.errors import UserError

Record = dict[str, Any]
Make = Callable[..., Record]
Dump = Callable[..., Path]


@pytest.fixture
def forum(tmp_path: Path, comment: Make, submission: Make, lines: Callable[..., bytes]) -> Path:
    folder = tmp_path / "forum"
    (folder / "older").mkdir(parents=True)
    (folder / "RC_2023-02.gz").write_bytes(gzip.compress(lines(comment("c2"))))
    (folder / "RS_2023-02").write_bytes(lines(submission()))
    (folder / "older" / "RC_2023-01").write_bytes(lines(comment("c1"), b"bad"))
    (folder / "README.txt").write_text("Once there was a kettle.")
    (folder / "empty").write_bytes(b"")
    return folder


def test_a_folder_unfolds_and_what_no_source_recognises_is_told(tmp_path: Path, forum: Path) -> None:
    inputs, passed_over = resolve([forum], Wanted(), {})
    assert [(Path(entry.name).name, entry.source) for entry in inputs] == [
        ("RC_2023-02.gz", "reddit-dump"), ("RS_2023-02", "reddit-dump"), ("RC_2023-01", "reddit-dump"),
    ]  # fmt: skip
    assert [Path(name).name for name in passed_over] == ["README.txt", "empty"]
    gathered = import_files([forum], tmp_path / "posts")
    assert (gathered.lines, gathered.posts, gathered.rejects, gathered.files) == (4, 3, 1, 3)
    assert gathered.passed_over == tuple(passed_over)


def test_a_file_that_a_name_a_glob_and_a_folder_give_is_one_input(forum: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(forum)
    inputs, _ = resolve(["RS_2023-02", "RS_*", forum, "./older/../RS_2023-02"], Wanted(), {})
    assert sorted(Path(entry.name).name for entry in inputs) == ["RC_2023-01", "RC_2023-02.gz", "RS_2023-02"]


def test_the_size_as_json_is_guessed_by_the_compression(forum: Path) -> None:
    (packed,), _ = resolve([forum / "RC_2023-02.gz"], Wanted(), {})
    (plain,), _ = resolve([forum / "RS_2023-02"], Wanted(), {})
    assert (packed.size, packed.json_bytes) == ((forum / "RC_2023-02.gz").stat().st_size, packed.size * 7)
    assert plain.json_bytes == plain.size == (forum / "RS_2023-02").stat().st_size
    (unknown,), _ = resolve(["hub:kettle/court"], Wanted(), {})
    assert (unknown.source, unknown.size, unknown.json_bytes) == ("table", 0, UNKNOWN_BYTES)


def test_an_input_comes_back_from_json_as_it_was(forum: Path) -> None:
    wanted = Wanted(("KettleCourt",), datetime.date(2023, 1, 1), None)
    (entry,), _ = resolve(["hub:kettle/court"], wanted, {"text": "answer"})
    assert Input.from_dict(entry.to_dict()) == entry
    assert entry.to_dict()["wanted"] == {"communities": ["KettleCourt"], "since": "2023-01-01", "until": None}


def test_another_version_of_a_file_has_the_same_key_and_other_wishes_another(forum: Path) -> None:
    path = forum / "RS_2023-02"
    (before,), _ = resolve([path], Wanted(), {})
    path.write_bytes(path.read_bytes() * 2)
    (after,), _ = resolve([path], Wanted(), {})
    (asked,), _ = resolve([path], Wanted(("KettleCourt",)), {})
    assert before != after
    assert before.key == after.key != asked.key


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no files given; name at least one"),
        (["none.zst"], "none.zst: no such file"),
        (["README.txt"], "README.txt: no source recognises it; it begins with b'Once there was a kettle.'"),
        (["empty"], "empty: is empty: it holds no line; fetch it again or leave it out"),
        (["nothing"], "nothing: holds no file that a source recognises; known: journal"),
        (["cut.zst"], "cut.zst: cannot be read to its end"),
        (["*.parquet"], "*.parquet: matches no file"),
    ],
)
def test_what_cannot_be_an_input_is_told_in_one_line(forum: Path, names: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(forum)
    (forum / "nothing").mkdir()
    (forum / "cut.zst").write_bytes(b"\x28\xb5\x2f\xfd\x04\x58")
    with pytest.raises(UserError) as told:
        resolve(names, Wanted(), {})
    assert str(told.value).startswith(message)
    assert "\n" not in str(told.value)


def test_a_source_that_is_named_reads_what_no_source_recognises(forum: Path) -> None:
    (entry,), _ = resolve([forum / "README.txt"], Wanted(), {}, "reddit-dump")
    assert entry.source == "reddit-dump"
    with pytest.raises(UserError, match="no source 'redit-dump'; known: journal, reddit-dump"):
        resolve([forum / "README.txt"], Wanted(), {}, "redit-dump")


def test_files_at_urls_are_imported(tmp_path: Path, comment: Make, lines: Callable[..., bytes]) -> None:
    for number in range(2):
        with fsspec.open(f"memory://court/RC_2023-0{number + 1}.gz", "wb") as file:
            file.write(gzip.compress(lines(comment(f"c{number}"), b"bad")))
    gathered = import_files(["memory://court/RC_*.gz"], tmp_path / "posts")
    assert (gathered.lines, gathered.posts, gathered.rejects, gathered.files) == (4, 2, 2, 2)


def test_each_standard_input_is_another_one(tmp_path: Path, comment: Make, lines: Callable[..., bytes]) -> None:
    """`-` names what was piped in last time no more."""
    command = [sys.executable, "-c", "from curate.cli import main; main()", "import", "-", "--out", str(tmp_path / "posts"), "--json"]
    printed = []
    for name in ("c1", "c2"):
        done = subprocess.run(command, input=lines(comment(name)), capture_output=True, cwd=Path(__file__).parents[2], check=True)
        counts = json.loads(done.stdout)
        printed.append((counts["lines"], counts["posts"], counts["files"]))
    assert printed == [(1, 1, 1), (2, 2, 2)]
