"""Several processes that train one adapter: the same losses as one, one adapter, one voice."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from formats.errors import UserError
from tests.train.learning.tiny import changed, train_tiny
from train.adapters.lora import WEIGHTS
from train.learning.processes import Processes, joined, one_voice, this_process
from train.learning.trainer import TrainResult
from train.settings import TrainSettings

SETTINGS = changed(dropout=0.0, tokens_per_batch=64, eval_every=4)
"""Each sample goes through the model by itself, so that the sums are the same whoever makes them; 6 steps are a pass."""


def train_in_two(samples: Path, base: Path, out: Path, settings: TrainSettings, *program: str) -> dict[str, Any]:
    """What `lorum train` says, started by torchrun."""
    asked = settings.model_dump(exclude_defaults=True, exclude={"base"})
    changes = [word for name, value in asked.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *program]
    done = subprocess.run(
        [*launcher, "train", str(samples), "--base", str(base), "--out", str(out), "--json", *changes],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def assert_alike(one: TrainResult, two: dict[str, Any], folder: Path, rel: float) -> None:
    """One process and two came to the same, in the folders of these names."""
    assert (one.processes, two["processes"]) == (1, 2)
    assert [two["first_loss"], two["final_loss"]] == pytest.approx([one.first_loss, one.final_loss], rel=rel)
    assert [loss for _, loss in two["validation_losses"]] == pytest.approx([loss for _, loss in one.validation_losses], rel=rel)
    for count in ("tokens", "steps", "epochs", "samples", "trainable_parameters", "best_step"):
        assert two[count] == getattr(one, count)
    before, after = (load_file(folder / name / WEIGHTS) for name in ("one", "two"))
    assert before.keys() == after.keys()
    for name, matrix in before.items():
        torch.testing.assert_close(after[name], matrix, rtol=1e-3, atol=1e-4)
    assert sorted(path.name for path in folder.iterdir()) == ["one", "samples", "two"], "no checkpoints, no lock, no logs are left"


def test_two_processes_get_the_losses_of_one(samples: Path, base_folder: Path, tmp_path: Path) -> None:
    """In 4 bit, in micro-batches, over the end of a pass whose last step has fewer samples, with checkpoints and measurements."""
    one, _ = train_tiny(samples, base_folder, tmp_path / "one", SETTINGS)
    two = train_in_two(samples, base_folder, tmp_path / "two", SETTINGS, "-m", "curate.cli")
    assert_alike(one, two, tmp_path, rel=1e-5)


def test_a_base_spread_over_processes_gets_the_same_losses(
    samples: Path, base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FSDP in float32: in lower precision it rounds elsewhere."""
    for module in ("train.bases.base_model", "train.learning.arguments"):
        monkeypatch.setattr(f"{module}.compute_dtype", lambda: torch.float32)
    settings = SETTINGS.model_copy(update={"quantisation": "none"})
    one, _ = train_tiny(samples, base_folder, tmp_path / "one", settings)
    two = train_in_two(samples, base_folder, tmp_path / "two", settings, str(Path(__file__).with_name("spread.py")))
    assert_alike(one, two, tmp_path, rel=1e-5)


def test_the_main_process_speaks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)

    def fails(rank: str) -> None:
        monkeypatch.setenv("RANK", rank)
        with one_voice() as is_main:
            assert is_main == (rank == "0")
            raise UserError("no such base")

    for name in ("WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.setenv(name, "2")
    with pytest.raises(UserError):
        fails("0")
    assert waited == []
    with pytest.raises(UserError):
        fails("1")
    assert len(waited) == 1


def test_a_process_by_itself_needs_nothing_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with joined() as processes:
        assert processes == Processes() == this_process()
        processes.wait()
        assert processes.agreed("what it has") == "what it has"
        assert processes.is_main


def test_the_launcher_says_which_process_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WORLD_SIZE", "4"), ("RANK", "3"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    assert this_process() == Processes(count=4, rank=3, local_rank=1)
    assert not this_process().is_main
    monkeypatch.delenv("LOCAL_RANK")
    assert this_process() == Processes(), "a cluster's own variables alone are no launcher"


def test_fsdp_on_processors_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match="spread over GPUs only; leave FSDP out"), joined():
        pass
