"""The textual stop of rows that no template describes: the ending that they share, and what they end in otherwise."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from formats.contract.endings import end_literal
from formats.contract.report import Point
from formats.contract.tally import end as shown_end
from formats.contract.tally import quoted

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_TAIL = 64
"""Characters at the end of a row in which its stop is looked for."""

_LEAST_ROWS = 3
"""Fewer rows than these share nothing but by chance."""

_HALF, _NEARLY_ALL = 0.5, 0.9
"""The share of rows that ends in a stop: of one that is clearly a mark, and of one that could be an answer or a label."""

_MIXED = 0.1
"""From this share of rows on another mark at the end is another stop."""

_REMEMBERED = 1_000
"""Marks counted from part to part, the most frequent."""

_SIGNS = r"(?<![#<\[])[#<\[]"
"""The first of the signs that marks are written with."""

_LETTER = re.compile(r"[^\W\d_]")
_OWN_LINE = re.compile(rf"\s*\n\s*{_SIGNS}")
_ONE_MARK = re.compile(r"\s*[^\w\s]+ ?\w+\W*")
_SENTENCE_END = re.compile(r"""\w[.!?…。！？]+["'”’)\]*_]*(?:\s|$)""")
_REPEATED = re.compile(r"\s*(\S(?:.*?\S)?)\s*(?:\1\s*)+", re.DOTALL)


@dataclass(frozen=True)
class Marks:
    """What a tokenizer tells of endings.

    Args:
        end: the text of its end token, which stands behind a textual stop and is none itself; empty where nothing is known.
        tokens: the texts of its special and added tokens, which may begin a stop.
        barred: those at which no reply can end or that end it by themselves: no part of a textual stop.
        beginnings: where a textual stop can begin.
    """

    end: str = ""
    tokens: tuple[str, ...] = ()
    barred: tuple[str, ...] = ()
    beginnings: re.Pattern[str] = re.compile(rf"\r?\n|{_SIGNS}")


NO_MARKS = Marks()
"""Nothing is known of the tokenizer."""


def marks_of(tokenizer: "PreTrainedTokenizerBase") -> Marks:
    """The marks of a tokenizer.

    Raises:
        UserError: it has no end token.
    """
    end = end_literal(tokenizer)
    added = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special or not str(token)[:1].isalnum()]
    barred = {end, *(str(token) for token in (tokenizer.bos_token, tokenizer.unk_token, tokenizer.pad_token) if token)}
    tokens = tuple(sorted({token for token in added if token.strip()}))
    # Where a sign begins a token, the sign is enough: some tokenizers have hundreds of these.
    others = [re.escape(token) for token in tokens if not re.match(_SIGNS, token)]
    return Marks(end, tokens, tuple(sorted(barred)), re.compile("|".join([*others, NO_MARKS.beginnings.pattern])))


def common_ending(texts: Sequence[str], marks: Marks = NO_MARKS) -> str:
    """The ending that rows share, as a stop is shared; empty where they share none.

    A textual stop begins at a line break, at a special or added token, or at one of the signs `#`, `<` and `[`. It holds a letter and no
    end of an ordinary sentence, is no text repeated, and never a whole row. Half of the rows must end in one that is clearly a mark (a
    special token, or a sign at the beginning of a line), nine in ten in any other: a word or a bracket that fewer share may be an answer.
    Of endings that hold one another it is the longest that the same rows share. The end token is part of it where half of the rows have it.
    """
    endings = Counter(ending for text in texts for ending in _endings(text, marks))
    least = {clear: max(_LEAST_ROWS, share * len(texts)) for clear, share in ((True, _HALF), (False, _NEARLY_ALL))}
    enough = [(rows, len(ending), ending) for ending, rows in endings.items() if rows >= least[_clear(ending, marks)]]
    shared = max(enough)[2] if enough else ""
    ended = sum(text.endswith(marks.end) for text in texts) if marks.end else 0
    return shared + marks.end if ended >= max(1, len(texts) / 2) else shared


class OtherStops:
    """Counts, part by part, what rows end in besides their stop: another mark, or the stop once more before it."""

    def __init__(self, stop: str, marks: Marks) -> None:
        self._stop = stop.removesuffix(marks.end)
        self._marks = marks
        self._endings: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._twice, self._twice_at, self._rows = 0, "", 0

    def add(self, ids: Sequence[str], texts: Sequence[str]) -> None:
        """Counts the rows of a part."""
        self._rows += len(texts)
        for row_id, text in zip(ids, texts, strict=True):
            for ending in _endings(text, self._marks):
                if _clear(ending, self._marks) and "\n" not in ending.strip():
                    self._endings[ending] += 1
                    self._examples[ending] = self._examples.get(ending) or f"{row_id}: {shown_end(text)}"
            if self._has_it_twice(text):
                self._twice += 1
                self._twice_at = self._twice_at or f"{row_id}: {shown_end(text)}"
        self._endings = Counter(dict(self._endings.most_common(_REMEMBERED)))
        self._examples = {ending: self._examples[ending] for ending in self._endings}

    def _has_it_twice(self, text: str) -> bool:
        said, stop = text.removesuffix(self._marks.end), self._stop
        if not stop:
            said, stop = text, self._marks.end
        return bool(stop) and said.endswith(stop) and said.removesuffix(stop).rstrip().endswith(stop.strip())

    def judged(self, points: Sequence[Point]) -> list[Point]:
        """The points of the contract, of which those that these rows break fail."""
        return [self._sequence(self._after(point)) for point in points]

    def _after(self, point: Point) -> Point:
        if point.name != "nothing after it carries loss" or point.holds is not True or not self._twice:
            return point
        says = f"{self._twice:,} of {self._rows:,} rows have the stop twice: the first is learned as part of the reply"
        mend = "take one of them away; the trainer or the chat template may write one already"
        return replace(point, holds=False, count=max(0, point.of - self._twice), says=says, counterexample=self._twice_at, mend=mend)

    def _sequence(self, point: Point) -> Point:
        if point.name != "one sequence of tokens" or point.holds is not True:
            return point
        least = max(_LEAST_ROWS, _MIXED * self._rows)
        others = [(rows, ending) for ending, rows in self._endings.items() if rows >= least and not self._akin(ending)]
        whole = [
            (rows, ending) for rows, ending in others if not any(len(more) > len(ending) and more.endswith(ending) for _, more in others)
        ]
        if not whole:
            return point
        named = [f"{rows:,} in {quoted(ending)}" for rows, ending in sorted(whole, key=lambda one: (-one[0], one[1]))]
        rows = sum(rows for rows, _ in whole)
        says = f"rows stop in more than one way: of {self._rows:,} rows {' and '.join(named)}"
        says += f", the others in {quoted(self._stop)}" if self._stop else ", the others in no such mark"
        example = self._examples[max(whole)[1]]
        mend = "let every reply end in the same stop, or take these marks away and leave the end token alone"
        return replace(point, holds=False, count=max(0, point.of - rows), says=says, counterexample=example, mend=mend)

    def _akin(self, ending: str) -> bool:
        """Whether an ending is the stop, a part of it, or holds it."""
        return self._stop.endswith(ending) or bool(self._stop and ending.endswith(self._stop))


def _endings(text: str, marks: Marks) -> Iterator[str]:
    """The endings of a row that can be a stop, the end token taken away."""
    said = text.removesuffix(marks.end)
    first = max(0, len(said) - _TAIL)
    for begun in marks.beginnings.finditer(said, first):
        ending = said[begun.start() :]
        if not said[: begun.start()].strip():
            continue
        if not _LETTER.search(ending) or (_SENTENCE_END.search(ending) and not _ONE_MARK.fullmatch(ending)):
            continue
        if not _REPEATED.fullmatch(ending) and not any(token in ending for token in marks.barred):
            yield ending


def _clear(ending: str, marks: Marks) -> bool:
    """Whether this is a mark and no part of what is said."""
    return bool(_OWN_LINE.match(ending)) or ending.lstrip().startswith(marks.tokens or ("\0",))
