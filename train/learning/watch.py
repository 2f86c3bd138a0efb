"""Follows a training from inside the Trainer."""

import time
from collections import deque
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from train.learning.checkpoints import mark_complete
from train.progress import OnProgress, TrainProgress


class Watch(TrainerCallback):
    """Passes on each step's loss and speed, and marks each checkpoint that was saved whole."""

    def __init__(self, progress: OnProgress) -> None:
        self._progress = progress
        self._recent: deque[tuple[float, int]] = deque(maxlen=20)
        self.begun_at = 0
        self.tokens_before = 0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Notes where it starts, or goes on from."""
        self.begun_at = state.global_step
        self.tokens_before = int(state.num_input_tokens_seen)
        self._recent.append((time.monotonic(), self.tokens_before))

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Tells of a step's loss and speed."""
        if not logs or "loss" not in logs:
            return
        now, tokens = time.monotonic(), int(state.num_input_tokens_seen)
        since, before = self._recent[0]
        steps = len(self._recent)
        self._recent.append((now, tokens))
        elapsed = max(now - since, 1e-9)
        self._progress(
            TrainProgress(
                step=state.global_step,
                steps=state.max_steps,
                loss=float(logs["loss"]),
                tokens=tokens,
                tokens_per_second=(tokens - before) / elapsed,
                seconds_left=(state.max_steps - state.global_step) * elapsed / steps,
            )
        )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Leaves the last step without a checkpoint: the adapter is written next."""
        if state.global_step >= state.max_steps:
            # Resumed from a checkpoint of its last step, the Trainer would take one step more.
            control.should_save = False

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Marks a checkpoint that was saved whole."""
        mark_complete(Path(args.output_dir or ".") / f"checkpoint-{state.global_step}")
