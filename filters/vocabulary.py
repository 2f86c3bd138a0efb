"""Which words a post uses."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from filters.folding import beyond_ascii, change, folded
from filters.measuring.scanning import UNSPACED
from filters.rule import BOTH, CONTEXT, NOBODY, TARGET, Judges, Rule, RuleError

_TYPOGRAPHY = {**dict.fromkeys("’‘ʼ", "'"), **dict.fromkeys("‐‑", "-"), **dict.fromkeys("“”„«»–—―…•·¡¿\u00a0™℠", " ")}
"""Apostrophes and hyphens as keyboards have them; what separates words, so that few texts are left to be folded; and signs behind a name
that in the form NFKC would be letters of it."""

_EMPHASIS = r"\b_+|_+\b"
"""Underscores at the edge of a word, which Markdown shows as italics; one in its midst is a letter of it."""


@dataclass(frozen=True)
class Words(Rule):
    """Drop posts with a word of `block`; where `allow` names words, keep only replies with one of them.

    Words stand in title or text as whole words, in whatever case: "tea" is not in "teapot", and "tea*" is in both. Phrases are allowed,
    and for each space of theirs any white space and punctuation may stand; hyphens and apostrophes are sought as such, be they straight or
    typographic. Emphasis (`_tea_`), full width and decomposed accents make no difference. In scripts without spaces, as Chinese, a part of
    a word counts. A turn before a reply is judged by `block` alone.
    """

    block: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    judges: ClassVar[Judges] = BOTH

    def __post_init__(self) -> None:
        for setting, words in (("block", self.block), ("allow", self.allow)):
            for word, entry in zip(words, _entries(words), strict=True):
                if not _stem(entry):
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
    entries = _entries(words)
    stems = sorted({max(_stem(entry).split(), key=len) for entry in entries})
    texts = _folded(texts.fill_null(""))
    rows = texts.str.contains_any(stems, ascii_case_insensitive=True).arg_true()
    some = texts[rows]
    found = pl.repeat(False, len(some), eager=True)
    plain = [entry for entry in entries if _is_plain(entry)]
    if plain:
        sought = [f" {_stem(entry)}" if entry.endswith("*") else f" {entry} " for entry in plain]
        spaced = " " + some.str.replace_all(r"\W+", " ") + " "
        found |= spaced.str.contains_any(sought, ascii_case_insensitive=True)
    if len(plain) < len(entries):
        found |= some.str.contains("(?i)" + "|".join(_whole(entry) for entry in entries if not _is_plain(entry)))
    return pl.repeat(False, len(texts), eager=True).scatter(rows, found)


def _entries(words: Sequence[str]) -> list[str]:
    """The words and phrases as they are sought in texts that are folded like them."""
    return [" ".join(entry.split()) for entry in _folded(pl.Series(words, dtype=pl.String)).str.to_lowercase()]


def _folded(texts: pl.Series) -> pl.Series:
    """The texts with what is written in many ways written in one; the case of those in ASCII stays, as the search knows it."""
    texts = change(texts, beyond_ascii, lambda some: some.str.replace_many([*_TYPOGRAPHY], [*_TYPOGRAPHY.values()]))
    return change(folded(texts), lambda all: all.str.contains("_", literal=True), lambda some: some.str.replace_all(_EMPHASIS, " "))


def _stem(entry: str) -> str:
    """An entry without the `*` that lets its last word go on."""
    return entry.removesuffix("*").strip()


def _is_plain(entry: str) -> bool:
    """Whether an entry holds letters, digits and spaces alone, so that between spaces it is found without a regular expression."""
    stem = _stem(entry)
    return re.fullmatch(r"[\w ]+", stem) is not None and _joins(stem[0]) and _joins(stem[-1])


def _whole(entry: str) -> str:
    """The regular expression of a word or phrase that stands by itself."""
    stem = _stem(entry)
    words = r"\W+".join(pl.escape_regex(word) for word in stem.split())
    begin = r"\b{start-half}" if _joins(stem[0]) else ""
    end = r"\b{end-half}" if _joins(stem[-1]) and not entry.endswith("*") else ""
    return begin + words + end


def _joins(character: str) -> bool:
    """Whether a letter beside it would make another word of it."""
    return re.match(r"\w", character) is not None and not unicodedata.name(character, "").startswith(UNSPACED)
