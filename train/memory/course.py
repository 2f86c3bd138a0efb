"""What samples say about a training before it: its tokens, and the largest of its micro-batches."""

import json
from dataclasses import dataclass
from pathlib import Path

from formats.errors import UserError
from train.bases.base_model import tokenizer_of
from train.learning.batches import Batches, read_samples
from train.learning.planned import largest_micro_batch, number_of_steps
from train.memory.step import MicroBatch
from train.settings import TrainSettings


@dataclass(frozen=True)
class Course:
    """A training on given samples: how many there are, their longest in tokens, steps and tokens in all, and the largest micro-batch."""

    samples: int
    longest: int
    steps: int
    tokens: int
    micro_batch: MicroBatch


def course(folder: Path, base: str, settings: TrainSettings) -> Course:
    """Reads a samples folder as the training does.

    Raises:
        UserError: the folder is none, no row is short enough, or the base has no tokenizer.
    """
    rows = read_samples(folder, "train", tokenizer_of(base), settings.max_tokens).rows
    batches = Batches(rows, settings.batch, settings.tokens_per_batch, settings.seed)
    steps = number_of_steps(settings, batches)
    lengths = [len(row.input_ids) for row in rows]
    return Course(
        samples=len(rows),
        longest=max(lengths),
        steps=steps,
        tokens=round(sum(lengths) * steps / batches.steps),
        micro_batch=largest_micro_batch(settings, batches),
    )


def measured_speed(adapter: Path) -> float:
    """Real tokens a second of the training that made an adapter.

    Raises:
        UserError: the folder's training.json does not say it.
    """
    file = adapter / "training.json"
    try:
        speed = float(json.loads(file.read_text(encoding="utf-8"))["result"]["tokens_per_second"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{file}: says no speed; give the folder of an adapter that lorum trained, or --tokens-per-second") from None
    if speed <= 0:
        raise UserError(f"{file}: says {speed} tokens a second; give --tokens-per-second")
    return speed
