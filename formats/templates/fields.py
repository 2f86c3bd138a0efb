"""What is refused in the fields of a template, each by itself; `joints` looks at them side by side."""

import re
import unicodedata
from typing import TYPE_CHECKING, NoReturn

from formats.errors import UserError
from formats.templates.headings import Heading, Placeholder
from formats.templates.stops import ordinary
from formats.templates.values import ALPHABET, DATE, IN_HEADINGS, IN_SYSTEM_TEXT, LONGEST, SPEAKER, safe_value
from formats.visible import HIDDEN

if TYPE_CHECKING:
    from formats.templates.template import Template

_KNOWN = {
    "begin": (),
    "system": ("text",),
    "system_text": IN_SYSTEM_TEXT,
    "turn": ("text", *IN_HEADINGS),
    "bot_turn": ("text", *IN_HEADINGS),
    "submission": ("title", "text", *IN_HEADINGS),
    "reply": IN_HEADINGS,
    "stop": (),
    "separator": (),
}
"""The placeholders of each field."""

_BOUNDARIES = tuple(field for field in _KNOWN if field != "system_text")

_LONGEST_PART = 2_000
"""Characters of a boundary: they are compared with each other and looked for in every text, so long ones take minutes."""

_LONGEST_SYSTEM_TEXT = 20_000


def refuse_fields(template: "Template") -> None:
    """Refuses fields that no template can have.

    Raises:
        UserError: one line with the field, what was found and what to do.
    """
    _refuse_characters(template)
    _refuse_placeholders(template)
    _refuse_missing_parts(template)
    for heading, field in _openings(template):
        _refuse_values(template, heading, field)
    _refuse_short(template)
    _refuse_alike(template)
    _refuse_ordinary_stop(template)
    if not template.bot or safe_value(template.bot) != template.bot or re.fullmatch(SPEAKER, template.bot):
        _refuse(
            template,
            f"bot {template.bot!r} is no name for the bot: give it 1 to {LONGEST} letters, digits, spaces, _, - or ', other than Speaker_n",
        )


def _refuse(template: "Template", reason: str) -> NoReturn:
    raise UserError(f"template {template.name}: {reason}")


def _openings(template: "Template") -> list[tuple[Heading, str]]:
    held = [(template.opens_turn, "turn opening"), (template.opens_reply, "reply")]
    if template.bot_turn:
        held.append((template.opens_bot_turn, "bot_turn opening"))
    if template.submission:
        held.append((template.opens_submission, "submission opening"))
    return held


def _refuse_characters(template: "Template") -> None:
    if not template.name or not template.name.isprintable():
        raise UserError(f"template {template.name!r}: the name needs at least one character and only ones that can be printed")
    for field in _KNOWN:
        length, longest = len(getattr(template, field)), _LONGEST_SYSTEM_TEXT if field == "system_text" else _LONGEST_PART
        if length > longest:
            _refuse(template, f"{field} has {length:,} characters, at most {longest:,} can be; shorten it")
        for character in getattr(template, field):
            if character == "\\" and field != "system_text":
                _refuse(template, f"{field}: a boundary holds a backslash, which marks escapes; leave it out")
            if character not in " \t\r\n" and (character.isspace() or unicodedata.category(character) in ("Cc", "Cs")):
                _refuse(template, f"{field} holds the character U+{ord(character):04X}; spaces, tabs and line breaks are its only blanks")
        unseen = HIDDEN.search(getattr(template, field).replace("\r\n", "\n").replace("\r", "\n")) if field != "system_text" else None
        if unseen:
            _refuse(template, f"{field} holds the character U+{ord(unseen.group()):04X}, which cannot be seen; leave it out")


def _refuse_placeholders(template: "Template") -> None:
    for field, known in _KNOWN.items():
        source = getattr(template, field)
        if not known and "{" not in source:
            continue
        for name in re.findall(r"\{(\w*)\}", source):
            if name not in known:
                listed = ", ".join(f"{{{one}}}" for one in sorted(known)) or "none"
                _refuse(template, f"{field} has the placeholder {{{name}}}; known there: {listed}")
        if known and field != "system":
            _refuse_brackets(template, field, source)


def _refuse_brackets(template: "Template", field: str, source: str) -> None:
    depth = 0
    for mark in re.findall(r"\[\[|\]\]", source):
        depth += 1 if mark == "[[" else -1
        if depth not in (0, 1):
            _refuse(template, f"{field} has {mark} without its counterpart or within another; write optional parts as [[…]], side by side")
    if depth:
        _refuse(template, f"{field} has [[ without ]]; write optional parts as [[…]]")
    for inner in re.findall(r"\[\[(.*?)\]\]", source, re.DOTALL):
        if "{text}" in inner or (field == "submission" and "{title}" in inner):
            _refuse(template, f"{field} has its text in the optional part [[{inner}]]; only other values are optional")
        if not re.search(r"\{\w+\}", inner):
            _refuse(template, f"{field} has the optional part [[{inner}]] without a placeholder; it is left out where a value is unknown")


def _refuse_missing_parts(template: "Template") -> None:
    for field, needed in (("turn", ["text"]), ("bot_turn", ["text"]), ("submission", ["title", "text"]), ("system", ["text"])):
        source = getattr(template, field)
        if not source and field != "turn":
            continue
        for name in needed:
            if source.count(f"{{{name}}}") != 1:
                _refuse(template, f"{field} needs the placeholder {{{name}}} exactly once")
        before, after = source.split(f"{{{needed[0]}}}")
        late = [name for name in re.findall(r"\{(\w*)\}", after) if name not in needed]
        if late:
            _refuse(template, f"{field} has {{{late[0]}}} after {{{needed[0]}}}; say who speaks before the text")
        if len(needed) == 2 and "{text}" in before:
            _refuse(template, f"{field} has {{text}} before {{title}}; the title stands before the text")
    between = template.title_closing
    if template.submission and not between.strip() and "\n" not in between:
        _refuse(template, f"submission has {between!r} between {{title}} and {{text}}; put a line break or a boundary there")
    if template.system_text and not template.system:
        _refuse(template, "system_text has nothing that wraps it; give the key system with {text} in it")
    if template.system_inside and not template.system:
        _refuse(template, "system_inside says where the system part stands, and there is none; give the key system with {text} in it")
    if template.system_inside and not template.system_closing.strip() and "\n" not in template.system_closing:
        _refuse(template, f"system has {template.system_closing!r} before the first turn's text; put a line break or a boundary there")


def _refuse_values(template: "Template", heading: Heading, field: str) -> None:
    """A value has to begin after fixed text and to end before a character that it cannot hold."""
    items = [item for part in heading.parts for item in part.items]
    first = heading.parts[0] if heading.parts else None
    if first and (first.optional or (isinstance(first.items[0], Placeholder) and first.items[0].name != "speaker")):
        _refuse(template, f"{field} begins with a value or an optional part; begin it with fixed text or {{speaker}}")
    for place, item in enumerate(items):
        if isinstance(item, str):
            continue
        allowed = {"date": DATE, "speaker": "0-9"}.get(item.name, ALPHABET)
        for after in _what_may_follow(heading, place):
            if not isinstance(after, str) or re.match(f"[{allowed}]", after):
                found = repr(after) if isinstance(after, str) else f"{{{after.name}}}" if after else "the text"
                _refuse(
                    template,
                    f"{field} has {{{item.name}}} right before {found}, which could be part of it; put a sign such as : between",
                )


def _what_may_follow(heading: Heading, place: int) -> list[str | Placeholder | None]:
    """The characters or placeholders that can stand behind the item: the next ones, and those behind what may be left out."""
    flat = [(item, number, part.optional) for number, part in enumerate(heading.parts) for item in part.items]
    own, found = flat[place][1], []
    skipped: int | None = None
    for item, number, optional in flat[place + 1 :]:
        if number == skipped:
            continue
        found.append(item[0] if isinstance(item, str) else item)
        if not optional or number == own:
            return list(found)
        skipped = number
    return [*found, None]


def _refuse_short(template: "Template") -> None:
    closes = (template.turn_closing.strip() and template.submission_closing.strip()) or template.separator
    literals = [
        ("begin", template.begin, True),
        ("system opening", template.system_opening, True),
        ("system closing", template.system_closing, True),
        ("turn opening", template.turn_opening, False),
        ("turn closing", template.turn_closing, True),
        ("submission opening", template.opens_submission.source, False),
        ("title closing", template.title_closing, True),
        ("submission closing", template.submission_closing, True),
        ("bot_turn opening", template.opens_bot_turn.source, template.has_roles and bool(closes.strip())),
        ("bot_turn closing", template.bot_turn_closing, True),
        ("separator", template.separator, True),
        ("reply", template.reply, bool(closes.strip())),
        ("stop", template.stop, False),
    ]
    for field, source, may_be_blank in literals:
        fixed = re.sub(r"\{(?!speaker)\w*\}|\[\[.*?\]\]", "", source, flags=re.DOTALL).strip()
        if len(fixed) == 1 or (not fixed and not (may_be_blank and not source.strip())):
            _refuse(
                template,
                f"{field} {source!r} is no boundary: ordinary text contains it; it needs at least two characters that are not white space",
            )


def _refuse_alike(template: "Template") -> None:
    turn, reply = template.turn_opening.strip(), template.reply.strip()
    if reply == turn and "{speaker}" not in turn:
        _refuse(template, f"reply and turn open with the same text {template.reply!r}; make them differ")
    if template.bot_turn and template.opens_bot_turn.source.strip() == turn and "{speaker}" not in turn:
        _refuse(template, f"bot_turn and turn open with the same text {template.turn_opening!r}; make them differ")
    if template.bot_turn and template.opens_bot_turn.is_blank != template.opens_reply.is_blank:
        _refuse(template, "one of bot_turn and reply opens with a text and the other with none; let both begin alike")
    closings = {template.turn_closing.strip(), template.bot_turn_closing.strip(), template.submission_closing.strip()}
    if template.separator.strip() in closings - {""}:
        _refuse(template, f"the separator {template.separator!r} closes turns already; leave it out")
    for field, source in (("submission", template.opens_submission.source.strip()), ("system", template.system_opening.strip())):
        if getattr(template, field) and source and source in (turn, reply, template.opens_bot_turn.source.strip()):
            _refuse(template, f"{field} opens with the same text {source!r} as a turn or the reply; give it a heading of its own")
    opening = {template.opens_reply, template.opens_turn, template.opens_bot_turn, template.opens_submission}
    fixed = [
        ("stop", template.stop), ("system opening", template.system_opening),
        ("begin", template.begin), ("system closing", template.system_closing), ("separator", template.separator),
        ("turn closing", template.turn_closing), ("bot_turn closing", template.bot_turn_closing),
        ("submission closing", template.submission_closing),
    ]  # fmt: skip
    for field, source in fixed:
        if source.strip() and any(not heading.is_blank and re.fullmatch(heading.core, source.strip()) for heading in opening):
            _refuse(template, f"the {field} {source!r} also opens a turn; make them differ")
    marks = [template.title_closing, *([template.system_opening, template.system_closing] if template.system_inside else [])]
    others = [template.turn_closing, template.bot_turn_closing, template.submission_closing, template.separator, template.stop]
    for mark in filter(str.strip, marks):
        if [text.strip() for text in [*marks, *others]].count(mark.strip()) > 1 or any(
            not heading.is_blank and re.fullmatch(heading.core, mark.strip()) for heading in opening
        ):
            _refuse(template, f"the boundary {mark!r} stands for two things; make it differ from the others")


def _refuse_ordinary_stop(template: "Template") -> None:
    kind = ordinary(template.stop)
    if kind is not None:
        said = f"ordinary text ({kind})" if kind else "ordinary text"
        needed = "a word and two signs" if kind else "at least two signs"
        _refuse(
            template,
            f"the stop {template.stop!r} is {said}, so that replies would stop in the middle; "
            f"give it {needed} that sentences do without, as in '### END' or '</s>'",
        )
