"""Refuses templates in which a text could complete a boundary together with the boundary beside it.

Escaping looks at a text alone. So that no boundary arises, moves or grows where a text meets the boundaries around it, no text may be
the beginning of one that the boundary behind it ends, nor the end of one that the boundary before it begins. What values stand in
headings is unknown: a boundary is a word of single characters and of runs of a value's characters, and words are compared as automata.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product, takewhile
from typing import TYPE_CHECKING

from formats.errors import UserError
from formats.templates.escape import COMMON_SPECIAL_TOKENS
from formats.templates.headings import SOMEBODY, Heading, Many, Word, literal_heading, stripped

if TYPE_CHECKING:
    from formats.templates.template import Template

_ANYTHING = Many(r"\s\S")
_LONGEST_SHOWN = 60
_PARAGRAPH = "\n\n"
_SAMPLES: tuple[dict[str, str], ...] = ({}, {"date": "2011-01-01", "flair": "a", "community": "a"})


@dataclass(frozen=True)
class _Run:
    """Boundaries side by side, with no text between them; what text they close and what text they open, where they do."""

    headings: tuple[Heading, ...]
    closes: str | None
    opens: str | None

    def words(self) -> Iterator[Word]:
        """What the run can become."""
        for words in product(*(heading.words for heading in self.headings)):
            yield tuple(character for word in words for character in word)

    def ends(self) -> Iterator["_Run"]:
        """The run from each of its boundaries on; what is blank behind one belongs to it."""
        for place, heading in enumerate(self.headings):
            if not heading.is_blank:
                yield _Run(self.headings[place:], None, self.opens)


def refuse_joints(template: "Template") -> None:
    """Refuses boundaries that a text could complete.

    Raises:
        UserError: one line with the boundary, the text and the place, and what to do.
    """
    cores = [word for heading in template.headings for word in map(stripped, heading.words)]
    runs = _runs(template)
    for closing in dict.fromkeys(word for run in runs if run.closes for word in run.words()):
        _refuse_completed_by(template, cores, closing, _shown(closing))
    for blank in _content_joints(template):
        _refuse_completed_by(template, cores, (*blank, _ANYTHING), blank)
    for opening in dict.fromkeys(word for run in runs if run.opens for end in run.ends() for word in end.words()):
        _refuse_completed_after(template, cores, opening)
    _refuse_neighbours(template, runs)
    _refuse_same_openings(template)
    _refuse_beginnings(template)


def _runs(template: "Template") -> list[_Run]:
    """What stands before the first text, between two texts and after the last one."""
    kinds = {"turn": (template.opens_turn, template.turn_closing)}
    if template.submission:
        kinds["submission"] = (template.opens_submission, template.submission_closing)
    users = list(kinds)
    if template.bot_turn:
        kinds["bot_turn"] = (template.opens_bot_turn, template.bot_turn_closing)
    begin, system = literal_heading(template.begin), literal_heading(template.system_opening)
    first = users if template.has_roles else list(kinds)
    runs = [_Run((begin, kinds[kind][0]), None, kind) for kind in first]
    if template.system and template.system_inside:
        runs += [_Run((begin, kinds[kind][0], system), None, "system") for kind in first]
        if template.system_closing.strip():
            runs.append(_Run((literal_heading(template.system_closing),), "system", "turn"))
    elif template.system:
        runs.append(_Run((begin, system), None, "system"))
        runs += [_Run((literal_heading(template.system_closing), kinds[kind][0]), "system", kind) for kind in first]
    if template.title_closing.strip():
        runs.append(_Run((literal_heading(template.title_closing),), "title", "submission"))
    for kind, (_, closing) in kinds.items():
        following = list(kinds)
        if template.has_roles:
            following = users if kind == "bot_turn" else ["bot_turn"]
        ends = literal_heading(closing), literal_heading(template.separator)
        runs += [_Run((*ends, kinds[after][0]), kind, after) for after in following]
        if kind in users or not template.has_roles:
            runs.append(_Run((*ends, template.opens_reply), kind, "reply"))
    return [*runs, _Run((literal_heading(template.stop),), "reply", None)]


def _content_joints(template: "Template") -> list[str]:
    """The blanks that stand between two texts which are escaped apart."""
    blanks = [_PARAGRAPH] if template.has_roles else []
    if template.system_inside and not template.system_closing.strip():
        blanks.append(template.system_closing)
    return blanks


def _refuse_completed_by(template: "Template", cores: Sequence[Word], closing: Word, shown: str) -> None:
    escaped = (*COMMON_SPECIAL_TOKENS, *(_plain(core) for core in cores if all(isinstance(item, str) for item in core)))
    for core in cores:
        for at in range(1, len(core)):
            last, rest = core[at - 1], core[at:]
            if isinstance(last, str) and last.isspace():
                continue  # texts are stripped
            if isinstance(last, Many):
                rest = core[at - 1 :]
            if all(isinstance(item, Many) for item in rest) or _plain(core[:at]).startswith(escaped):
                continue  # the text would hold a boundary by itself, and have it escaped
            if _meet(rest, closing):
                raise UserError(
                    f"template {template.name}: a text that ends with {_shown(core[:at])!r} before {shown!r} would move the boundary "
                    f"{_shown(core)!r}; begin {shown!r} with a line break"
                    if shown.strip()
                    else f"template {template.name}: two texts joined by {shown!r} could make the boundary {_shown(core)!r}; "
                    "leave empty lines out of it"
                )


def _refuse_completed_after(template: "Template", cores: Sequence[Word], opening: Word) -> None:
    start = next((place for place, item in enumerate(opening) if isinstance(item, Many) or not item.isspace()), len(opening))
    begun = opening[start:]
    for core in cores:
        rest = _left_over(begun, core) if begun else None
        if rest is not None:
            raise UserError(
                f"template {template.name}: a text that begins with {_shown(rest)!r} after {_shown(opening)!r} would become the boundary "
                f"{_shown(begun + rest)!r}; end {_shown(opening)!r} with a line break"
            )


def _refuse_neighbours(template: "Template", runs: Sequence[_Run]) -> None:
    """Boundaries that follow each other, around an empty text, have to be read as what they are."""
    for first, second in product(runs, runs):
        if first.opens != second.closes or not first.opens or first.opens == "system":
            continue
        for values in _SAMPLES:
            held = [heading.text({"speaker": "Speaker_0", **values}) for heading in (*first.headings, *second.headings)]
            expected = [text.strip() for text in held if text.strip()]
            if template.core.findall("".join(held)) != expected:
                raise UserError(
                    f"template {template.name}: the boundaries {' and '.join(map(repr, expected))} cannot be told apart side by side; "
                    "put other text or a line break between them"
                )


def _refuse_same_openings(template: "Template") -> None:
    """Openings of turns that, with some values, are the same text."""
    bot = tuple(template.bot)
    openings = {"turn": template.opens_turn.words_of(SOMEBODY), "reply": template.opens_reply.words_of(bot)}
    if template.bot_turn:
        openings["bot_turn"] = template.opens_bot_turn.words_of(bot)
    if template.submission:
        openings["submission"] = template.opens_submission.words
    for (one, words), (other, others) in combinations(openings.items(), 2):
        if {one, other} == {"reply", "bot_turn"}:
            continue
        for word, beside in product(map(stripped, words), map(stripped, others)):
            if word and beside and _same(word, beside):
                raise UserError(
                    f"template {template.name}: {one} and {other} can open with the same text {_shown(word)!r}; make them differ, "
                    "whatever the values"
                )


def _refuse_beginnings(template: "Template") -> None:
    """Boundaries that are looked for first and can be how another begins."""
    for one, other in combinations(template.headings, 2):
        for word, beside in product(map(stripped, one.words), map(stripped, other.words)):
            if one.core != other.core and _left_over(word, beside):
                raise UserError(
                    f"template {template.name}: the boundary {_shown(word)!r} can be how {_shown(beside)!r} begins; make them differ"
                )


def _same(one: Word, other: Word) -> bool:
    """Whether a text exists that both words can become."""
    return any(at == len(one) and beside == len(other) for at, beside, _ in _reached(one, other))


def _meet(one: Word, other: Word) -> bool:
    """Whether a text exists with which one word goes on while the other does, until one of the two ends."""
    return any((moved or not other) and (at == len(one) or beside == len(other)) for at, beside, moved in _reached(one, other))


def _left_over(begun: Word, core: Word) -> Word | None:
    """What is left of the core behind a text that is all of `begun`; None where they differ or nothing is left."""
    ends = (core[beside:] for at, beside, _ in _reached(begun, core) if at == len(begun) and beside < len(core))
    return next(ends, None)


def _reached(one: Word, other: Word) -> set[tuple[int, int, bool]]:
    """How far both words can be read along the same text: places in one and in the other, and whether anything was read."""
    seen: set[tuple[int, int, bool]] = set()
    left = [(0, 0, False)]
    while left:
        state = left.pop()
        if state not in seen:
            seen.add(state)
            left += _steps(one, other, *state)
    return seen


def _steps(one: Word, other: Word, at: int, beside: int, moved: bool) -> Iterator[tuple[int, int, bool]]:
    first, second = (word[place] if place < len(word) else None for word, place in ((one, at), (other, beside)))
    if isinstance(first, Many):
        yield at + 1, beside, moved
    if isinstance(second, Many):
        yield at, beside + 1, moved
    if first is not None and second is not None and _share(first, second):
        yield at + isinstance(first, str), beside + isinstance(second, str), True


@cache
def _share(first: str | Many, second: str | Many) -> bool:
    """Whether a character is both; the classes of values all hold the digits."""
    if isinstance(first, Many):
        return isinstance(second, Many) or re.match(f"[{first.characters}]", second) is not None
    return first == second if isinstance(second, str) else _share(second, first)


def _shown(word: Word) -> str:
    text = "".join(item if isinstance(item, str) else "0" if item.characters == "0-9" else "…" for item in word)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN // 2]}…{text[-_LONGEST_SHOWN // 2 :]}"


def _plain(word: Word) -> str:
    """The word up to the first value in it."""
    return "".join(takewhile(lambda item: isinstance(item, str), word))  # type: ignore[arg-type]
