import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from curate.sources.reading.place import Place, expand, files_in
from formats.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def forum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("RC_2023-02", "RC_2023-01", "notes [1].txt", "deep/RC_2022-12", ".hidden/RC_2020-01", "deep/.part"):
        path = tmp_path / "forum" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    monkeypatch.chdir(tmp_path / "forum")
    return tmp_path / "forum"


def names(*given: str) -> list[str]:
    return [place.name for place in expand(given)]


def test_globs_become_their_matches_in_order_and_names_stay(forum: Path) -> None:
    assert names("RC_2023-0?", "deep") == ["RC_2023-01", "RC_2023-02", "deep"]
    assert names(f"{forum}/RC_*") == [f"{forum}/RC_2023-01", f"{forum}/RC_2023-02"]
    assert names("**/RC_2022*") == ["deep/RC_2022-12"]
    assert names("-", "none.zst", "hub:kettle/court") == ["-", "none.zst", "hub:kettle/court"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(forum: Path) -> None:
    assert names("notes [1].txt") == ["notes [1].txt"]


def test_a_glob_without_a_match_is_told(forum: Path) -> None:
    with pytest.raises(UserError, match=r"RS_\*: matches no file"):
        names("RS_*")


def test_a_folder_unfolds_into_all_its_files_but_hidden_ones(forum: Path) -> None:
    def found(left_out: str) -> list[str]:
        return [
            Path(place.name).relative_to(forum).as_posix()
            for place in files_in(forum, lambda folder: folder.name == left_out, lambda folder: False)
        ]

    assert found("none") == ["RC_2023-01", "RC_2023-02", "deep/RC_2022-12", "notes [1].txt"]
    assert found("deep") == ["RC_2023-01", "RC_2023-02", "notes [1].txt"]


def test_a_url_is_opened_by_fsspec() -> None:
    with fsspec.open("memory://kettles/RC_2023-01.gz", "wb") as file:
        file.write(gzip.compress(b'{"id": "a"}\n'))
    place = Place("memory://kettles/RC_2023-01.gz")
    assert (place.is_remote, place.is_folder()) == (True, False)
    with place.open() as opened:
        assert gzip.decompress(opened.read()) == b'{"id": "a"}\n'
    assert place.head().text == b'{"id": "a"}\n'
    assert place.stat()[0] == len(gzip.compress(b'{"id": "a"}\n'))
    (found,) = expand(["memory://kettles/RC_*"])
    assert found.head() == replace(place.head(), name=found.name)
    for lost in (Place("memory://kettles/none").open, Place("memory://kettles/none").stat):
        with pytest.raises(UserError, match="memory://kettles/none: no such file"):
            lost()
    with pytest.raises(UserError, match="nosuch://x: "):
        Place("nosuch://x").open()


def test_what_lies_elsewhere_has_no_path() -> None:
    for name in ("-", "s3://bucket/x", "hub:kettle/court"):
        with pytest.raises(UserError, match="is read from disk only; download it and give its path"):
            _ = Place(name).path


def test_a_folders_version_changes_with_its_files(forum: Path) -> None:
    before = Place(str(forum)).stat()
    (forum / "deep" / "RC_2022-12").write_bytes(b"more than before")
    after = Place(str(forum)).stat()
    assert before != after
    assert after[0] == before[0] - len("deep/RC_2022-12") + len("more than before")


def test_the_head_of_a_folder_is_what_it_holds(forum: Path) -> None:
    assert Place("deep").head().entries == frozenset({"RC_2022-12", ".part"})


IMPORT = "from curate.cli import main; main()"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("drops", [1, 7, 1 << 20])
def test_standard_input_is_read_whole_however_it_comes(
    tmp_path: Path, comment: Callable[..., dict[str, object]], lines: Callable[..., bytes], pack: Callable[[bytes], bytes], drops: int
) -> None:
    data = pack(lines(*(comment(f"c{number}") for number in range(50)), b"bad"))
    command = [sys.executable, "-c", IMPORT, "import", "-", "--out", str(tmp_path / "posts"), "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdin
        for start in range(0, min(len(data), 40 * drops), drops):
            process.stdin.write(data[start : start + drops])
            process.stdin.flush()
        process.stdin.write(data[40 * drops :])
        printed, complained = process.communicate(timeout=60)
    assert complained == b""
    counts = json.loads(printed)
    assert (counts["lines"], counts["posts"], counts["rejects"]) == (51, 50, 1)


def test_a_pipe_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in (str(tmp_path / "pipe"), "/dev/null"):
        for look in (Place(name).stat, Place(name).open, Place(name).head):
            with pytest.raises(UserError) as told:
                look()
            assert str(told.value) == (f"{name}: is no regular file but a pipe or device, which cannot be read twice: pipe it to - instead")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("import - --out posts <&-", "-: standard input is closed: pipe a file to it, or name the file"),
        ("import <(echo tea) --out posts", "is no regular file but a pipe or device, which cannot be read twice: pipe it to - instead"),
        ("import $'caf\\xe9.jsonl' --out posts", "caf\\xe9.jsonl: its name is not UTF-8, as the names"),
    ],
)
def test_what_cannot_be_read_on_the_command_line_is_told_in_one_line(tmp_path: Path, command: str, told: str) -> None:
    script = f'cd {tmp_path}; python() {{ PYTHONPATH={ROOT} {sys.executable} -c "{IMPORT}" "$@"; }}; python {command}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1
    assert told in done.stderr


def test_a_name_that_is_not_utf_8_is_refused_at_once() -> None:
    with pytest.raises(UserError) as told:
        Place(os.fsdecode(b"caf\xe9.jsonl"))
    assert str(told.value) == r"caf\xe9.jsonl: its name is not UTF-8, as the names of posts' files must be; rename the file"
    assert Place("café.jsonl").name == "café.jsonl"
