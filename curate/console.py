"""What the user sees while a command works: progress on standard error, results on standard output, errors in one line."""

import errno
import json
import os
import sys
import time
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

if TYPE_CHECKING:
    from train.progress import TrainProgress

_EVERY_S = 2.0


class Reporter:
    """Shows progress: bars on a terminal, plain lines otherwise, nothing when quiet. A `Progress` for the stages."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}
        self._told: dict[str, float] = {}

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
            self._bars = Progress(*columns, console=Console(stderr=True))
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bars:
            self._bars.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """What is being done, how much of it is done, and how much there is (0: unknown)."""
        if self._quiet:
            return
        if self._bars:
            if what not in self._tasks:
                self._tasks[what] = self._bars.add_task(what, total=total or None)
            self._bars.update(self._tasks[what], completed=done, total=total or None)
            return
        if done == total or self._due(what, _EVERY_S):
            print(f"{what}: {done:,}{f' of {total:,}' if total else ''}", file=sys.stderr, flush=True)

    def training(self, now: "TrainProgress") -> None:
        """A step of a training."""
        held_out = "" if now.validation_loss is None else f", held-out {now.validation_loss:.3f}"
        figures = f"loss {now.loss:.3f}{held_out}, {now.tokens_per_second:,.0f} tokens/s"
        if self._bars:
            self("train", now.step, now.steps)
            self._bars.update(self._tasks["train"], description=f"train: {figures}")
        elif now.step in (1, now.steps) or self._due("train", 10.0):
            self.say(f"train: step {now.step:,} of {now.steps:,}, {figures}, {now.seconds_left:,.0f} s left")

    def say(self, line: str) -> None:
        """A line of its own, between the bars."""
        if not self._quiet:
            from formats.visible import for_terminal_line

            shown = for_terminal_line(line)
            if self._bars:
                self._bars.console.print(shown, markup=False, highlight=False)
            else:
                print(shown, file=sys.stderr, flush=True)

    def _due(self, what: str, every_s: float) -> bool:
        """Whether so much time went by since a line on this."""
        now = time.monotonic()
        due = now - self._told.get(what, now - every_s) >= every_s
        if due:
            self._told[what] = now
        return due


def counted(count: int, what: str) -> str:
    """A number of things in words: 1 post, 2,000 posts."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def tell(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Prints for people: what would act on the terminal, as a control character in a text or a name, is shown instead."""
    from formats.visible import for_terminal

    click.echo(for_terminal(text), err=err, nl=nl)


def print_json(value: Any) -> None:
    """Prints for machines: what would act on the terminal is written as an escape of JSON."""
    from formats.visible import for_terminal_json

    click.echo(for_terminal_json(json.dumps(value, indent=2, ensure_ascii=False, default=str)))


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --json, --quiet and --debug, and turns errors into one line and an exit code.

    The command returns what --json prints, after printing for people itself if `as_json` is false.
    """

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
    @click.option("--quiet", is_flag=True, help="No progress.")
    @click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    @wraps(command)
    def wrapped(*args: Any, as_json: bool, quiet: bool, debug: bool, **kwargs: Any) -> None:
        try:
            result = command(*args, as_json=as_json, quiet=quiet or as_json, **kwargs)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            print("lorum: stopped; the same command goes on from here", file=sys.stderr)
            sys.exit(130)
        except Exception as error:
            if debug:
                raise
            line, code = _explain(error)
            tell(f"lorum: {line}", err=True)
            sys.exit(code)
        if as_json:
            print_json(result)

    return wrapped


def _explain(error: Exception) -> tuple[str, int]:
    """An error's one line and exit code: 2 for the caller's mistake, 1 for everything else."""
    from curate.sources.fetching.patience import SourceDownError
    from filters.rule import RuleError
    from formats.errors import ContractError, TrainingError, UserError
    from train.evaluation.judging.endpoint import JudgeDownError

    line = " ".join(str(error).split())
    if isinstance(error, UserError | RuleError):
        return line, 2
    if isinstance(error, ContractError | SourceDownError | TrainingError | JudgeDownError):
        return line, 1
    if _disk_is_full(error):
        return f"the disk is full ({line}): make room and run the same command again; what was finished is kept", 1
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {os.strerror(error.errno) if error.errno else line}; check the path and its permissions", 1
    return f"{type(error).__name__}: {line or 'no message'} (run again with --debug for the traceback)", 1


def _disk_is_full(error: BaseException | None) -> bool:
    """Whether the error or one of its causes is a full disk; Polars and safetensors pass on the words only."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        if "No space left on device" in str(error) or "File too large" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
