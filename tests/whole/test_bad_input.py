"""Bad input to the whole run: one line that says what, where and what to do; exit code 2; and what was there stays as it was."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from curate.cli import main

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"
GOOD = {
    "gather.files": f'["{SAMPLE_DATA}/KettleCourt_comments.zst", "{SAMPLE_DATA}/KettleCourt_submissions.zst"]',
    "filter.toxicity": "false",
    "train.base": '"no/such-base"',
}


@pytest.fixture
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that went as far as its samples."""
    monkeypatch.setenv("LORUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    recipe = write_recipe(tmp_path, GOOD)
    done = CliRunner().invoke(main, ["curate-and-train", str(recipe), "--out", str(tmp_path / "run"), "--until", "format", "--quiet"])
    assert done.exit_code == 0, done.output
    return tmp_path / "run"


def write_recipe(folder: Path, settings: dict[str, str]) -> Path:
    path = folder / "recipe.toml"
    path.write_text('name = "bad"\n' + "".join(f"{key} = {value}\n" for key, value in settings.items()))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """What a run left that must stay: all but its record of times."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def dump(make: Callable[[bytes], bytes]) -> Callable[[Path], str]:
    def written(folder: Path) -> str:
        path = folder / "bad.zst"
        path.write_bytes(make((SAMPLE_DATA / "KettleCourt_comments.zst").read_bytes()))
        return f'["{path}"]'

    return written


BAD: dict[str, tuple[str, str | Callable[[Path], str], str]] = {
    "a missing file": ("gather.files", '["nowhere.zst"]', "nowhere.zst: no such file"),
    "a glob without a match": ("gather.files", '["*.nothing"]', "/*.nothing: matches no file"),
    "a file that is no dump": ("gather.files", f'["{SAMPLE_DATA}/README.md"]', "README.md: no source recognises it; it begins with b'# "),
    "a truncated dump": ("gather.files", dump(lambda data: data[: len(data) // 2]), "truncated or damaged"),
    "an empty dump": ("gather.files", dump(lambda data: b""), "is empty"),
    "an unknown key": ("train.lerning_rate", "1.0", "unknown key 'lerning_rate'; did you mean learning_rate?"),
    "a wrong type": ("train.rank", '"many"', "[train] rank: Input should be a valid integer"),
    "an unknown rule": ("filter.minimum_score", "3", "unknown rule 'minimum_score'"),
    "an unknown setting of a rule": ("filter.length.most", "3", "length: unknown setting 'most'"),
    "an unknown template": ("format.template", '"alpacca"', "template alpacca: neither built in"),
    "an unknown scorer": ("filter.toxicity", '"perspective"', "unknown scorer 'perspective'"),
    "no reply left": ("filter.length.minimum", "1999", "no reply is left to learn"),
    "an unknown base": ("train.rank", "4", "base no/such-base: "),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_what_was_there(case: str, run_folder: Path, tmp_path: Path) -> None:
    key, value, message = BAD[case]
    before = contents(run_folder)
    settings = {**GOOD, key: value(tmp_path) if callable(value) else value}
    done = CliRunner().invoke(main, ["curate-and-train", str(write_recipe(tmp_path, settings)), "--out", str(run_folder), "--quiet"])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert len(done.stderr.strip().split("\n")) == 1
    assert done.stderr.startswith("lorum: ")
    after = contents(run_folder)
    kept = {name for name in before if not (case == "no reply left" and name.startswith("judged"))}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
from curate.cli import main
main(sys.argv[2:], prog_name="lorum")
"""


@pytest.mark.parametrize("room", [200, 100_000])
def test_a_full_disk_is_one_line_and_the_run_goes_on_after_it(room: int, tmp_path: Path) -> None:
    arguments = ["curate-and-train", str(write_recipe(tmp_path, GOOD)), "--out", str(tmp_path / "run"), "--until", "format", "--quiet"]
    environment = {**os.environ, "LORUM_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", FULL_DISK, str(room), *arguments]
    full = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert full.returncode == 1
    assert full.stderr.startswith("lorum: the disk is full")
    assert len(full.stderr.strip().split("\n")) == 1
    assert CliRunner().invoke(main, arguments).exit_code == 0


def test_a_run_whose_evaluation_would_have_no_sample_is_refused_before_the_training(run_folder: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, {**GOOD, "format.split": '"100/0/0"', "format.max_tokens": "0"})
    done = CliRunner().invoke(main, ["curate-and-train", str(recipe), "--out", str(run_folder), "--quiet"])
    assert done.exit_code == 2
    assert "leaves none of" in done.stderr
    assert "--until train" in done.stderr


@pytest.mark.parametrize("name", ["thesis.txt", "report.html", "run.json"])
def test_a_folder_that_no_run_left_is_refused_and_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("ten years of work")
    done = CliRunner().invoke(main, ["curate-and-train", str(write_recipe(tmp_path, GOOD)), "--out", str(tmp_path / "run"), "--quiet"])
    assert done.exit_code == 2
    assert "which no lorum run left there" in done.stderr
    assert [(path.name, path.read_text()) for path in (tmp_path / "run").iterdir()] == [(name, "ten years of work")]


def test_a_shorter_run_keeps_what_is_known_of_later_stages_only_while_it_holds(run_folder: Path, tmp_path: Path) -> None:
    def stages(recipe: Path, until: str) -> list[str]:
        done = CliRunner().invoke(main, ["curate-and-train", str(recipe), "--out", str(run_folder), "--until", until, "--json"])
        assert done.exit_code == 0, done.output
        return list(json.loads(done.stdout)["stages"])

    assert stages(write_recipe(tmp_path, GOOD), "gather") == ["gather", "filter", "format"]
    assert stages(write_recipe(tmp_path, {**GOOD, "filter.min_score": "5"}), "filter") == ["gather", "filter"]
