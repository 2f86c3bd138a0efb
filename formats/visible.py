"""Shows texts of strangers: nothing in them acts on a page or on a terminal, and what cannot be seen is marked."""

import json
import re
import unicodedata
from html import escape

_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
_DIRECTIONS = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE = r"\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
_TAGS = r"\U000e0000-\U000e0fff"
_SURROGATES = r"\ud800-\udfff"
_JOINERS = r"(?<![\u0250-\U0010ffff])[\u200c\u200d]|[\u200c\u200d](?![\u0250-\U0010ffff])"
"""Between two letters or emoji beyond Latin, joiners are part of how they are written; elsewhere they only hide."""

HIDDEN = re.compile(f"[{_CONTROLS}{_DIRECTIONS}{_INVISIBLE}{_TAGS}{_SURROGATES}]|{_JOINERS}")
"""Characters that act instead of being seen: control characters but tab and newline, what turns the direction of writing (Unicode's
bidirectional formatting characters, UAX #9), and what has no width."""

MARK = "\N{SYMBOL FOR SUBSTITUTE FORM TWO}"
"""What a terminal shows in the place of a character that has no symbol of its own."""

_DELETE = "\N{SYMBOL FOR DELETE}"


def for_terminal(text: str) -> str:
    """The text as a terminal can show it, character for character: each that would act or hide becomes one that is seen.

    Control characters become their symbols (U+2400 and on), all others `MARK`. Newlines and tabs stay.
    """
    return HIDDEN.sub(lambda found: _symbol(found.group()), text)


def for_terminal_line(text: str, longest: int | None = None) -> str:
    """The same in one line: white space, newlines included, is one space; cut to so many characters, the ellipsis included."""
    line = for_terminal(" ".join(text.split()))
    return line if longest is None else cut(line, longest)


def for_terminal_json(document: str) -> str:
    """A JSON document as a terminal can show it: its hidden characters are escapes (\\u202e), so that its values stay the same.

    Control characters below U+0020 are escapes in any JSON document.
    """
    return HIDDEN.sub(lambda found: json.dumps(found.group())[1:-1], document)


def for_page(text: str) -> str:
    """The text as HTML: escaped, kept apart from the direction of what stands around it, its hidden characters as marks with their names.

    Newlines stay newlines: where they are to be seen, the element around it needs `white-space: pre-wrap`.
    """
    shown, end = [], 0
    for found in HIDDEN.finditer(text):
        shown += [escape(text[end : found.start()]), _marked(found.group())]
        end = found.end()
    return f'<bdi dir="auto">{"".join(shown)}{escape(text[end:])}</bdi>'


def cut(text: str, longest: int) -> str:
    """The text, or its beginning and an ellipsis, in at most so many characters."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _symbol(character: str) -> str:
    code = ord(character)
    if code < 32:
        return chr(0x2400 + code)
    return _DELETE if 127 <= code < 160 else MARK


def _marked(character: str) -> str:
    name = unicodedata.name(character, "control character")
    return f'<span class="hidden" title="{escape(name)}">U+{ord(character):04X}</span>'
