"""lorum eval: an adapter of a run is told anew in the record and the report of that run."""

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from curate.commands.learn import eval_command
from tests.evaluated import RESULT
from train.evaluation import evaluate as module
from train.settings import EvalSettings

OLD = {"seconds": 3.0, "fingerprint": "f", "counts": copy.deepcopy(RESULT)}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run's folder that was evaluated with 64 prompts; evaluating takes no model, and has as many prompts as it is asked for."""

    def evaluate(adapter: Path, samples: Path, settings: EvalSettings, progress: Any) -> SimpleNamespace:
        about = {**RESULT["about"], "prompts": settings.prompts, "settings": settings.model_dump()}
        return SimpleNamespace(to_dict=lambda: {**copy.deepcopy(RESULT), "about": about})

    monkeypatch.setattr(module, "evaluate", evaluate)
    for name in ("adapter", "another"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "adapter_config.json").touch()
    recipe = {"eval": EvalSettings().model_dump()}
    record = {"lorum": "1", "name": "court", "started": "now", "recipe": recipe, "stages": {"eval": OLD}}
    (tmp_path / "run.json").write_text(json.dumps(record))
    return tmp_path


def evaluated(*arguments: object) -> None:
    assert CliRunner().invoke(eval_command, list(map(str, arguments)), catch_exceptions=False).exit_code == 0


def stage_of(run: Path) -> dict[str, Any]:
    stage: dict[str, Any] = json.loads((run / "run.json").read_text())["stages"]["eval"]
    return stage


def test_the_report_shows_the_new_figures_and_the_run_evaluates_again(run: Path) -> None:
    evaluated(run / "adapter", "--prompts", "128")
    assert stage_of(run)["counts"]["about"]["prompts"] == 128
    assert stage_of(run)["fingerprint"] is None, "its recipe asks for 64 prompts"
    assert "128 prompts of threads held out" in (run / "report.html").read_text()


def test_the_runs_own_settings_keep_its_stage(run: Path) -> None:
    evaluated(run / "adapter")
    assert stage_of(run)["fingerprint"] == "f"
    evaluated(run / "adapter", "--samples", run / "others")
    assert stage_of(run)["fingerprint"] is None


def test_an_adapter_of_no_run_changes_no_record(run: Path) -> None:
    before = (run / "run.json").read_bytes()
    evaluated(run / "another")
    assert (run / "run.json").read_bytes() == before
    assert not (run / "report.html").exists()
