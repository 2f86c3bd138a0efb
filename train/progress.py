"""What a training tells while it runs, and how it is shown."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

_EVERY_S = 10.0


@dataclass(frozen=True)
class TrainProgress:
    """Where a training stands after an optimizer step: `loss` of that step (nats a token), `tokens` since the training's beginning.

    Tokens are real ones, there is no padding; `tokens_per_second` counts this process's only, not what was done before a resume.
    """

    step: int
    steps: int
    loss: float
    tokens: int
    tokens_per_second: float
    seconds_left: float


OnProgress = Callable[[TrainProgress], None]


def silent(progress: TrainProgress) -> None:
    """Shows nothing."""


class ProgressBar:
    """Shows a training on standard error: a bar on a terminal, plain lines now and then otherwise. An `OnProgress`."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._told = 0.0

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            figures = TextColumn("loss {task.fields[loss]:.3f}  {task.fields[speed]:,.0f} tokens/s")
            columns = TextColumn("train"), BarColumn(), MofNCompleteColumn(), figures, TimeRemainingColumn()
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, progress: TrainProgress) -> None:
        """Shows where the training stands."""
        if self._bar:
            if self._task is None:
                self._task = self._bar.add_task("train", total=progress.steps, loss=0.0, speed=0.0)
            self._bar.update(self._task, completed=progress.step, loss=progress.loss, speed=progress.tokens_per_second)
        elif progress.step == progress.steps or time.monotonic() - self._told >= _EVERY_S:
            self._told = time.monotonic()
            print(line(progress), file=sys.stderr, flush=True)


def line(progress: TrainProgress) -> str:
    """The same in one line of text."""
    return (
        f"train: step {progress.step:,} of {progress.steps:,}, loss {progress.loss:.3f}, "
        f"{progress.tokens_per_second:,.0f} tokens/s, {progress.seconds_left:,.0f} s left"
    )
