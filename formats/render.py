"""Renders conversations to samples, and parses samples back into turns.

One pass of Polars over the turns of all conversations at once; a single prompt (a chat) takes the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from formats.escape import Escaper
from formats.template import BOT, Template

SAMPLE_COLUMNS = ("id", "thread_id", "community", "created_at", "score", "prompt", "completion", "text", "messages")
"""Columns of a samples table, in order."""


@dataclass(frozen=True)
class Turn:
    """What one speaker said: `speaker` is `BOT`, or `Speaker_0`, `Speaker_1`, … in order of appearance."""

    speaker: str
    text: str


def render(conversations: pl.DataFrame, template: Template) -> pl.DataFrame:
    """Samples of conversations, a row each, in the same order.

    Args:
        conversations: columns id, thread_id, community, created_at, score and turns (list of struct id, speaker, text), whose last
            turn is the reply to learn. Each has at least two turns.

    Returns:
        The columns `SAMPLE_COLUMNS`. `completion` ends with the template's stop; `text` is prompt and completion; `messages` holds
        role and content, neighbouring turns of the same role joined by an empty line. The base model's own end token is in none. A
        turn without a text (null) is an empty one, so that none is lost.
    """
    turns = (
        conversations.select(pl.int_range(pl.len()).alias("row"), "turns")
        .explode("turns")
        .unnest("turns")
        .with_columns(_content(pl.col("text"), template).alias("text"))
        .with_columns((pl.int_range(pl.len()).over("row") == pl.len().over("row") - 1).alias("is_reply"))
    )
    context = turns.filter(~pl.col("is_reply"))
    prompts = (
        context.select("row", _turn(template).alias("turn"))
        .group_by("row", maintain_order=True)
        .agg(pl.concat_str(pl.lit(template.begin), pl.col("turn").str.join(""), pl.lit(template.reply_opening())).alias("prompt"))
    )
    replies = turns.filter("is_reply").select("row", (pl.col("text") + template.stop).alias("completion"))
    samples = (
        conversations.drop("turns")
        .with_columns(pl.int_range(pl.len()).alias("row"))
        .join(prompts, on="row", how="left", maintain_order="left")
        .join(replies, on="row", how="left", maintain_order="left")
        .join(_messages(turns), on="row", how="left", maintain_order="left")
        .with_columns((pl.col("prompt") + pl.col("completion")).alias("text"))
    )
    return samples.select(SAMPLE_COLUMNS)


def render_prompt(template: Template, turns: Sequence[Turn]) -> str:
    """The prompt that asks for the bot's reply to these turns; ends with the opening of the reply."""
    frame = pl.DataFrame([(turn.speaker, turn.text) for turn in turns], schema={"speaker": pl.String, "text": pl.String}, orient="row")
    rendered = frame.select(pl.col("speaker"), _content(pl.col("text"), template).alias("text")).select(_turn(template).alias("turn"))
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


def _turn(template: Template) -> pl.Expr:
    """The expression that wraps `text` (and `speaker`) into a turn."""
    opening, closing = template.turn_opening, template.turn_closing
    parts: list[pl.Expr] = []
    for index, literal in enumerate(opening.split("{speaker}")):
        parts += [pl.col("speaker")] * (index > 0) + [pl.lit(literal)]
    return pl.concat_str(*parts, pl.col("text"), pl.lit(closing))


def _content(text: pl.Expr, template: Template) -> pl.Expr:
    """Stripped, and escaped where a boundary stands in it, which is rare: only such texts leave Polars."""
    escaper = Escaper(template.cores)
    stripped = text.fill_null("").str.strip_chars()
    forged = stripped.str.replace_all("\\", "", literal=True).str.contains(escaper.pattern)
    return pl.when(forged).then(pl.when(forged).then(stripped).map_elements(escaper.escape, return_dtype=pl.String)).otherwise(stripped)


def _messages(turns: pl.DataFrame) -> pl.DataFrame:
    role = pl.when(pl.col("speaker") == BOT).then(pl.lit("assistant")).otherwise(pl.lit("user"))
    same = turns.select("row", role.alias("role"), "text", pl.struct("row", role.alias("role")).rle_id().alias("run"))
    joined = same.group_by("run", maintain_order=True).agg(
        pl.col("row").first(), pl.col("role").first(), pl.col("text").str.join("\n\n").alias("content")
    )
    return joined.group_by("row", maintain_order=True).agg(pl.struct("role", "content").alias("messages"))


def _opened_by(core: str, template: Template) -> str | None:
    """Who speaks after this boundary, or None where nobody does."""
    if core == template.reply_opening().strip():
        return BOT
    opening = template.opening.fullmatch(core)
    return opening.groupdict().get("speaker", "Speaker_0") if opening else None
