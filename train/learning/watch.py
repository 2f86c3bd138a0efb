"""Follows a training from inside the Trainer."""

import math
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from train.learning.batches import Batches
from train.learning.checkpoints import mark_complete
from train.learning.failures import Situation, not_finite
from train.learning.processes import Processes
from train.learning.validation import RUNTIME, measured
from train.progress import OnProgress, OnSay, TrainProgress, mute

_OVERFLOWS = 25
"""Steps in a row in which float16 gradients may overflow: the loss scale begins at 65,536 and is halved each time."""


class Watch(TrainerCallback):
    """Passes on each step's loss and speed, counts tokens, marks whole checkpoints, and stops a training that is lost or told to end.

    Attributes:
        begun_at: the step it went on from; 0 for a fresh one.
        tokens_before: real tokens until then.
        measuring_s: seconds that measuring the held-out loss took.
        terminated: whether it was told to end (SIGTERM, Ctrl-C) and is to go on another time.
        interrupted: whether Ctrl-C told it.
    """

    def __init__(self, progress: OnProgress, batches: Batches, situation: Situation, processes: Processes, say: OnSay = mute) -> None:
        self._progress = progress
        self._say = say
        self._batches = batches
        self._situation = situation
        self._processes = processes
        self._recent: deque[tuple[float, int]] = deque(maxlen=20)
        self._overflows = 0
        self._told_to_end = False
        self.begun_at = 0
        self.tokens_before = 0
        self.measuring_s = 0.0
        self.terminated = False
        self.interrupted = False

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Notes where it starts, or goes on from."""
        self.begun_at = state.global_step
        self.tokens_before = int(state.num_input_tokens_seen)
        self._recent.append((self._clock(), self.tokens_before))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Counts the step's tokens; has a checkpoint saved where it is told to end."""
        self._situation.step = state.global_step
        state.num_input_tokens_seen += self._tokens_of(state.global_step)
        if state.global_step >= state.max_steps:
            # The adapter is written next. Resumed from a checkpoint of its last step, the Trainer would take one step more.
            control.should_save = False
        elif self._processes.any_of(self._told_to_end, args.device):
            self.terminated = control.should_save = control.should_training_stop = True

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Tells of a step's loss and speed.

        Raises:
            TrainingError: the loss or the gradient is no finite number.
        """
        self.measuring_s += float((logs or {}).get(RUNTIME, 0.0))
        if not logs or "loss" not in logs:
            return
        self._require_finite(args, state, logs)
        now, tokens = self._clock(), int(state.num_input_tokens_seen)
        since, before = self._recent[0]
        steps = len(self._recent)
        self._recent.append((now, tokens))
        elapsed = max(now - since, 1e-9)
        losses = measured(state)
        self._progress(
            TrainProgress(
                step=state.global_step,
                steps=state.max_steps,
                loss=float(logs["loss"]),
                tokens=tokens,
                tokens_per_second=(tokens - before) / elapsed,
                seconds_left=(state.max_steps - state.global_step) * elapsed / steps,
                validation_loss=losses[-1][1] if losses else None,
            )
        )

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Marks a checkpoint that was saved whole."""
        self._processes.wait()
        if self._processes.is_main:
            mark_complete(Path(args.output_dir or ".") / f"checkpoint-{state.global_step}")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Lets SIGTERM and Ctrl-C end the training after its step, with a checkpoint; a second Ctrl-C ends it at once.

        Elsewhere than in the main thread they end it at once.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def end(number: int, frame: FrameType | None) -> None:
            if number == signal.SIGINT:
                if self.interrupted:
                    raise KeyboardInterrupt
                self.interrupted = True
                # The signal may have come in the middle of a line.
                with suppress(RuntimeError):
                    self._say("train: ends after this step, with a checkpoint; Ctrl-C again: at once")
            self._told_to_end = True

        before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _clock(self) -> float:
        """Seconds, of which those that measuring the held-out loss took are none of the training's."""
        return time.monotonic() - self.measuring_s

    def _tokens_of(self, step: int) -> int:
        """Real tokens of an optimizer step, over all processes."""
        groups = len(self._batches) // self._batches.steps
        first = (step - 1) % self._batches.steps * groups
        rows = (row for number in range(first, first + groups) for row in self._batches[number])
        # What only fills a step up is a prompt without a completion.
        return sum(len(row.input_ids) for row in rows if len(row.input_ids) > row.num_prompt)

    def _require_finite(self, args: TrainingArguments, state: TrainerState, logs: dict[str, Any]) -> None:
        for what, value in (("loss", float(logs["loss"])), ("gradient's norm", float(logs.get("grad_norm", 0.0)))):
            overflowed = not math.isfinite(value)
            if what == "gradient's norm" and args.fp16:
                self._overflows = self._overflows + 1 if overflowed else 0
                overflowed = self._overflows > _OVERFLOWS
            if overflowed:
                raise not_finite(what, value, state.global_step, self._situation.settings)
