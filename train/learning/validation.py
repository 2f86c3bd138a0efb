"""Measures the loss on held-out samples while an adapter is trained, keeps the best adapter, and ends what no longer gets better."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from formats.tokens.encoding import Encoded
from train.learning.batches import Batches, flatten_onto
from train.learning.loss import token_losses
from train.learning.processes import Processes
from train.settings import TrainSettings

LOSS, RUNTIME = "eval_loss", "eval_runtime"
"""The names of the measured loss and of the seconds it took in the Trainer's log, as the Trainer's own evaluation has them."""

_TOKENS_TOGETHER = 1024
"""At most so many tokens in a pass: without gradients the logits of all replies are in memory at once, and would be the peak of all."""


class Validation(TrainerCallback):
    """Measures every `eval_every` steps and at the end; has each new best adapter saved as a checkpoint, which the Trainer then keeps.

    What it knows is in the Trainer's state, so that a training goes on from a checkpoint with what was measured until then.

    Args:
        rows: held-out samples, of which `eval_samples` are taken, always the same ones.
        log: the Trainer's, which tells the other callbacks and keeps the history.
    """

    def __init__(
        self, rows: Sequence[Encoded], settings: TrainSettings, processes: Processes, log: Callable[[dict[str, float]], None]
    ) -> None:
        chosen = np.random.default_rng(settings.seed).permutation(len(rows))[: settings.eval_samples]
        self._batches = measuring_batches([rows[place] for place in sorted(chosen)], settings.tokens_per_batch, processes)
        self._settings = settings
        self._processes = processes
        self._log = log
        self.stopped = False

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Forgets a best adapter whose checkpoint is no longer there."""
        if state.best_global_step and state.best_model_checkpoint is None:
            state.best_metric = state.best_global_step = None

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        model: torch.nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        """Measures after the steps that are due, once their own loss is told."""
        is_last = state.global_step >= state.max_steps
        if not logs or "loss" not in logs or model is None or (state.global_step % self._settings.eval_every and not is_last):
            return
        started = time.monotonic()
        loss = held_out_loss(model, self._batches, self._processes)
        self._log({LOSS: loss, RUNTIME: time.monotonic() - started})
        if state.best_metric is None or loss < state.best_metric:
            state.best_metric, state.best_global_step = loss, state.global_step
            control.should_save = not is_last
        elif self._settings.patience and worse_since(state) >= self._settings.patience:
            self.stopped = control.should_training_stop = True
            # The adapter is written next; a training that went on from here would not know that it is over.
            control.should_save = False


def measuring_batches(rows: Sequence[Encoded], tokens_per_batch: int, processes: Processes) -> Batches:
    """All rows once, in batches for `held_out_loss`."""
    return Batches(rows, len(rows), min(tokens_per_batch, _TOKENS_TOGETHER), seed=0, processes=processes.count)


def held_out_loss(model: torch.nn.Module, batches: Batches, processes: Processes) -> float:
    """Mean cross-entropy (nats) of each token of reply and stop, over all rows together; each process takes its share of the batches.

    Every process makes the same number of forward passes, which a model that is spread over them needs. Nothing random is drawn.
    """
    device = next(model.parameters()).device
    total = torch.zeros(2, dtype=torch.float64)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for number in range(processes.rank, len(batches), processes.count):
                inputs = flatten_onto(device, batches[number])
                labels = inputs.pop("labels")
                losses = token_losses(model(**inputs), labels)
                total += torch.tensor([float(losses.double().sum()), losses.numel()], dtype=torch.float64)
    finally:
        model.train(was_training)
    summed, count = processes.summed(total).tolist()
    return float(summed / count)


def measured(state: TrainerState) -> list[tuple[int, float]]:
    """The steps after which the held-out loss was measured, and what it was."""
    return [(int(entry["step"]), float(entry[LOSS])) for entry in state.log_history if LOSS in entry]


def worse_since(state: TrainerState) -> int:
    """How many measurements in a row were no better than the best before them."""
    return sum(step > (state.best_global_step or 0) for step, _ in measured(state))
