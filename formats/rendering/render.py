"""Renders conversations to samples: one pass of Polars over the turns of all conversations, place by place."""

import datetime
from collections.abc import Sequence

import numpy as np
import polars as pl

from formats.rendering.contents import Contents, contents
from formats.rendering.conversations import NOBODY, THE_BOT, TURN_TEXT, Conversations, Rows, Turn
from formats.rendering.parsing import parse, pieces
from formats.rendering.system_text import known_of_replies, safe, system_parts, system_texts
from formats.rendering.turns import MergedTurns, merged_turns, wrapped_turns
from formats.templates.template import BOT, Template
from formats.templates.values import Values

__all__ = [
    "NOBODY", "SAMPLE_COLUMNS", "THE_BOT", "TURN_TEXT", "Conversations", "Rows", "Turn", "Values", "parse", "pieces", "render",
    "render_prompt",
]  # fmt: skip

SAMPLE_COLUMNS = ("id", "thread_id", "community", "created_at", "score", "turn_ids", "prompt", "completion", "text", "messages")
"""Columns of a samples table, in order."""

RENDERED_AT_ONCE = 10_000
"""Conversations to render together at most, where there are many: rendering holds their texts several times over."""

_SYSTEM = 2
"""The role of a system text, next to those of user (0) and bot (1)."""


def render(conversations: Conversations, template: Template) -> pl.DataFrame:
    """Samples of conversations, a row each, in the same order.

    Returns:
        The columns `SAMPLE_COLUMNS`. `turn_ids` are the ids of the posts that are its turns, oldest first; `completion` ends with the
        template's stop; `text` is prompt and completion; `messages` holds role and content, the system text first, then user and assistant
        in turn (see `formats.rendering.roles`). The base model's own end token is in none. A turn without a text (null) is an empty one, so
        that none is lost.
    """
    said = contents(conversations, template)
    system = system_texts(conversations.replies, template)
    merged = merged_turns(conversations, said)
    prompt = _prompts(conversations, template, said, merged, system)
    rendered = pl.DataFrame([prompt, (said.texts[-1] + template.stop).alias("completion")])
    rendered = rendered.with_columns(pl.concat_str("prompt", "completion").alias("text"))
    lists = [_turn_ids(conversations), _messages(merged, system)]
    return conversations.replies.hstack(rendered).hstack(lists).select(SAMPLE_COLUMNS)


def render_prompt(template: Template, turns: Sequence[Turn], known: Values | None = None) -> str:
    """The prompt that asks for the bot's reply to these turns, as a sample of them has it; ends with the opening of the reply.

    Args:
        known: what system text and headings may say of the reply.
    """
    known = known or Values()
    told = [*((turn.text, turn.title) for turn in turns), ("", None)]
    posts = pl.DataFrame(told, schema={"text": pl.String, "title": pl.String}, orient="row")
    day = known.date and datetime.datetime.combine(known.date, datetime.time())
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "community": pl.String,
        "flair": pl.String,
        "title": pl.String,
        "created_at": pl.Datetime("ms"),
    }
    replies = pl.DataFrame([(known.community, known.flair, known.title, day)], schema=schema, orient="row")
    speakers = [THE_BOT if turn.speaker == BOT else int(turn.speaker.removeprefix("Speaker_")) for turn in turns]
    asked = Conversations(replies, posts, np.arange(len(turns) + 1)[None, :], np.array([[*speakers, THE_BOT]]))
    said = contents(asked, template)
    return str(_prompts(asked, template, said, merged_turns(asked, said), system_texts(replies, template)).item())


def _prompts(conversations: Conversations, template: Template, said: Contents, merged: MergedTurns, system: pl.Series | None) -> pl.Series:
    parts = None if system is None else system_parts(system, template)
    inside, before = (parts, []) if template.system_inside or parts is None else (None, [parts])
    turns = wrapped_turns(conversations, template, said, merged, inside)
    columns = [column.alias(f"piece {place}") for place, column in enumerate([*before, *turns])]
    opening = template.opens_reply.expression({**safe(known_of_replies(conversations.replies)), "speaker": pl.lit(template.bot)})
    prompt = pl.concat_str(pl.lit(template.begin), *(column.name for column in columns), opening, ignore_nulls=True)
    return conversations.replies.hstack(columns).with_columns(prompt.alias("prompt"))["prompt"]


def _turn_ids(conversations: Conversations) -> pl.Series:
    """The ids of the posts of each conversation, oldest first."""
    row, place = np.nonzero(conversations.turns != NOBODY)
    return _lists(row, conversations.posts["id"].gather(conversations.turns[row, place]).alias("turn_ids"))


def _messages(merged: MergedTurns, system: pl.Series | None) -> pl.Series:
    """The conversations as lists of role and content."""
    columns, kept, role = merged.texts, merged.roles.kept, merged.roles.bot.astype(np.int8)
    if system is not None:
        columns = [system, *columns]
        kept = np.column_stack([(system != "").fill_null(False).to_numpy(), kept])
        role = np.column_stack([np.full(len(kept), _SYSTEM), role])
    row, place = np.nonzero(kept)
    contents = pl.concat([column.alias("content") for column in columns]).gather(place * len(kept) + row)
    named = pl.Series("role", role[row, place]).replace_strict({0: "user", 1: "assistant", _SYSTEM: "system"}, return_dtype=pl.String)
    return _lists(row, pl.DataFrame([named, contents]).to_struct("messages"))


def _lists(rows: Rows, values: pl.Series) -> pl.Series:
    """A list for each row of the values that belong to it; the rows are in order and every one has a value."""
    return values.to_frame().group_by(pl.Series("row", rows), maintain_order=True).agg(values.name)[values.name]
