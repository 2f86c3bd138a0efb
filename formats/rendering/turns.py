"""Turns in their boundaries, place by place in the conversations."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from formats.rendering.contents import Contents
from formats.rendering.conversations import NOBODY, THE_BOT, Conversations, Rows
from formats.rendering.roles import Flags, Roles, merge, merged_roles, plain_roles
from formats.templates.headings import Heading
from formats.templates.template import Template
from formats.templates.values import dates, safe_values


@dataclass(frozen=True)
class MergedTurns:
    """Turns of user and bot in strict alternation: their roles, and their contents in the place of the last of those that are one."""

    roles: Roles
    texts: list[pl.Series]


def merged_turns(conversations: Conversations, said: Contents) -> MergedTurns:
    """The turns of conversations as chat models want them, whatever the template."""
    roles = merged_roles(conversations.turns, conversations.speakers)
    return MergedTurns(roles, merge(said.texts, said.says, roles.continues))


def wrapped_turns(
    conversations: Conversations, template: Template, said: Contents, merged: MergedTurns, system: pl.Series | None
) -> list[pl.Series]:
    """The turns before the reply: a column for each place, null where there is none or where it is part of a later one.

    Args:
        system: the system part of each sample, where it stands inside the first turn.
    """
    roles = merged.roles if template.has_roles else plain_roles(conversations.turns, conversations.speakers)
    titled = said.titled & ~roles.continues & ~(roles.bot & template.has_roles)
    texts = merged.texts[:-1] if template.has_roles else said.texts[:-1]
    if said.submissions:
        texts = _with_submissions(template, said, roles, titled)
    first = roles.kept & (np.cumsum(roles.kept, axis=1) == 1)
    rows, wrapped = np.arange(len(first)), []
    for place, text in enumerate(texts):
        head = roles.heads[:, place]
        bot, submission = roles.bot[rows, head], titled[rows, head]
        values = _values(conversations, template, conversations.turns[rows, head], conversations.speakers[rows, head])
        frame = pl.DataFrame([text.alias("text"), *values])
        forms: list[tuple[Flags | None, Heading, str]] = [(None, template.opens_turn, template.turn_closing)]
        if template.bot_turn and bot.any():
            forms.append((bot, template.opens_bot_turn, template.bot_turn_closing))
        if said.submissions and submission.any():
            forms.append((submission, template.opens_submission, template.submission_closing))
        opening = _of_form([(where, form.expression({name: pl.col(name) for name in form.names})) for where, form, _ in forms])
        closing = _of_form([(where, pl.lit(closing + template.separator)) for where, _, closing in forms])
        inside = [] if system is None else [pl.when(pl.Series(first[:, place])).then(pl.lit(system)).otherwise(pl.lit(""))]
        wrapped.append(frame.select(pl.concat_str(opening, *inside, "text", closing)).to_series())
    return wrapped


def _with_submissions(template: Template, said: Contents, roles: Roles, titled: Flags) -> list[pl.Series]:
    """The contents of the turns before the reply, posts with a title in their own form."""
    told = zip(said.texts[:-1], said.submissions[:-1], titled.T[:-1], strict=True)
    texts = [pl.select(pl.when(pl.Series(own)).then(pl.lit(form)).otherwise(pl.lit(text))).to_series() for text, form, own in told]
    return merge(texts, np.where(titled, said.says_more, said.says), roles.continues) if template.has_roles else texts


def _of_form(forms: list[tuple[Flags | None, pl.Expr]]) -> pl.Expr:
    """The expression of the last form that a turn has."""
    whole = forms[0][1]
    for where, expression in forms[1:]:
        whole = pl.when(pl.Series(where)).then(expression).otherwise(whole)
    return whole


def _values(conversations: Conversations, template: Template, turns: Rows, speakers: Rows) -> list[pl.Series]:
    """The values that the headings of these turns need."""
    needed = {name for heading in (template.opens_turn, template.opens_bot_turn, template.opens_submission) for name in heading.names}
    row, posts, replies = pl.Series(turns).replace(NOBODY, None), conversations.posts, conversations.replies
    found = []
    if "speaker" in needed:
        number = pl.col("speaker")
        named = pl.when(number == THE_BOT).then(pl.lit(template.bot)).otherwise("Speaker_" + number.cast(pl.String))
        found.append(pl.DataFrame({"speaker": speakers}).select(named.alias("speaker"))["speaker"])
    for name, table, column, value in (
        ("date", posts, "created_at", dates), ("flair", posts, "flair", safe_values), ("community", replies, "community", safe_values)
    ):  # fmt: skip
        if name in needed and column in table.columns:
            held = table[column].gather(row) if table is posts else table[column]
            found.append(held.to_frame().select(value(pl.col(column)).alias(name))[name])
        elif name in needed:
            found.append(pl.Series(name, [None], pl.String).new_from_index(0, len(turns)))
    return found
