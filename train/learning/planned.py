"""What the planner says of a training, before its base is loaded."""

import math

from train.bases.base_model import Base, device
from train.learning.batches import Batches
from train.memory.plan import plan
from train.memory.process import free_bytes, process_bytes
from train.memory.sizes import shown_size
from train.memory.step import MicroBatch
from train.settings import TrainSettings


def number_of_steps(settings: TrainSettings, batches: Batches) -> int:
    """Optimizer steps of the whole training; the Trainer rounds up as well."""
    return settings.max_steps if settings.max_steps > 0 else math.ceil(settings.epochs * batches.steps)


def planned_bytes(base: Base, settings: TrainSettings, batches: Batches) -> int | None:
    """What the training takes at its peak, with its own largest micro-batch; None where the planner cannot say."""
    try:
        shape = largest_micro_batch(settings, batches)
        return plan(base.config, settings, shape.tokens, device(), micro_batch=shape).peak_bytes
    except Exception:
        # A plan is only told: whatever goes wrong with it, no training is lost for it.
        return None


def shortage(planned: int | None) -> str | None:
    """A line where a plan exceeds what is free here; None where it does not, or where either is not known.

    A system without memory to spare ends a process without a word, so it is said before.
    """
    free = free_bytes(device())
    if planned is None or free is None or planned - process_bytes(device()) <= free:
        return None
    return (
        f"the plan is {shown_size(planned)}, and {shown_size(free)} are free here: it may be killed; "
        "`lorum plan` says what to change, beginning with train.tokens_per_batch and train.activation_checkpointing"
    )


def largest_micro_batch(settings: TrainSettings, batches: Batches) -> MicroBatch:
    """The shape of the micro-batch with the most tokens in all epochs."""
    found = batches.largest(math.ceil(number_of_steps(settings, batches) / batches.steps))
    return MicroBatch(tuple(len(row.input_ids) for row in found), sum(len(row.input_ids) - max(1, row.num_prompt) for row in found))
