"""lorum export and lorum adapters merge: what they print, and that they take adapters by any name."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from curate.commands.export import export_command
from curate.commands.merge import merge_command
from formats.templates.template import load_template
from tests.gguf_bases import write_base
from tests.random_adapter import write_random_adapter
from tests.train.conftest import write_samples


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with its samples and its adapter, of a base that llama.cpp knows."""
    base = write_base(tmp_path_factory.mktemp("gguf") / "base")
    folder = tmp_path_factory.mktemp("runs") / "kettle"
    folder.mkdir()
    write_samples(folder / "samples", load_template("comment-response"))
    write_random_adapter(folder / "adapter", base)
    return folder


def merged(*arguments: object) -> Result:
    return CliRunner().invoke(merge_command, list(map(str, arguments)))


def exported(*arguments: object) -> Result:
    return CliRunner().invoke(export_command, list(map(str, arguments)))


def test_merging_tells_the_difference_on_the_runs_own_samples(run: Path, tmp_path: Path) -> None:
    done = merged(run, "--out", tmp_path / "out", "--dtype", "float32", "--method", "full")
    assert done.exit_code == 0, done.output
    assert "its own weights: 14 of 20 weights changed, stored as float32, one weight at a time" in done.stdout
    assert "on 8 held-out samples" in done.stdout
    assert "the same likeliest token at" in done.stdout
    assert f"-> {tmp_path / 'out'}" in done.stdout


def test_merging_as_json(run: Path, tmp_path: Path) -> None:
    done = merged(run, "--out", tmp_path / "out", "--no-compare", "--json")
    told = json.loads(done.stdout)
    assert (told["merged"]["method"], told["merged"]["dtype"], told["difference"]) == ("exact", "bfloat16", None)


def test_exporting_names_the_files_and_the_run(run: Path, tmp_path: Path) -> None:
    done = exported(run / "adapter", "--to", "ollama", "--out", tmp_path / "out", "--no-compare", "--type", "q8_0")
    assert done.exit_code == 0, done.output
    assert "  kettle-q8_0.gguf\n" in done.stdout
    assert "  Modelfile\n" in done.stdout


def test_exporting_an_adapter_beside_its_base(run: Path, tmp_path: Path) -> None:
    done = exported(run, "--to", "vllm", "--out", tmp_path / "out", "--name", "clerk")
    assert done.exit_code == 0, done.output
    assert "nothing is merged" in done.stdout
    assert "clerk=adapter" in (tmp_path / "out" / "serve.sh").read_text()


def test_the_callers_mistakes_are_a_line(run: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    for done in (merged(run, "--out", tmp_path / "full"), exported(run, "--to", "gguf", "--out", tmp_path / "full")):
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert "is there already" in done.stderr
    assert exported(run, "--to", "onnx", "--out", tmp_path / "out").exit_code == 2
