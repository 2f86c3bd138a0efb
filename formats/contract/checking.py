"""Checks the stop contract: reads rows as a trainer does, part by part, and judges every point over all of them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from formats.contract.chats import chat_ending
from formats.contract.endings import end_literal
from formats.contract.reading import Read
from formats.contract.readings import Reading, lorum, transformers, trl
from formats.contract.report import ContractReport, OutputRow, Point, StopSpec
from formats.contract.rows import ASSISTANTS, Chats, Pairs, Rows, Texts, parted
from formats.contract.shared_stop import Marks, OtherStops, common_ending, marks_of
from formats.contract.tally import quoted
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
    ends: Collection[int] = (),
) -> ContractReport:
    """Checks the stop contract on every row, as a trainer reads it after truncation and packing.

    Args:
        parts: the rows, some thousand at a time; only one part is in memory.
        template: what the rows were rendered with. Without one the stop is the ending that most rows of the first part share, and what
            needs to know the boundaries is not judged.
        ends: tokens at which generating ends besides the tokenizer's end token: `eos_token_id` of the base's generation_config.
        output_row: says whether the base can put out a token; None where only its tokenizer is at hand.

    Raises:
        UserError: the tokenizer has no end token or, for messages, no chat template; or `lorum` reads rows that are no pairs.
    """
    end = end_literal(tokenizer)
    own = end_token_id(template, tokenizer) if template else int(tokenizer.get_vocab()[end])
    # The template's end token ends replies where this project trains, which writes it into the adapter's generation_config.
    ending = {int(tokenizer.get_vocab()[end]), *ends, *([own] if trainer.name == "lorum" else [])}
    marks = marks_of(tokenizer)
    remaining = (_with_prompts(part, trainer, template) for part in parts)
    first = next(remaining, None)
    stop = template.stop if template else _shared(first, marks)
    shown_stop = _shown_stop(first, stop, end, trainer, tokenizer)
    reading = _reading(trainer, template, tokenizer, stop)
    tokens, texts, others, counts = TokenPoints(tokenizer, ending), TextPoints(template, tokenizer), OtherStops(stop, marks), _Counts()
    for part in chain([first] if first else [], remaining):
        read, said = reading(part), _said(part, template)
        counts.add(part, read, trainer.max_tokens)
        tokens.add(read, part.ids, partial(_reply, said, stop, end))
        if said:
            texts.add(read, said, shown_stop)
        if template is None and not isinstance(part, Chats):
            others.add(part.ids, _endings(part))
    stop_ids = tokens.stop
    last = stop_ids[-1] if stop_ids and stop_ids[-1] in ending | set(tokenizer.added_tokens_decoder) else own
    points = [_rows_point(counts, tokens.kept, trainer)]
    if tokens.kept:
        points += others.judged(tokens.points(shown_stop, trainer.name, counts.too_long, trainer.max_tokens))
        points.insert(5, _output_point(output_row(last) if output_row else None, last, tokenizer))
        points += texts.points()
    token = str(tokenizer.convert_ids_to_tokens(last))
    spec = StopSpec(
        token=token,
        token_id=last,
        strings=tuple(filter(None, [shown_stop.removesuffix(token) if isinstance(first, Chats) else stop])),
        reply_opens_with=template.reply_opening() if template else "",
        trained_share=tokens.in_loss() / max(1, tokens.kept),
    )
    return ContractReport(counts.rows, counts.too_long, spec, stop_ids, counts.longest, tuple(points), trainer.name)


@dataclass
class _Counts:
    """Rows, those over the limit of tokens, those of them that are left out, the longest, and the roles of chats."""

    rows: int = 0
    too_long: int = 0
    long_left_out: int = 0
    longest: int = 0
    roles: set[str] = field(default_factory=set)

    def add(self, part: Rows, read: Read, max_tokens: int) -> None:
        long = read.lengths > max_tokens
        self.rows += len(long)
        self.too_long += int(long.sum())
        self.long_left_out += int(long.sum() - long[read.rows].sum())
        self.longest = max(self.longest, int(read.lengths.max(initial=0)))
        if isinstance(part, Chats):
            self.roles.update(message["role"] for messages in part.messages for message in messages)


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


def _shared(part: Rows | None, marks: Marks) -> str:
    """The textual stop that rows share; a chat's stop is its chat template's."""
    return "" if part is None or isinstance(part, Chats) else common_ending(_endings(part), marks)


def _endings(part: Pairs | Texts) -> Sequence[str]:
    return part.texts if isinstance(part, Texts) else part.completions


def _shown_stop(part: Rows | None, stop: str, end: str, trainer: Trainer, tokenizer: "PreTrainedTokenizerBase") -> str:
    """The stop as the trainer writes it, the end token included."""
    if isinstance(part, Chats):
        return chat_ending(tokenizer).stop
    if stop.endswith(end) or part is None:
        return stop
    appends = trainer.name == "lorum" or (trainer.name == "trl" and not (isinstance(part, Pairs) and part.texts is not None))
    ended = sum(text.endswith(stop + end) for text in _endings(part))
    return stop + end if appends or ended > len(part.ids) / 2 else stop


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


def _rows_point(counts: _Counts, kept: int, trainer: Trainer) -> Point:
    name, rows, limit = "there are rows", counts.rows, f"{trainer.max_tokens:,} tokens"
    if not rows:
        return Point(name, False, 0, 0, "there are no rows to check", None, "let more replies through the filter")
    silent = rows - kept - counts.long_left_out
    if not kept and not silent:
        says = f"every one of the {rows:,} rows is longer than {limit}"
        return Point(name, False, 0, rows, says, None, "raise the limit or shorten the context")
    over = [f"{counts.long_left_out:,} are longer than {limit}"] if counts.long_left_out else []
    if not kept:
        says = "; ".join([f"none of the {rows:,} rows carries loss, so nothing is learned", *over])
        return Point(name, False, 0, rows, says, None, _no_loss_mend(counts.roles))
    left_out = "; ".join([*over, *([f"{silent:,} carry no loss"] if silent else [])])
    share = f" ({kept / rows:.1%})" if left_out else ""
    return Point(name, True, kept, rows, f"{kept:,} of {rows:,} rows{share} are trained on{f'; left out: {left_out}' if left_out else ''}")


def _no_loss_mend(roles: set[str]) -> str:
    """What gives loss to rows that have none; chats get it by the roles that the chat template knows."""
    if roles and "assistant" not in roles:
        named = ", ".join(map(quoted, sorted(roles)))
        return f"name the roles as the chat template does, user and assistant: here they are {named}"
    if roles:
        return "let the chat template mark what the assistant says ({% generation %}), and every chat end in its answer"
    return "give every prompt a completion"


def _output_point(found: OutputRow | None, token: int, tokenizer: "PreTrainedTokenizerBase") -> Point:
    name = "its output row is trained"
    if found is None or (found.trained is None and not found.to_train):
        return Point(name, None, 0, 0, f"not judged: {found.says if found else 'only the tokenizer is at hand'}")
    said = f"{tokenizer.convert_ids_to_tokens(token)} ({token}): {found.says}"
    if found.trained:
        return Point(name, True, 1, 1, f"the base was trained to put out {said}")
    if found.to_train and found.exists:
        known = "may never have been" if found.trained is None else "was never"
        return Point(
            name, True, 1, 1, f"the base {known} trained to put out {said}; the training trains this token's rows with the adapter"
        )
    mend = (
        "take a stop whose token the base was trained on (its own eos_token or end of turn), or another base: "
        "an adapter on the linear layers leaves this row as it is"
    )
    return Point(name, False, 0, 1, f"the base was never trained to put out {said}", None, mend)
