"""Parses samples back into turns: the inverse of rendering."""

import re

from formats.rendering.conversations import Turn
from formats.templates.template import BLANK, BOT, Template

_SYSTEM_OPENS, _SYSTEM_CLOSES, _TITLE_CLOSES, _TURN_CLOSES = "system opens", "system closes", "title closes", "turn closes"
_SOMEBODY = "Speaker_0"
_BLANK = re.compile(BLANK)


def pieces(text: str, template: Template) -> list[tuple[bool, str]]:
    """The text cut into (is boundary, piece); joined, the pieces are the text again."""
    cut: list[tuple[bool, str]] = []
    begun, position = None, 0  # where the boundary at hand begins, and where it ends with its blanks
    for core in template.core.finditer(text):
        content = text[position : core.start()].rstrip(" \t\r\n")
        if content or begun is None:
            if begun is not None:
                cut.append((True, text[begun:position]))
            if content:
                cut.append((False, content))
            begun = position + len(content)
        blank = _BLANK.match(text, core.end())
        position = blank.end() if blank else core.end()
    if begun is not None:
        cut.append((True, text[begun:position]))
    if position < len(text):
        cut.append((False, text[position:]))
    return cut


def parse(text: str, template: Template) -> list[Turn]:
    """The turns of a rendered sample or prompt: the inverse of rendering, for stripped turn texts.

    Turns that were merged into one are one. Where the template does not name the speaker, every turn but the bot's is given to
    `Speaker_0`. A system text is no turn; one that stands inside the first turn without a boundary behind it is part of its text.
    """
    reader = _Reader(template)
    for is_boundary, piece in pieces(text, template):
        if not is_boundary:
            reader.hear(piece)
            continue
        for core in template.core.findall(piece):
            reader.pass_boundary(core)
    reader.end()
    return reader.turns


class _Reader:
    """Reads boundaries and texts in order, and gathers the turns."""

    def __init__(self, template: Template) -> None:
        self.turns: list[Turn] = []
        self._template = template
        self._escaper = template.escaper
        self._marks = _marks(template)
        self._speaker: str | None = None
        self._closed_into = False
        self._is_submission = False
        self._title: str | None = None
        self._text: str | None = None

    def hear(self, piece: str) -> None:
        if self._speaker is not None:
            self._text = self._escaper.unescape(piece)

    def pass_boundary(self, core: str) -> None:
        mark = self._marks.get(core)
        opened = None if mark else _opened_by(core, self._template)
        if self._speaker is not None:
            if mark in (_SYSTEM_OPENS, _SYSTEM_CLOSES):
                self._text = None
                return
            if mark == _TITLE_CLOSES:
                self._title, self._text = self._text, None
                return
            is_turn = not self._closed_into or opened is None or (self._template.has_roles and self._template.opens_bot_turn.is_blank)
            self._say(is_turn)
        asked = bool(self.turns) and not (self._template.has_roles and self.turns[-1].speaker == BOT)
        self._closed_into = mark == _TURN_CLOSES and asked
        self._speaker, self._is_submission = (BOT, False) if self._closed_into else (opened or (None, False))

    def end(self) -> None:
        if self._text is not None:
            self._say(True)

    def _say(self, is_turn: bool) -> None:
        text, title = self._text or "", self._title
        if self._is_submission and not self._template.title_closing.strip():
            title, _, text = text.partition("\n")
        if self._speaker is not None and (is_turn or self._text is not None):
            self.turns.append(Turn(self._speaker, text.strip(" \t\r\n") if title is not None else text, title and title.rstrip()))
        self._speaker = self._title = self._text = None


def _marks(template: Template) -> dict[str, str]:
    """Boundaries that open no turn by themselves and mean something to the one they stand in."""
    marks: dict[str, str] = {}
    if template.system_inside:
        marks |= {template.system_opening.strip(): _SYSTEM_OPENS, template.system_closing.strip(): _SYSTEM_CLOSES}
    marks[template.title_closing.strip()] = _TITLE_CLOSES
    if template.opens_reply.is_blank:
        for closing in (template.turn_closing, template.submission_closing):
            marks[template.separator.strip() or closing.strip()] = _TURN_CLOSES
    marks.pop("", None)
    return marks


def _opened_by(core: str, template: Template) -> tuple[str, bool] | None:
    """Who speaks after this boundary and whether it is a submission, or None where nobody does."""
    forms = [(template.opens_reply, BOT), (template.opens_bot_turn if template.bot_turn else template.opens_reply, BOT)]
    forms += [(template.opens_submission, _SOMEBODY), (template.opens_turn, _SOMEBODY)]
    for heading, role in forms:
        found = None if heading.is_blank else heading.named.fullmatch(core)
        if found:
            named = None if template.has_roles else found.groupdict().get("speaker")
            is_submission = bool(template.submission) and heading is template.opens_submission
            return (BOT if named == template.bot else named or role), is_submission
    return None
