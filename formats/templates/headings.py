"""A heading: literal text with placeholders and optional parts, as a text, as a Polars expression and as a pattern."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import polars as pl

from formats.templates.values import ALPHABET, DATE, LONGEST, SPEAKER

_PARTS = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_CLASSES = {"date": DATE, "flair": ALPHABET, "community": ALPHABET}


@dataclass(frozen=True)
class Placeholder:
    """Where a value stands."""

    name: str


@dataclass(frozen=True)
class Many:
    """Any number of characters of a class, in the place of a value."""

    characters: str


Item = str | Placeholder
Word = tuple[str | Many, ...]
"""What a heading can become: single characters, and `Many` where a value stands."""

SOMEBODY: Word = (*"Speaker_", Many("0-9"))
"""The names of everybody but the bot."""


@dataclass(frozen=True)
class Part:
    """Literals and placeholders in a row. An optional part is left out where one of its values is unknown."""

    items: tuple[Item, ...]
    optional: bool = False


@dataclass(frozen=True)
class Heading:
    """Literal text with placeholders; `[[…]]` marks an optional part. A value unknown outside of one is empty, in a system text not."""

    source: str
    bot: str
    literal: bool = False
    """Whether braces and brackets in it are plain characters."""

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The text cut into parts, the optional ones and those between them."""
        if self.literal:
            return (Part((self.source,)),) if self.source else ()
        cut = _PARTS.split(self.source)
        return tuple(Part(tuple(_items(piece)), bool(place % 2)) for place, piece in enumerate(cut) if piece)

    @property
    def names(self) -> list[str]:
        """The placeholders, in order."""
        return [item.name for part in self.parts for item in part.items if isinstance(item, Placeholder)]

    @property
    def is_blank(self) -> bool:
        """Whether it is nothing but white space."""
        return not self.source.strip()

    def text(self, values: Mapping[str, str]) -> str:
        """The text with these values; what is not among them is unknown."""
        told = []
        for part in self.parts:
            if not part.optional or all(isinstance(item, str) or item.name in values for item in part.items):
                told += [item if isinstance(item, str) else values.get(item.name, "") for item in part.items]
        return "".join(told)

    def expression(self, values: Mapping[str, pl.Expr], unknown: str | None = "") -> pl.Expr:
        """The text with the values of columns; `unknown` stands for null outside of optional parts, and None makes the whole null."""
        told = []
        for part in self.parts:
            items = [pl.lit(item) if isinstance(item, str) else values.get(item.name, pl.lit(None, pl.String)) for item in part.items]
            if part.optional:
                told.append(pl.concat_str(items).fill_null(""))
            else:
                told += items if unknown is None else [item.fill_null(unknown) for item in items]
        return pl.concat_str(told) if told else pl.lit("")

    @cached_property
    def core(self) -> str:
        """What it can become without the white space around it, as a regular expression; empty where it is blank."""
        return self._pattern(named=False)

    @cached_property
    def named(self) -> re.Pattern[str]:
        """The same, with a group `speaker` where it says who speaks."""
        return re.compile(self._pattern(named=True))

    @cached_property
    def words(self) -> list[Word]:
        """What it can become, white space included, for every choice of optional parts and kind of speaker."""
        return list(dict.fromkeys([*self.words_of(tuple(self.bot)), *self.words_of(SOMEBODY)]))

    @cached_property
    def shortest(self) -> int:
        """Characters, white space at the edges left out, that it has at least."""
        return min(sum(isinstance(item, str) for item in stripped(word)) for word in self.words)

    def words_of(self, speaker: Word) -> list[Word]:
        """The same for one kind of speaker."""
        choices = [[part.items, ()] if part.optional else [part.items] for part in self.parts]
        rows = [[item for items in chosen for item in items] for chosen in product(*choices)] or [[]]
        return list(dict.fromkeys(_word(row, speaker) for row in rows))

    def _pattern(self, named: bool) -> str:
        parts = list(self.parts)
        if parts and not parts[0].optional:
            parts[0] = _stripped(parts[0], 0)
        if parts and not parts[-1].optional:
            parts[-1] = _stripped(parts[-1], -1)
        group = "?P<speaker>" if named else "?:"
        told = ""
        for part in parts:
            inner = ""
            for item in part.items:
                if isinstance(item, str):
                    inner += re.escape(item)
                elif item.name == "speaker":
                    inner += f"({group}{re.escape(self.bot)}|{SPEAKER})"
                    group = "?:"
                else:
                    inner += f"[{_CLASSES[item.name]}]{{0,{LONGEST}}}"
            told += f"(?:{inner})?" if part.optional else inner
        return told


def stripped(word: Word) -> Word:
    """The word without the white space around it."""
    start, end = 0, len(word)
    while start < end and isinstance(word[start], str) and str(word[start]).isspace():
        start += 1
    while end > start and isinstance(word[end - 1], str) and str(word[end - 1]).isspace():
        end -= 1
    return word[start:end]


def _word(items: Sequence[Item], speaker: Word) -> Word:
    word: list[str | Many] = []
    for item in items:
        if isinstance(item, str):
            word += item
        else:
            word += speaker if item.name == "speaker" else [Many(_CLASSES[item.name])]
    return tuple(word)


def literal_heading(text: str) -> Heading:
    """A boundary without values; braces and brackets in it are what they are."""
    return Heading(text, "", literal=True)


def _items(piece: str) -> Iterator[Item]:
    for place, found in enumerate(_PLACEHOLDER.split(piece)):
        if place % 2:
            yield Placeholder(found)
        elif found:
            yield found


def _stripped(part: Part, end: int) -> Part:
    """The part without the white space at its beginning (0) or end (-1)."""
    items = list(part.items)
    if isinstance(items[end], str):
        items[end] = str(items[end]).lstrip() if end == 0 else str(items[end]).rstrip()
    return Part(tuple(items))
