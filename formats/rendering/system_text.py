"""System texts: what a sample says, before its first turn, of the community and of who is to reply."""

from collections.abc import Mapping

import polars as pl

from formats.rendering.contents import content, one_line
from formats.templates.headings import Heading
from formats.templates.template import Template
from formats.templates.values import dates, safe_values


def known_of_replies(replies: pl.DataFrame) -> dict[str, pl.Expr]:
    """The values that system texts may hold, as they are, each in one line; null is unknown."""
    known: dict[str, pl.Expr] = {name: one_line(pl.col(name)) for name in ("community", "flair", "title") if name in replies.columns}
    return {**known, "date": dates(pl.col("created_at"))} if "created_at" in replies.columns else known


def safe(known: Mapping[str, pl.Expr]) -> dict[str, pl.Expr]:
    """The values as headings may hold them."""
    return {name: value if name == "date" else safe_values(value) for name, value in known.items()}


def system_texts(replies: pl.DataFrame, template: Template) -> pl.Series | None:
    """The system text of each sample, escaped; null where a value that it needs is unknown. None where the template has none."""
    if not template.system_text.strip():
        return None
    source = Heading(template.system_text, template.bot)
    if not source.names:
        fixed = template.escaper.escape(template.system_text.strip())
        return pl.Series("system", [fixed], pl.String).new_from_index(0, len(replies))
    told = replies.select(source.expression(known_of_replies(replies), unknown=None).alias("system"))
    return told.select(content(pl.col("system"), template)).to_series()


def system_parts(texts: pl.Series, template: Template) -> pl.Series:
    """The system part of each sample; empty where it has no system text."""
    text = pl.col("system")
    whole = pl.concat_str(pl.lit(template.system_opening), text, pl.lit(template.system_closing))
    return texts.alias("system").to_frame().select(pl.when(text != "").then(whole).otherwise(pl.lit("")).alias("system")).to_series()
