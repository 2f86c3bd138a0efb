"""Transforms that give a text back as its author meant it, without signs of damage and without what others wrote."""

import html
import re
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import polars as pl

from filters.transform import Look, Transform, rewrite, suspects

_ENTITY = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
"""Only with its semicolon: `&copy=2` in an address is none."""

_MANY_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n){3,}")
_BLANK_BEGINNING = re.compile(r"\A(?:\s*\n)?(?: {1,3}(?=\S))?")
"""Without the four spaces, or the tab, that make a line code."""


def tidy(text: str) -> str:
    """A text that something was taken out of, without blank ends and with one blank line where there were three or more."""
    return _MANY_BLANK_LINES.sub("\n\n", _BLANK_BEGINNING.sub("", text.rstrip()))


@dataclass(frozen=True)
class Unescape(Transform):
    """Resolve HTML entities once more (`&amp;` to `&`). Sources do it once; this is for data that was escaped twice."""

    by_default: ClassVar[bool] = False

    def apply(self, posts: pl.DataFrame) -> pl.DataFrame:
        entity = re.compile(_ENTITY)
        return rewrite(
            posts,
            [lambda text: text.str.contains(_ENTITY)],
            lambda text: entity.sub(lambda found: html.unescape(found.group()), text),
        )


_MAC_MOJIBAKE = r"‚Ä|‚[âó]|√[^\x00-\x7f]|≈[°¢]"


@cache
def _mojibake() -> str:
    """What UTF-8 looks like when it is read as one byte a character (lead and continuation bytes, after ftfy), and C1 controls."""
    from ftfy.chardata import UTF8_CLUES

    continued = f"[{UTF8_CLUES['utf8_continuation']}]"
    runs = (f"[{UTF8_CLUES[f'utf8_first_of_{length}']}]{continued}{{{length - 1}}}" for length in (2, 3, 4))
    return "|".join((*runs, _MAC_MOJIBAKE, r"[\x{80}-\x{9f}]"))


@dataclass(frozen=True)
class Repair(Transform):
    """Mend text that was decoded in the wrong way (`donâ€™t` to `don’t`). Sound text stays as it is, curly quotes too.

    By ftfy, which leaves whatever could have been meant as it stands.
    """

    def apply(self, posts: pl.DataFrame) -> pl.DataFrame:
        return rewrite(posts, [_beyond_ascii, lambda text: text.str.contains(_mojibake())], _mend)


def _beyond_ascii(text: pl.Expr) -> pl.Expr:
    return text.str.len_bytes() != text.str.len_chars()


def _mend(text: str) -> str:
    import ftfy

    config = ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        remove_control_chars=False,
        normalization=None,
        explain=False,
    )
    return ftfy.fix_text(text, config)


_QUOTE = re.compile(r" {0,3}>(?!!|=|[:;]['-]?[()\[\]DPpOo/\\|]|[._]+<|\.>)")
"""A line of a quote in Markdown; not a spoiler (`>!so!<`), a comparison (`>= 3`) or a face (`>:(`, `>_<`)."""

_MARKS = re.compile(r"^ {0,3}(?:> ?)+", re.MULTILINE)

_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")


@dataclass(frozen=True)
class Quotes(Transform):
    """Strip quoted lines, which begin with `>`: they are words of the post before. Spoilers (`>!so!<`) and code stay.

    The column `quoted` says which share of a text's lines they were, blank ones not counted. Of a text of nothing else only the `>` go, and
    its share is 0: most who write so mean their own words. A line right below a quote, which Markdown would show as part of it, stays.
    """

    def apply(self, posts: pl.DataFrame) -> pl.DataFrame:
        quotes = without_quotes(posts["text"])
        # What was taken out before, and stands in the column, was quoted all the same.
        share = pl.col("quoted") if "quoted" in posts.columns else pl.when(pl.col("text").is_not_null()).then(0)
        quoted = posts.select(share.cast(pl.Float32).alias("quoted")).to_series()
        return posts.with_columns(
            posts["text"].clone().scatter(quotes["row"], quotes["text"]),
            quoted.scatter(quotes["row"], quotes["share"]),
        )


def without_quotes(texts: pl.Series) -> pl.DataFrame:
    """Of the texts that quote the `row`, the `text` that is left, and the `share` of its lines that were quotes, as `unquoted` says."""
    looks: list[Look] = [lambda text: text.str.contains(">", literal=True), lambda text: text.str.contains(r"(?m)^ {0,3}>")]
    stripped = ((row, *unquoted(text)) for row, text in suspects(texts, looks).iter_rows())
    return pl.DataFrame(
        [(row, text, share) for row, text, share in stripped if share is not None],
        {"row": pl.UInt32, "text": pl.String, "share": pl.Float32},
        orient="row",
    )


def unquoted(text: str) -> tuple[str, float | None]:
    """The text without its quotes, and which share of its lines, blank ones not counted, they were; None where it has none."""
    kept: list[str] = []
    fence = ""
    quoted = written = 0
    behind_quote = apart = False
    for line in text.split("\n"):
        blank = not line.strip()
        if not fence and _QUOTE.match(line):
            said = bool(line.strip("> \t\r"))
            quoted, written = quoted + said, written + said
            while kept and not kept[-1].strip():
                kept.pop()
                apart = True
            behind_quote = True
            continue
        written += not blank
        if behind_quote:
            if blank:
                apart = True
                continue
            if kept and apart:
                kept.append("")
        behind_quote = apart = False
        kept.append(line)
        if not fence:
            opened = _FENCE.match(line)
            fence = opened[1] if opened else ""
        elif line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
    if len(kept) == text.count("\n") + 1:
        return text, None
    if not any(line.strip() for line in kept):
        return tidy(_MARKS.sub("", text)), 0.0
    return tidy("\n".join(kept)), quoted / written
