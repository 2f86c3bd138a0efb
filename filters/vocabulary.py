"""Which words a post uses."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from filters.measuring.scanning import UNSPACED
from filters.rule import BOTH, CONTEXT, NOBODY, TARGET, Judges, Rule, RuleError


@dataclass(frozen=True)
class Words(Rule):
    """Drop posts with a word of `block`; where `allow` names words, keep only replies with one of them.

    Words stand in title or text as whole words, in whatever case: "tea" is not in "teapot", and "tea*" is in both. Phrases are allowed,
    and white space or punctuation may stand between their words. In scripts without spaces, as Chinese, a part of a word counts.
    A turn before a reply is judged by `block` alone.
    """

    block: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    judges: ClassVar[Judges] = BOTH

    def __post_init__(self) -> None:
        for setting, words in (("block", self.block), ("allow", self.allow)):
            for word in words:
                if not word.strip().removesuffix("*").strip():
                    raise RuleError(f"words: {setting} holds {word!r}, which would be found everywhere; expected a word or a phrase")

    def judging(self) -> Judges:
        """See `Rule`; nobody without words."""
        return (TARGET if self.allow else NOBODY) | (TARGET | CONTEXT if self.block else NOBODY)

    def keeps(self) -> pl.Expr:
        return self.keeps_context() & _uses(self.allow) if self.allow else self.keeps_context()

    def keeps_context(self) -> pl.Expr:
        return ~_uses(self.block) if self.block else pl.lit(True)


def _uses(words: Sequence[str]) -> pl.Expr:
    return pl.any_horizontal(
        pl.col(name).map_batches(lambda texts: find_words(texts, words), return_dtype=pl.Boolean, is_elementwise=True)
        for name in ("title", "text")
    )


def find_words(texts: pl.Series, words: Sequence[str]) -> pl.Series:
    """Whether each text has one of the words or phrases, Boolean; a missing text has none. Thousands of words are one pass."""
    entries = [" ".join(word.split()).lower() for word in words]
    stems = sorted({max(entry.removesuffix("*").split(), key=len) for entry in entries})
    # A text is lowered only where a word asks for it, as that takes longer than the search.
    ascii_only = all(stem.isascii() for stem in stems)
    folded = texts.fill_null("") if ascii_only else texts.fill_null("").str.to_lowercase()
    rows = folded.str.contains_any(stems, ascii_case_insensitive=ascii_only).arg_true()
    some = folded[rows]
    found = pl.repeat(False, len(some), eager=True)
    plain = [entry for entry in entries if _is_plain(entry)]
    if plain:
        sought = [f" {entry.removesuffix('*').strip()}" if entry.endswith("*") else f" {entry} " for entry in plain]
        spaced = " " + some.str.replace_all(r"\W+", " ") + " "
        found |= spaced.str.contains_any(sought, ascii_case_insensitive=ascii_only)
    if len(plain) < len(entries):
        found |= some.str.contains("(?i)" + "|".join(_whole(entry) for entry in entries if not _is_plain(entry)))
    return pl.repeat(False, len(texts), eager=True).scatter(rows, found)


def _is_plain(entry: str) -> bool:
    """Whether an entry holds letters, digits and spaces alone, so that between spaces it is found without a regular expression."""
    stem = entry.removesuffix("*").strip()
    return re.fullmatch(r"[\w ]+", stem) is not None and _joins(stem[0]) and _joins(stem[-1])


def _whole(entry: str) -> str:
    """The regular expression of a word or phrase that stands by itself."""
    stem = entry.removesuffix("*").strip()
    words = r"\s+".join(pl.escape_regex(word) for word in stem.split())
    begin = r"\b{start-half}" if _joins(stem[0]) else ""
    end = r"\b{end-half}" if _joins(stem[-1]) and not entry.endswith("*") else ""
    return begin + words + end


def _joins(character: str) -> bool:
    """Whether a letter beside it would make another word of it."""
    return re.match(r"\w", character) is not None and not unicodedata.name(character, "").startswith(UNSPACED)
