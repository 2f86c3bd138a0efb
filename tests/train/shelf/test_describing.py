"""What an adapter's folder says of itself."""

import datetime
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.evaluated import RESULT
from train.adapters.folder import note_termination
from train.shelf.describing import Damaged, Description, describe, describe_all, files_of, noted_evaluation


@pytest.fixture
def folder(court: Path, tmp_path: Path) -> Path:
    shutil.copytree(court, tmp_path / "court")
    return tmp_path / "court"


def test_an_adapter_says_what_it_is(folder: Path, base_folder: Path) -> None:
    os.utime(folder / "adapter_model.safetensors", (0, 1_760_000_000.75))
    found = describe("judge", folder)
    assert found == Description(
        name="judge",
        folder=folder,
        base=str(base_folder),
        template="comment-response",
        stop="\n\n### END",
        token="<|end|>",
        rank=4,
        bytes=(folder / "adapter_model.safetensors").stat().st_size,
        samples=None,
        mixed_of=None,
        termination_rate=None,
        toxicity=None,
        written=datetime.datetime(2025, 10, 9, 8, 53, 20, tzinfo=datetime.UTC),
    )
    assert json.loads(json.dumps(found.to_dict()))["written"] == "2025-10-09T08:53:20+00:00"


def test_what_was_learned_and_measured_is_told(folder: Path) -> None:
    (folder / "training.json").write_text(json.dumps({"course": "", "result": {"samples": 1354}}))
    note_termination(folder, {"base": 0.1, "adapter": 0.97, "prompts": 64, "max_new_tokens": 128})
    (folder / "eval.json").write_text(json.dumps(RESULT))
    found = describe("court", folder)
    toxicity = RESULT["adapter"]["wording"]["toxicity"]["mean"]["value"]
    assert (found.samples, found.termination_rate, found.toxicity) == (1354, 0.97, toxicity)


def test_a_mix_says_of_what_it_is(folder: Path) -> None:
    parts = [{"name": "court", "weight": 0.7, "sha256": ""}, {"name": "cooks", "weight": 0.3, "sha256": ""}]
    (folder / "training.json").write_text(json.dumps({"course": "", "mix": {"method": "cat", "parts": parts}}))
    assert describe("mix", folder).mixed_of == {"court": 0.7, "cooks": 0.3}


def test_what_was_passed_on_without_its_records_is_no_less_an_adapter(folder: Path) -> None:
    (folder / "training.json").unlink()
    found = describe("court", folder)
    assert (found.samples, found.mixed_of, found.toxicity) == (None, None, None)


def test_figures_of_older_versions_are_left_out(folder: Path) -> None:
    (folder / "eval.json").write_text('{"prompts": 64}')
    assert noted_evaluation(folder) is None
    (folder / "eval.json").write_text(json.dumps({"about": {}, "adapter": {"wording": {"toxicity": None}}}))
    assert describe("court", folder).toxicity is None, "an evaluation that measured none"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ("settings.toml", "missing; this adapter was not written by Lorum, or not whole"),
        ("adapter_model.safetensors", "missing; the adapter is not whole"),
    ],
)
def test_a_damaged_adapter_is_told_beside_the_others(folder: Path, court: Path, spoil: str, says: str) -> None:
    (folder / spoil).unlink()
    whole, damaged = describe_all([("court", court), ("broken", folder)])
    assert isinstance(whole, Description)
    assert isinstance(damaged, Damaged)
    assert (damaged.name, damaged.folder) == ("broken", folder)
    assert says in damaged.problem
    assert damaged.to_dict() == {"name": "broken", "folder": str(folder), "problem": damaged.problem}


@pytest.mark.parametrize("file", ["eval.json", "stop.json", "adapter_config.json"])
def test_a_file_that_was_cut_is_named(folder: Path, file: str) -> None:
    (folder / file).write_text("{")
    (found,) = describe_all([("court", folder)])
    assert isinstance(found, Damaged)
    assert file in found.problem
    assert "damaged" in found.problem


def test_files_are_listed_with_their_sizes(folder: Path) -> None:
    (folder / "checkpoint").mkdir()
    found = files_of(folder)
    assert found["template.toml"] == (folder / "template.toml").stat().st_size
    assert list(found) == sorted(found)
    assert "checkpoint" not in found
