"""Turns what ends a training into one line that says where it was and what to change."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from formats.errors import TrainingError
from train.learning.checkpoints import last_complete
from train.learning.processes import this_process
from train.settings import TrainSettings

_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "Cannot allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""Words of PyTorch's allocators, CUDA's libraries and the system's `ENOMEM`."""

_NO_ROOM = (
    "No space left on device",
    "File too large",
    "Disk quota exceeded",
    "PytorchStreamWriter failed",
    "unexpected pos",
    "iostream error",
)
"""Words of the system, which safetensors passes on, and of `torch.save`, which does not say why it could not write."""

_ADAPTER_BYTES, _STATE_BYTES, _STATE_BYTES_8BIT = 4, 8, 2
"""Bytes a trained parameter takes in a file: float32, and in the optimizer's state twice that or two numbers of 8 bit."""

LOADING, TRAINING, WRITING = "loading the base", "training", "writing the adapter"
"""What a training does."""


@dataclass
class Situation:
    """What a training is doing, for the line about its end: `step` counts optimizer steps, `longest` is its longest sample in tokens."""

    checkpoints: Path
    settings: TrainSettings
    longest: int
    doing: str = LOADING
    step: int = 0


@contextmanager
def explained(situation: Situation) -> Iterator[None]:
    """Raises what a full memory or disk raises as a line that says what to change.

    Raises:
        TrainingError: memory or disk did not suffice; a half-written checkpoint is removed, the one before it stays.
    """
    try:
        yield
    except Exception as error:
        line = _explanation(error, situation)
        if line is None:
            raise
        if situation.checkpoints.is_dir() and this_process().is_main:
            last_complete(situation.checkpoints)
        raise TrainingError(line) from error


def require_room(situation: Situation, trainable_parameters: int, steps: int) -> None:
    """Refuses a training whose checkpoints and adapter would not fit on the disk.

    Two checkpoints stay while the next is written, and the best one where the loss is measured; those that are there already count as
    room, for they go.

    Raises:
        TrainingError: there is too little room.
    """
    settings = situation.settings
    adapter = trainable_parameters * _ADAPTER_BYTES
    state = trainable_parameters * (_STATE_BYTES_8BIT if settings.optimizer.endswith("8bit") else _STATE_BYTES)
    kept = min(3, steps // settings.save_every) + (1 if settings.eval_every and settings.eval_every < steps else 0)
    needed = adapter + kept * (adapter + state)
    there = sum(file.stat().st_size for file in situation.checkpoints.rglob("*") if file.is_file())
    free = shutil.disk_usage(situation.checkpoints).free + there
    if free < needed:
        raise TrainingError(
            f"{situation.checkpoints.parent}: {_gigabytes(free)} free on this disk, and the adapter and {kept} checkpoints need "
            f"{_gigabytes(needed)}: make room, write to another disk, or lower train.rank = {settings.rank}"
        )


def not_finite(what: str, value: float, step: int, settings: TrainSettings) -> TrainingError:
    """The error of a loss or a gradient that is no finite number."""
    return TrainingError(
        f"step {step}: the {what} is {value}, so nothing more can be learned; "
        f"set train.learning_rate = {min(settings.learning_rate / 2, 2e-4):g} (now {settings.learning_rate:g}) "
        f"or train.max_grad_norm = {min(settings.max_grad_norm / 2, 0.3):g} (now {settings.max_grad_norm:g}), and train again"
    )


def terminated(step: int, steps: int) -> TrainingError:
    """The error of a training that was told to end (SIGTERM)."""
    return TrainingError(f"told to end after step {step:,} of {steps:,}: the checkpoint is saved, and the same command goes on from there")


def _explanation(error: BaseException, situation: Situation) -> str | None:
    chain = list(_causes(error))
    texts = " ".join(str(link) for link in chain)
    numbers = {link.errno for link in chain if isinstance(link, OSError)}
    if any(isinstance(link, MemoryError) for link in chain) or errno.ENOMEM in numbers or any(words in texts for words in _NO_MEMORY):
        return f"{_place(situation)}: the memory does not suffice; {_smaller(situation)}"
    if numbers & {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} or any(words in texts for words in _NO_ROOM):
        folder = situation.checkpoints.parent
        free = _gigabytes(shutil.disk_usage(folder).free)
        return (
            f"{_place(situation)}: {folder} cannot be written to, the disk is full or a limit is reached ({free} free); make room, and the "
            "same command goes on from the last checkpoint"
        )
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _place(situation: Situation) -> str:
    return f"{situation.doing}, after step {situation.step:,}" if situation.step else situation.doing


def _smaller(situation: Situation) -> str:
    """What takes less memory, with values; first what costs least and leaves the course of the training as it is."""
    settings, longest = situation.settings, situation.longest
    if situation.doing == LOADING:
        return "take a smaller base" if settings.quantisation == "nf4" else 'set train.quantisation = "nf4", or take a smaller base'
    ways = []
    if settings.tokens_per_batch > longest:
        ways.append(f"train.tokens_per_batch = {max(longest, settings.tokens_per_batch // 2)} (now {settings.tokens_per_batch})")
    if not settings.activation_checkpointing:
        ways.append("train.activation_checkpointing = true")
    if ways:
        return f"set {', or '.join(ways)}, and the same command goes on from the last checkpoint"
    shorter = f"train.max_tokens = {longest // 2} (the longest sample has {longest})"
    return f"set {shorter}" if settings.quantisation == "nf4" else f'set train.quantisation = "nf4", or {shorter}'


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:,.2f} GB"
