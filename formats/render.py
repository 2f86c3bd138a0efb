"""Renders conversations to samples, and parses samples back into turns.

One pass of Polars over the turns of all conversations, place by place; a single prompt (a chat) takes the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from formats.escape import Escaper
from formats.template import BOT, Template

SAMPLE_COLUMNS = ("id", "thread_id", "community", "created_at", "score", "prompt", "completion", "text", "messages")
"""Columns of a samples table, in order."""

NOBODY = -1
"""In the place of a row number: there is no such turn."""

THE_BOT = -1
"""In the place of a speaker's number: the author of the reply."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Turn:
    """What one speaker said: `speaker` is `BOT`, or `Speaker_0`, `Speaker_1`, … in order of appearance."""

    speaker: str
    text: str


@dataclass(frozen=True)
class Conversations:
    """Conversations as arrays: a row for each, whose last turn is the reply to learn.

    Args:
        replies: columns id, thread_id, community, created_at, score: those of the reply.
        texts: of all posts that are turns, each once; null is an empty text.
        turns: shape (conversations, turns at most): row numbers into `texts`, the reply in the last column and its context before it;
            `NOBODY` where a conversation is shorter.
        speakers: the same shape: n of `Speaker_n`, `THE_BOT` for the author of the reply.
    """

    replies: pl.DataFrame
    texts: pl.Series
    turns: Rows
    speakers: Rows

    def part(self, first: int, count: int) -> "Conversations":
        """At most so many of them, from the first on (counted from 0)."""
        rows = slice(first, first + count)
        return Conversations(self.replies[rows], self.texts, self.turns[rows], self.speakers[rows])


def render(conversations: Conversations, template: Template) -> pl.DataFrame:
    """Samples of conversations, a row each, in the same order.

    Returns:
        The columns `SAMPLE_COLUMNS`. `completion` ends with the template's stop; `text` is prompt and completion; `messages` holds
        role and content, neighbouring turns of the same role joined by an empty line. The base model's own end token is in none. A
        turn without a text (null) is an empty one, so that none is lost.
    """
    used, rows = np.unique(conversations.turns, return_inverse=True)
    rows = rows.reshape(conversations.turns.shape) - int(NOBODY in used)  # which, the least of all, comes first
    said = conversations.texts[used[used != NOBODY]].alias("text").to_frame().select(_content(pl.col("text"), template))["text"]
    texts = [said.gather(pl.Series(column, dtype=pl.Int64).replace(NOBODY, None)) for column in rows.T]
    names = [_names(column) for column in conversations.speakers.T]
    context = [
        pl.select(_turn(template, pl.lit(name), pl.lit(text))).to_series().alias(str(place))
        for place, (name, text) in enumerate(zip(names[:-1], texts[:-1], strict=True))
    ]
    rendered = pl.DataFrame([*context, texts[-1].alias("reply")]).select(
        pl.concat_str(pl.lit(template.begin), *(turn.name for turn in context), pl.lit(template.reply_opening()), ignore_nulls=True).alias(
            "prompt"
        ),
        (pl.col("reply") + template.stop).alias("completion"),
    )
    text = pl.concat_str("prompt", "completion").alias("text")
    messages = _messages(texts, rows != NOBODY, conversations.speakers == THE_BOT)
    return conversations.replies.hstack(rendered.with_columns(text)).hstack([messages]).select(SAMPLE_COLUMNS)


def render_prompt(template: Template, turns: Sequence[Turn]) -> str:
    """The prompt that asks for the bot's reply to these turns; ends with the opening of the reply."""
    frame = pl.DataFrame([(turn.speaker, turn.text) for turn in turns], schema={"speaker": pl.String, "text": pl.String}, orient="row")
    rendered = frame.select(_turn(template, pl.col("speaker"), _content(pl.col("text"), template)).alias("turn"))
    return template.begin + "".join(rendered["turn"]) + template.reply_opening()


def parse(text: str, template: Template) -> list[Turn]:
    """The turns of a rendered sample or prompt: the inverse of rendering, for stripped turn texts.

    Where the template does not name the speaker, every turn but the reply is given to `Speaker_0`.
    """
    escaper = Escaper(template.cores)
    turns: list[Turn] = []
    speaker: str | None = None
    for is_boundary, piece in pieces(text, template):
        if not is_boundary:
            if speaker is not None:
                turns.append(Turn(speaker, escaper.unescape(piece)))
            speaker = None
            continue
        for core in template.core.findall(piece):
            if speaker is not None:  # two boundaries side by side, so an empty text between them
                turns.append(Turn(speaker, ""))
            speaker = _opened_by(core, template)
    return turns


def pieces(text: str, template: Template) -> list[tuple[bool, str]]:
    """The text cut into (is boundary, piece); joined, the pieces are the text again."""
    cut: list[tuple[bool, str]] = []
    position = 0
    for match in template.boundary.finditer(text):
        if match.start() > position:
            cut.append((False, text[position : match.start()]))
        cut.append((True, match.group()))
        position = match.end()
    if position < len(text):
        cut.append((False, text[position:]))
    return cut


def _turn(template: Template, speaker: pl.Expr, text: pl.Expr) -> pl.Expr:
    """The expression that wraps a text and its speaker into a turn; null where the text is."""
    opening, closing = template.turn_opening, template.turn_closing
    parts: list[pl.Expr] = []
    for index, literal in enumerate(opening.split("{speaker}")):
        parts += [speaker] * (index > 0) + [pl.lit(literal)]
    return pl.concat_str(*parts, text, pl.lit(closing))


def _names(speakers: NDArray[np.int64]) -> pl.Series:
    """The names of one column of speakers."""
    numbers = pl.Series("speaker", speakers)
    named = pl.when(pl.col("speaker") == THE_BOT).then(pl.lit(BOT)).otherwise("Speaker_" + pl.col("speaker").cast(pl.String))
    return numbers.to_frame().select(named).to_series()


def _content(text: pl.Expr, template: Template) -> pl.Expr:
    """Stripped, and escaped where a boundary stands in it, which is rare: only such texts leave Polars."""
    escaper = Escaper(template.cores)
    stripped = text.fill_null("").str.strip_chars()
    forged = stripped.str.replace_all("\\", "", literal=True).str.contains(escaper.pattern)
    return pl.when(forged).then(pl.when(forged).then(stripped).map_elements(escaper.escape, return_dtype=pl.String)).otherwise(stripped)


def _messages(texts: Sequence[pl.Series], present: NDArray[np.bool_], bot: NDArray[np.bool_]) -> pl.Series:
    """The conversations as lists of role and content, turn by turn and then row by row."""
    said, kept = list(texts), present.copy()
    for place in range(len(said) - 1):
        same = present[:, place] & present[:, place + 1] & (bot[:, place] == bot[:, place + 1])
        if same.any():
            both = pl.DataFrame({"before": said[place], "after": said[place + 1], "same": same})
            joined = pl.when("same").then(pl.concat_str("before", "after", separator="\n\n")).otherwise("after")
            said[place + 1] = both.select(joined).to_series()
            kept[:, place] &= ~same
    row, turn = np.nonzero(kept)
    contents = pl.concat([text.rename("content") for text in said]).gather(turn * len(kept) + row)
    roles = pl.Series("role", np.where(bot[row, turn], 1, 0)).replace_strict({0: "user", 1: "assistant"}, return_dtype=pl.String)
    messages = pl.DataFrame([roles, contents]).to_struct("messages").to_frame()
    return messages.group_by(pl.Series("row", row), maintain_order=True).agg("messages")["messages"]


def _opened_by(core: str, template: Template) -> str | None:
    """Who speaks after this boundary, or None where nobody does."""
    if core == template.reply_opening().strip():
        return BOT
    opening = template.opening.fullmatch(core)
    return opening.groupdict().get("speaker", "Speaker_0") if opening else None
