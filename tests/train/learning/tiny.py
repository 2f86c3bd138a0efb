"""Trains an adapter of the tiny base in a second, and kills it where a test wants it killed."""

from pathlib import Path

from train.learning.trainer import TrainResult, train
from train.progress import TrainProgress
from train.settings import DecodingSettings, TrainSettings

SETTINGS = TrainSettings(
    rank=4, dropout=0.1, batch=4, max_tokens=128, max_steps=8, save_every=3, learning_rate=5e-3, tokens_per_batch=256, warmup=0.2
)


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


def train_tiny(
    samples: Path, base: Path, out: Path, settings: TrainSettings = SETTINGS, kill_at: int = 0
) -> tuple[TrainResult, list[float]]:
    """The result and the loss of each step; killed right after the step `kill_at`, before its checkpoint."""
    losses: list[float] = []

    def watch(progress: TrainProgress) -> None:
        losses.append(progress.loss)
        if progress.step == kill_at:
            raise Killed

    return train(samples, str(base), out, settings, DecodingSettings(temperature=0.7, top_k=20), progress=watch), losses


def changed(**values: object) -> TrainSettings:
    """The settings of the tiny training with others in place of some, checked as those of a recipe are."""
    return TrainSettings(**{**SETTINGS.model_dump(), **values})
