"""What the stock Trainer is told, and where a training reports to."""

import os
from pathlib import Path

import pytest

from tests.train.learning.tiny import SETTINGS, Killed, changed, train_tiny
from train.learning.arguments import reports, training_arguments
from train.learning.processes import Processes


def test_nothing_is_sent_anywhere_unless_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    quiet = training_arguments(SETTINGS, 2, tmp_path, "run", Processes())
    assert quiet.report_to == []
    assert reports(SETTINGS, tmp_path / "logs", 0) == []
    assert "WANDB_PROJECT" not in os.environ
    assert list(tmp_path.iterdir()) == []


def test_senders_are_the_trainers_own_under_our_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "")
    monkeypatch.delenv("WANDB_PROJECT")
    arguments = training_arguments(changed(report_to=("tensorboard", "wandb", "trackio")), 2, tmp_path, "kettle-adapter", Processes())
    assert arguments.report_to == ["wandb", "trackio"]
    assert (arguments.run_name, arguments.project, arguments.trackio_static_space_id) == ("kettle-adapter", "lorum", False)
    assert os.environ["WANDB_PROJECT"] == "lorum"


def test_the_order_and_the_batches_are_ours(tmp_path: Path) -> None:
    arguments = training_arguments(changed(activation_checkpointing=True), 3, tmp_path, "run", Processes())
    assert (arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps) == (1, 3)
    assert arguments.train_sampling_strategy == "sequential"
    assert not arguments.ignore_data_skip
    assert not arguments.logging_nan_inf_filter, "a loss that is no number is to be seen"
    assert arguments.activation_checkpointing_kwargs == {"use_reentrant": False}


def test_tensorboard_shows_each_step_once_after_a_kill(samples: Path, base_folder: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    settings = changed(report_to=("tensorboard",), eval_every=4)
    with pytest.raises(Killed):
        train_tiny(samples, base_folder, tmp_path / "adapter", settings, kill_at=5)
    result, losses = train_tiny(samples, base_folder, tmp_path / "adapter", settings)
    (run,) = (tmp_path / "logs").iterdir()
    assert run.name.startswith(f"{tmp_path.name}-adapter-")
    events = accumulator.EventAccumulator(str(run)).Reload()
    shown = events.Scalars("train/loss")
    assert [event.step for event in shown] == list(range(1, 9))
    assert [event.value for event in shown][result.resumed_at :] == pytest.approx(losses)
    measured = events.Scalars("eval/loss")
    assert [event.step for event in measured] == [step for step, _ in result.validation_losses]
    assert [event.value for event in measured] == pytest.approx([loss for _, loss in result.validation_losses])
