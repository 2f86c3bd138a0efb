"""Checks the stop contract: reads rows as a trainer does, part by part, and judges every point over all of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from formats.contract.chats import chat_ending
from formats.contract.endings import common_ending, end_literal
from formats.contract.readings import Reading, lorum, transformers, trl
from formats.contract.report import ContractReport, OutputRow, Point, StopSpec
from formats.contract.rows import ASSISTANTS, Chats, Pairs, Rows, Texts, parted
from formats.contract.text_points import TextPoints
from formats.contract.token_points import TokenPoints
from formats.errors import UserError
from formats.templates.template import Template
from formats.tokens.encoding import end_token_id

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ROWS_AT_ONCE = 4_096
"""Rows that are read and judged together: a few megabytes of tokens."""

OutputRowOf = Callable[[int], OutputRow]
"""Whether a base can put out a token, given its id."""


@dataclass(frozen=True)
class Trainer:
    """Who reads the rows, and how.

    Args:
        name: one of `formats.contract.readings.TRAINERS`.
        max_tokens: what the trainer's limit is set to.
        assistant_only: TRL's `assistant_only_loss`, for messages.
    """

    name: str
    max_tokens: int
    assistant_only: bool = False


def check_samples(
    ids: Sequence[str],
    prompts: Sequence[str],
    completions: Sequence[str],
    template: Template,
    tokenizer: "PreTrainedTokenizerBase",
    max_tokens: int,
    output_row: OutputRowOf | None = None,
) -> ContractReport:
    """Checks the stop contract on prompts and completions, as this project's trainer reads them; see `check`."""
    rows = Pairs(ids, prompts, completions)
    return check(in_parts(rows), Trainer("lorum", max_tokens), tokenizer, template, output_row)


def check(
    parts: Iterable[Rows],
    trainer: Trainer,
    tokenizer: "PreTrainedTokenizerBase",
    template: Template | None = None,
    output_row: OutputRowOf | None = None,
) -> ContractReport:
    """Checks the stop contract on every row, as a trainer reads it after truncation and packing.

    Args:
        parts: the rows, some thousand at a time; only one part is in memory.
        template: what the rows were rendered with. Without one the stop is the ending that most rows of the first part share, and what
            needs to know the boundaries is not judged.
        output_row: says whether the base can put out a token; None where only its tokenizer is at hand.

    Raises:
        UserError: the tokenizer has no end token or, for messages, no chat template; or `lorum` reads rows that are no pairs.
    """
    end = end_literal(tokenizer)
    own = end_token_id(template, tokenizer) if template else int(tokenizer.get_vocab()[end])
    remaining = (_with_prompts(part, trainer, template) for part in parts)
    first = next(remaining, None)
    stop = template.stop if template else _shared(first)
    shown_stop = _shown_stop(first, stop, end, trainer, tokenizer)
    reading = _reading(trainer, template, tokenizer, stop)
    tokens, texts = TokenPoints(tokenizer, {own, *tokenizer.all_special_ids}), TextPoints(template, tokenizer)
    rows = too_long = longest = 0
    for part in chain([first] if first else [], remaining):
        read, said = reading(part), _said(part, template)
        rows += len(read.lengths)
        too_long += int((read.lengths > trainer.max_tokens).sum())
        longest = max(longest, int(read.lengths.max(initial=0)))
        tokens.add(read, part.ids, partial(_reply, said, stop, end))
        if said:
            texts.add(read, said, shown_stop)
    stop_ids = tokens.stop
    last = stop_ids[-1] if stop_ids and stop_ids[-1] in {own, *tokenizer.all_special_ids} else own
    points = [_rows_point(rows, tokens.kept, trainer.max_tokens)]
    if tokens.kept:
        points += tokens.points(shown_stop, trainer.name, too_long, trainer.max_tokens)
        points.insert(5, _output_point(output_row(last) if output_row else None, last, tokenizer))
        points += texts.points()
    spec = StopSpec(
        token=str(tokenizer.convert_ids_to_tokens(last)),
        token_id=last,
        strings=(stop,) if stop else (),
        reply_opens_with=template.reply_opening() if template else "",
        trained_share=tokens.in_loss() / max(1, tokens.kept),
    )
    return ContractReport(rows, too_long, spec, stop_ids, longest, tuple(points), trainer.name)


def in_parts(rows: Pairs) -> Iterator[Pairs]:
    """Rows some thousand at a time."""
    for first in range(0, len(rows.ids), ROWS_AT_ONCE):
        part = slice(first, first + ROWS_AT_ONCE)
        yield Pairs(rows.ids[part], rows.prompts[part], rows.completions[part])


def _with_prompts(part: Rows, trainer: Trainer, template: Template | None) -> Rows:
    """Whole texts with what the template says of their prompts."""
    if not isinstance(part, Texts) or template is None:
        return part
    pairs = parted(part, template)
    return pairs if trainer.name == "lorum" else Texts(part.ids, part.texts, pairs.prompts)


def _said(part: Rows, template: Template | None) -> Pairs | None:
    """The rows as prompts and replies with their stops, as far as these can be told apart."""
    if isinstance(part, Pairs):
        return part
    if isinstance(part, Texts):
        return parted(part, template) if template else None
    last = [messages[-1] if messages else None for messages in part.messages]
    replies = [message["content"] if message and message["role"] in ASSISTANTS else "" for message in last]
    return Pairs(part.ids, [""] * len(replies), replies)


def _shared(part: Rows | None) -> str:
    """The textual stop that rows share; a chat's stop is its chat template's."""
    if part is None or isinstance(part, Chats):
        return ""
    return common_ending(part.texts if isinstance(part, Texts) else part.completions)


def _shown_stop(part: Rows | None, stop: str, end: str, trainer: Trainer, tokenizer: "PreTrainedTokenizerBase") -> str:
    """The stop as the trainer writes it, the end token included."""
    if isinstance(part, Chats):
        return chat_ending(tokenizer).stop
    appends = trainer.name == "lorum" or (trainer.name == "trl" and not (isinstance(part, Pairs) and part.texts is not None))
    return stop + end if appends and not stop.endswith(end) else stop


def _reading(trainer: Trainer, template: Template | None, tokenizer: "PreTrainedTokenizerBase", stop: str) -> Reading:
    if trainer.name == "trl":
        return trl(tokenizer, trainer.max_tokens, stop, assistant_only=trainer.assistant_only)
    if trainer.name == "transformers":
        return transformers(tokenizer, trainer.max_tokens, stop)
    if template is None:
        raise UserError("lorum trains on samples of a template; name theirs with --template, or another trainer with --trainer")
    return lorum(template, tokenizer, trainer.max_tokens)


def _reply(said: Pairs | None, stop: str, end: str, row: int) -> str:
    """What was said before the stop of a row."""
    return said.completions[row].removesuffix(end).removesuffix(stop.removesuffix(end)) if said else ""


def _rows_point(rows: int, kept: int, max_tokens: int) -> Point:
    name = "there are rows"
    if not rows:
        return Point(name, False, 0, 0, "there are no rows to check", None, "let more replies through the filter")
    if not kept:
        says = f"every one of the {rows:,} rows is longer than {max_tokens:,} tokens"
        return Point(name, False, 0, rows, says, None, "raise the limit or shorten the context")
    left_out = f"; the limit of {max_tokens:,} tokens leaves {rows - kept:,} out" if kept < rows else ""
    return Point(name, True, kept, rows, f"{kept:,} of {rows:,} rows are trained on{left_out}")


def _output_point(found: OutputRow | None, token: int, tokenizer: "PreTrainedTokenizerBase") -> Point:
    name = "its output row is trained"
    if found is None or found.trained is None:
        return Point(name, None, 0, 0, f"not judged: {found.says if found else 'only the tokenizer is at hand'}")
    said = f"{tokenizer.convert_ids_to_tokens(token)} ({token}): {found.says}"
    if found.trained:
        return Point(name, True, 1, 1, f"the base was trained to put out {said}")
    mend = (
        "take a stop whose token the base was trained on (its own eos_token or end of turn), or another base: "
        "an adapter on the linear layers leaves this row as it is"
    )
    return Point(name, False, 0, 1, f"the base was never trained to put out {said}", None, mend)
