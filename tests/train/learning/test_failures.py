"""What ends a training before its time: each leaves the last checkpoint whole and says in a line what to change."""

import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from formats.errors import TrainingError
from tests.train.learning.tiny import SETTINGS, changed, train_tiny
from train.learning.checkpoints import mark_complete
from train.learning.failures import TRAINING, WRITING, Situation, explained, require_room
from train.learning.trainer import train
from train.progress import OnProgress, TrainProgress
from train.settings import TrainSettings


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process can grow beyond that: the nearest that a test comes to a full disk without being root."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def checkpoints(folder: Path, adapter: str = "adapter") -> list[str]:
    return sorted(path.name for path in (folder / f".{adapter}.checkpoints").glob("checkpoint-*"))


@pytest.mark.parametrize("writes", ["the adapter's weights", "the optimizer's state"])
def test_a_disk_that_fills_up_while_a_checkpoint_is_saved(
    samples: Path, base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: str
) -> None:
    weights = 4 * 2 * 4 * (2 * 128 + 2 * 96 + 3 * 192)
    limit = weights // 2 if writes == "the adapter's weights" else int(1.5 * weights)
    begun: list[int] = []

    def fills_up(progress: TrainProgress) -> None:
        if progress.step == 6:
            begun.append(resource.getrlimit(resource.RLIMIT_FSIZE)[0])
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    with largest_file(resource.RLIM_INFINITY), pytest.raises(TrainingError) as raised:
        train(samples, str(base_folder), tmp_path / "adapter", SETTINGS, progress=fills_up)
    line = str(raised.value)
    assert line.startswith(f"training, after step 6: {tmp_path} cannot be written to, the disk is full")
    assert "make room, and the same command goes on" in line
    assert begun
    assert checkpoints(tmp_path) == ["checkpoint-3"], "what was half written is gone"
    result, _ = train_tiny(samples, base_folder, tmp_path / "adapter")
    assert result.resumed_at == 3


def test_a_disk_that_fills_up_while_the_adapter_is_written(
    samples: Path, base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        with largest_file(100):
            (tmp_path / "big").write_bytes(b"x" * 200)

    with monkeypatch.context() as patch:
        patch.setattr("train.learning.trainer.save_adapter", full)
        with pytest.raises(TrainingError, match=r"^writing the adapter, after step 8: .* make room"):
            train_tiny(samples, base_folder, tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()
    assert not (tmp_path / ".adapter.partial").exists()
    result, _ = train_tiny(samples, base_folder, tmp_path / "adapter")
    assert result.resumed_at == 6


def test_a_loss_that_is_no_number_stops_the_training_at_once(samples: Path, base_folder: Path, tmp_path: Path) -> None:
    steps: list[int] = []
    settings = changed(learning_rate=1e30, max_grad_norm=0.5, save_every=1)
    with pytest.raises(TrainingError) as raised:
        train(samples, str(base_folder), tmp_path / "adapter", settings, progress=lambda now: steps.append(now.step))
    stopped_at = len(steps) + 1
    assert str(raised.value).startswith(f"step {stopped_at}: the loss is ")
    assert "set train.learning_rate = 0.0002 (now 1e+30) or train.max_grad_norm = 0.25 (now 0.5)" in str(raised.value)
    assert f"checkpoint-{stopped_at}" not in checkpoints(tmp_path)
    assert not (tmp_path / "adapter").exists()


def test_a_gradient_that_is_no_number_stops_it_too(
    samples: Path, base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.Trainer._get_grad_norm", lambda self, model, grad_norm=None: float("inf"))
    with pytest.raises(TrainingError, match=r"^step 1: the gradient's norm is inf"):
        train_tiny(samples, base_folder, tmp_path / "adapter")


def test_a_training_told_to_end_saves_and_goes_on_another_time(samples: Path, base_folder: Path, tmp_path: Path) -> None:
    def tells(progress: TrainProgress) -> None:
        if progress.step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)

    with pytest.raises(TrainingError, match=r"^told to end after step 5 of 8: the checkpoint is saved, and the same command goes on"):
        train(samples, str(base_folder), tmp_path / "told", SETTINGS, progress=tells)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    result, _ = train_tiny(samples, base_folder, tmp_path / "told")
    assert result.resumed_at == 5


def test_ctrl_c_ends_after_the_step_and_a_second_one_at_once(samples: Path, base_folder: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def at(*steps: int) -> OnProgress:
        return lambda now: [os.kill(os.getpid(), signal.SIGINT) for step in steps if step == now.step] and time.sleep(0.01)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(samples, str(base_folder), tmp_path / "told", SETTINGS, progress=at(4), say=said.append)
    assert said == ["train: ends after this step, with a checkpoint; Ctrl-C again: at once"]
    assert checkpoints(tmp_path, "told") == ["checkpoint-3", "checkpoint-5"]
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        train(samples, str(base_folder), tmp_path / "told", SETTINGS, progress=at(7, 7))
    assert checkpoints(tmp_path, "told") == ["checkpoint-5", "checkpoint-6"], "the step it was in has none"


OUT_OF_MEMORY = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] data. DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes."),
    MemoryError(),
    OSError(12, "Cannot allocate memory"),
)


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_memory_that_does_not_suffice_says_what_to_set(tmp_path: Path, error: Exception) -> None:
    situation = Situation(tmp_path, TrainSettings(tokens_per_batch=4096), longest=500, doing=TRAINING, step=7)
    with pytest.raises(TrainingError) as raised, explained(situation):
        raise error
    assert str(raised.value) == (
        "training, after step 7: the memory does not suffice; set train.tokens_per_batch = 2048 (now 4096), or "
        "train.activation_checkpointing = true, and the same command goes on from the last checkpoint"
    )


@pytest.mark.parametrize(
    ("settings", "longest", "doing", "advice"),
    [
        ({"tokens_per_batch": 600}, 500, TRAINING, "set train.tokens_per_batch = 500 (now 600), or train.activation_checkpointing"),
        ({"tokens_per_batch": 400, "activation_checkpointing": True, "quantisation": "none"}, 500, TRAINING,
         'set train.quantisation = "nf4", or train.max_tokens = 250 (the longest sample has 500)'),
        ({"tokens_per_batch": 400, "activation_checkpointing": True}, 500, TRAINING, "set train.max_tokens = 250"),
        ({"quantisation": "int8"}, 500, "loading the base", 'set train.quantisation = "nf4", or take a smaller base'),
        ({}, 500, "loading the base", "take a smaller base"),
    ],
)  # fmt: skip
def test_the_advice_goes_from_what_costs_least_to_what_costs_most(
    tmp_path: Path, settings: dict[str, object], longest: int, doing: str, advice: str
) -> None:
    with pytest.raises(TrainingError) as raised, explained(Situation(tmp_path, TrainSettings(**settings), longest, doing)):
        raise MemoryError
    assert str(raised.value).partition("; ")[2].startswith(advice)


def test_memory_that_gives_out_in_a_training_leaves_its_checkpoint(
    samples: Path, base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asks_for_too_much(progress: TrainProgress) -> None:
        if progress.step == 5:
            torch.empty(1 << 60, dtype=torch.uint8)

    with pytest.raises(TrainingError, match=r"^training, after step 5: the memory does not suffice; set train.tokens_per_batch = 128"):
        train(samples, str(base_folder), tmp_path / "adapter", SETTINGS, progress=asks_for_too_much)
    # Less at once is the same training: it goes on.
    result, _ = train_tiny(samples, base_folder, tmp_path / "adapter", changed(tokens_per_batch=128))
    assert result.resumed_at == 3


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), explained(Situation(tmp_path, SETTINGS, 9, WRITING)):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def test_room_on_the_disk_is_asked_for_before_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "checkpoints"
    (folder / "checkpoint-3").mkdir(parents=True)
    (folder / "checkpoint-3" / "optimizer.pt").write_bytes(b"x" * 1000)
    mark_complete(folder / "checkpoint-3")
    there = sum(file.stat().st_size for file in (folder / "checkpoint-3").iterdir())

    def free(count: int) -> None:
        monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": count}))

    situation = Situation(folder, TrainSettings(save_every=10), 100)
    # 1,000 parameters: 4,000 bytes of adapter, and 12,000 of each checkpoint.
    for steps, settings, needed in (
        (9, {}, 4_000),
        (25, {}, 28_000),
        (1_000, {}, 40_000),
        (1_000, {"eval_every": 5}, 52_000),
        (1_000, {"optimizer": "adamw_8bit"}, 22_000),
    ):
        situation.settings = TrainSettings(save_every=10, **settings)
        free(needed - there)
        require_room(situation, 1_000, steps)
        free(needed - there - 1)
        with pytest.raises(TrainingError, match=r"GB free on this disk, and the adapter and \d checkpoints need .* lower train.rank = 16"):
            require_room(situation, 1_000, steps)
