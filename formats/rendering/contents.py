"""What posts say in samples: their texts and titles, stripped and escaped, place by place in the conversations."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from formats.rendering.conversations import NOBODY, TURN_TEXT, Conversations
from formats.rendering.roles import Flags
from formats.templates.template import Template


@dataclass(frozen=True)
class Contents:
    """The contents of turns, a column for each place; `says` where that is not nothing.

    `texts` holds title and text as one. `submissions`, where the template has a form for them, holds posts with a title (`titled`) in that
    form; `says_more` where there is something behind the title.
    """

    texts: list[pl.Series]
    says: Flags
    submissions: list[pl.Series]
    titled: Flags
    says_more: Flags


def contents(conversations: Conversations, template: Template) -> Contents:
    """The contents of all turns; each post is stripped and escaped once. A post without a text says nothing."""
    used, rows = np.unique(conversations.turns, return_inverse=True)
    rows = rows.reshape(conversations.turns.shape) - int(NOBODY in used)  # which, the least of all, comes first
    posts = conversations.posts[used[used != NOBODY]]
    places = [pl.Series(column, dtype=pl.Int64).replace(NOBODY, None) for column in rows.T]
    has_titles = "title" in posts.columns
    whole = posts.select((TURN_TEXT if has_titles else pl.col("text")).fill_null("").alias("text"))
    whole = whole.select(content(pl.col("text"), template)).to_series()
    texts, says = [whole.gather(place) for place in places], _flags(whole != "")[rows]
    if not (template.submission and has_titles):
        return Contents(texts, says, [], np.zeros_like(says), says)
    forms = posts.select(*_submission(template))
    submissions = [forms["form"].gather(place) for place in places]
    return Contents(texts, says, submissions, _flags(forms["form"].is_not_null())[rows], _flags(forms["says_more"])[rows])


def content(text: pl.Expr, template: Template) -> pl.Expr:
    """Stripped, and escaped where a boundary stands in it, which is rare: only such texts leave Polars. Null stays null."""
    stripped = text.str.strip_chars()
    forged = stripped.str.replace_all("\\", "", literal=True).str.contains(template.escaper.pattern)
    escaped = pl.when(forged).then(stripped).map_elements(template.escaper.escape, return_dtype=pl.String)
    return pl.when(forged).then(escaped).otherwise(stripped)


def one_line(text: pl.Expr) -> pl.Expr:
    """With a single space for every run of white space; null where nothing is left."""
    line = text.str.replace_all(r"\s+", " ").str.strip_chars(" ")
    return pl.when(line != "").then(line)


def _submission(template: Template) -> tuple[pl.Expr, pl.Expr]:
    """A post with a title in the form of submissions, null without one; and whether more stands in it than title and boundary."""
    title, text = one_line(pl.col("title")), pl.col("text").fill_null("").str.strip_chars()
    if template.title_closing.strip():
        form = pl.concat_str(content(title, template), pl.lit(template.title_closing), content(text, template))
        return form.alias("form"), (text != "").alias("says_more")
    joined = pl.concat_str(title, pl.when(text != "").then(template.title_closing + text).otherwise(pl.lit("")))
    return content(joined, template).alias("form"), pl.lit(True).alias("says_more")


def _flags(of_posts: pl.Series) -> Flags:
    """Flags to index with row numbers, false for `NOBODY`."""
    return np.append(of_posts.to_numpy(), False)
