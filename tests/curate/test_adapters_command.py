"""lorum adapters list, info, mix."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from curate.cli import main
from tests.evaluated import RESULT
from tests.random_adapter import write_random_adapter
from train.adapters.folder import note_termination
from train.settings import TrainSettings


@pytest.fixture(scope="module")
def written(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs with adapters, and a run that has none."""
    runs = tmp_path_factory.mktemp("work") / "runs"
    for seed, name in enumerate(("court", "cooks")):
        write_random_adapter(runs / name / "adapter", base_folder, TrainSettings(rank=4), seed=seed)
    (runs / "untrained").mkdir()
    return runs


@pytest.fixture
def runs(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, where one may change things."""
    import shutil

    shutil.copytree(written, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def adapters(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["adapters", *map(str, arguments)], prog_name="lorum")


def test_the_runs_adapters_are_a_table(runs: Path) -> None:
    court = runs / "court" / "adapter"
    (court / "training.json").write_text(json.dumps({"course": "", "result": {"samples": 1354}}))
    note_termination(court, {"base": 0.1, "adapter": 0.97, "prompts": 64, "max_new_tokens": 128})
    (court / "eval.json").write_text(json.dumps(RESULT))
    (runs / "cooks" / "adapter" / "template.toml").unlink()
    done = adapters("list")
    assert (done.exit_code, done.stderr) == (0, "")
    head, row, damaged = done.stdout.strip().split("\n")
    assert head.split() == ["name", "base", "template", "stop", "rank", "size", "samples", "stops", "toxicity", "written"]
    cells = [cell for cell in row.split("  ") if cell]
    assert [cell.strip() for cell in cells][:4] == ["court", "base0", "comment-response", r"\n\n### END"]
    assert [cell.strip() for cell in cells][4:-1] == ["4", "0 MiB", "1,354", "0.97", "0.06"]
    assert damaged.startswith("damaged: cooks: runs/cooks/adapter/template.toml")


def test_the_same_as_json(runs: Path) -> None:
    done = adapters("list", "--json")
    found = json.loads(done.stdout)["adapters"]
    assert [one["name"] for one in found] == ["cooks", "court"]
    assert found[1]["folder"] == "runs/court/adapter"
    assert (found[1]["stop"], found[1]["samples"], found[1]["termination_rate"]) == ("\n\n### END", None, None)


def test_any_folder_run_or_adapter_can_be_listed(runs: Path) -> None:
    (runs / "court").rename(runs.parent / "elsewhere")
    for place in ("elsewhere", "elsewhere/adapter"):
        found = json.loads(adapters("list", place, "cooks", "--json").stdout)["adapters"]
        assert [one["name"] for one in found] == ["elsewhere", "cooks"]
    done = adapters("list", "runs/untrained")
    assert done.exit_code == 2
    assert "runs/untrained: holds no adapter" in done.stderr


def test_info_shows_one_whole(runs: Path) -> None:
    (runs / "court" / "adapter" / "eval.json").write_text(json.dumps(RESULT))
    done = adapters("info", "court")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.split("\n")]
    for expected in (
        ["folder", "runs/court/adapter"],
        ["rank", "4"],
        ["learned", "from", "not", "said"],
        ["temperature", "0.8"],
        ["quantisation", "none"],
    ):
        assert expected in lines
    assert any(line[:1] == ["adapter_model.safetensors"] and line[-1] == "bytes" for line in lines)
    assert "perplexity of replies" in done.stdout
    assert "stop.json ends replies with" not in done.stdout, "its files agree"
    found = json.loads(adapters("info", "court", "--json").stdout)
    assert found["decoding"]["top_k"] == 50
    assert found["files"]["stop.json"] > 0
    assert [point["holds"] for point in found["agreement"]] == [True] * 5
    assert found["evaluation"]["about"]["prompts"] == 64


def test_info_says_what_does_not_agree_and_what_is_not_there(runs: Path) -> None:
    file = runs / "court" / "adapter" / "generation_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "eos_token_id": 0}))
    done = adapters("info", "court")
    assert done.exit_code == 0
    assert "generate() runs past every stop" in " ".join(done.stdout.split())
    assert "Not evaluated yet: lorum eval runs/court/adapter" in done.stdout


def test_mix_writes_an_adapter_that_is_listed_as_a_mix(runs: Path) -> None:
    done = adapters("mix", "court=0.7", "cooks=0.3", "--out", "mixes/dinner")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "cat of court, cooks: rank 8, 16,384 parameters\n-> mixes/dinner\n"
    assert json.loads(adapters("list", "mixes", "--json").stdout)["adapters"][0]["mixed_of"] == {"court": 0.7, "cooks": 0.3}
    row = adapters("list", "mixes").stdout.strip().split("\n")[1]
    assert " mix " in row
    assert "a mix of court=0.7, cooks=0.3" in adapters("info", "mixes/dinner").stdout


def test_mix_takes_a_method_and_what_goes_with_it(runs: Path) -> None:
    done = adapters("mix", "a=runs/court=0.5", "cooks=-0.5", "--method", "svd", "--rank", "3", "--out", "mix", "--json")
    assert json.loads(done.stdout) == {"folder": "mix", "rank": 3, "parameters": 6144, "method": "svd"}
    record = json.loads(Path("mix/training.json").read_text())["mix"]
    assert (record["method"], record["rank"], [part["name"] for part in record["parts"]]) == ("svd", 3, ["a", "cooks"])
    done = adapters("mix", "court", "cooks", "--method", "dare_ties", "--density", "0.4", "--seed", "7", "--out", "mix", "--json")
    record = json.loads(Path("mix/training.json").read_text())["mix"]
    assert (record["density"], record["seed"]) == (0.4, 7)
    assert [part["weight"] for part in record["parts"]] == [0.5, 0.5], "names alone count the same"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["court=0.5", "cooks=half"], "mix: cooks=half: expected a name and a number"),
        (["court=0.5", "mugs=0.5"], "mugs: no such adapter"),
        (["court=0.5", "cooks=0.5", "--density", "0.5"], "--density goes with ties, dare_ties, dare_linear, magnitude_prune, not with cat"),
        (["court=0.5", "cooks=0.5", "--rank", "2"], "--rank goes with svd, not with cat"),
        (["court=0.5", "cooks=0.5", "--method", "ties", "--seed", "2"], "--seed goes with dare_ties, dare_linear, not with ties"),
    ],
)
def test_what_cannot_be_mixed_is_said_in_one_line(runs: Path, arguments: list[str], says: str) -> None:
    done = adapters("mix", *arguments, "--out", "mix")
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.strip().split("\n")
    assert line.startswith(f"lorum: {says}")
    assert not Path("mix").exists()
