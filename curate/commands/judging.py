"""The options of `lorum eval` that let a judge compare answers by pairs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from formats.errors import UserError


@dataclass(frozen=True)
class JudgingOptions:
    """What the command line says of a judging; `against` is empty and `judge` None where none is asked for."""

    against: tuple[str, ...]
    judge: str | None
    judge_url: str | None
    judge_prompt: str
    questions: Path | None
    max_questions: int


def judging_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of a judging; the command gets them as one `judging`, a `JudgingOptions`."""

    @click.option(
        "--against",
        multiple=True,
        metavar="OTHER",
        help="Let a judge compare its answers with those of OTHER: an adapter, `base`, or a JSON-lines file of answers. Repeatable.",
    )
    @click.option("--judge", metavar="MODEL", help="The judge: a local model as --base names it, or one at --judge-url.")
    @click.option("--judge-url", metavar="URL", help="An API of OpenAI's style, as http://localhost:8000/v1; its key from OPENAI_API_KEY.")
    @click.option(
        "--judge-prompt",
        default="choice",
        show_default=True,
        metavar="NAME|FILE",
        help="choice, scores, forum, or a TOML file.",
    )
    @click.option(
        "--questions",
        type=click.Path(path_type=Path),
        help="Questions, a line each or JSON lines. [default: held-out prompts]",
    )
    @click.option("--max-questions", default=80, show_default=True, type=click.IntRange(1), help="Questions to judge by, at most.")
    @wraps(command)
    def wrapped(
        *args: Any,
        against: tuple[str, ...],
        judge: str | None,
        judge_url: str | None,
        judge_prompt: str,
        questions: Path | None,
        max_questions: int,
        **kwargs: Any,
    ) -> Any:
        judging = JudgingOptions(against, judge, judge_url, judge_prompt, questions, max_questions)
        return command(*args, judging=judging, **kwargs)

    return wrapped


def judge_if_asked(
    adapter: Path, samples: Path, options: JudgingOptions, progress: Callable[[str, int, int], None]
) -> dict[str, Any] | None:
    """Judges the adapter's answers as the options say; None where no judging is asked for.

    Notes the result in its `eval.json`, and in the record and the report of its run.

    Raises:
        UserError: an option lacks the other that it needs, or what it names is not there.
    """
    refuse_half(options)
    if not options.against or options.judge is None:
        return None
    from curate.pages.run import note_judging_in_run
    from train.evaluation.judging.endpoint import EndpointJudge
    from train.evaluation.judging.judge import JudgingSettings, judge_pairs
    from train.evaluation.judging.result import note_judging

    judge: Any
    if options.judge_url is not None:
        judge = EndpointJudge(options.judge_url, options.judge)
    else:
        from train.evaluation.judging.local_judge import LocalJudge

        judge = LocalJudge(options.judge)
    settings = JudgingSettings(options.judge_prompt, options.questions, options.max_questions)
    result = judge_pairs(adapter, options.against, judge, samples, settings, progress=progress).to_dict()
    note_judging(adapter, result)
    note_judging_in_run(result, adapter.parent)
    return result


def refuse_half(options: JudgingOptions) -> None:
    """Refuses half a judging, before anything else of the command has taken its time.

    Raises:
        UserError: somebody to meet without a judge, or a judge without somebody to meet.
    """
    if options.against and options.judge is None:
        raise UserError("--against needs --judge: name the model that compares the answers")
    if not options.against and (options.judge is not None or options.judge_url is not None or options.questions is not None):
        raise UserError("--judge, --judge-url and --questions need --against: name whom the adapter meets, such as base")
