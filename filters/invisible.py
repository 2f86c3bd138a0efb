"""A transform that takes out the characters that nobody sees."""

import re
from dataclasses import dataclass

import polars as pl

from filters.cleaning import tidy
from filters.transform import Transform, rewrite

_LINE_ENDS = "\r\x0b\x0c\x85\u2028\u2029"
_UNSEEN = "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
"""Controls, the soft hyphen, zero-width spaces, marks and overrides of direction, invisible operators and anchors."""

_JOINERS = "\u180e\u200c\u200d"
_JOINED = "\u0600-\u074f\u0750-\u07ff\u0840-\u08ff\u0900-\u0dff\u0e80-\u109f\u1780-\u18af\ua840-\ua87f\ufb50-\ufdff\ufe70-\ufefc"
"""Scripts in which joiners make another letter or another word: Arabic (Persian), Syriac, those of India, Khmer, Mongolian."""

_PICTURES = "#*0-9\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001fbff"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_SELECTED = f"{_PICTURES}\u1000-\u109f\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TAGS = "\U000e0000-\U000e007f"
_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"

_SUSPECT = f"[{_LINE_ENDS}{_UNSEEN}{_JOINERS}{_SELECTORS}{_TAGS}]"

_STEPS = [
    (re.compile(pattern), instead)
    for pattern, instead in (
        (f"[{_UNSEEN}]", ""),
        (f"\r\n|[{_LINE_ENDS}]", "\n"),
        (f"({_FLAG})|[{_TAGS}]", r"\1"),
        (f"(?<![{_SELECTED}])[{_SELECTORS}]", ""),
        (f"([{_JOINERS}])\\1+", r"\1"),
        (f"(?<![{_JOINED}{_PICTURES}{_SELECTORS}])[{_JOINERS}]", ""),
        (f"(?<=[{_PICTURES}{_SELECTORS}])(?:[\u180e\u200c]|\u200d(?![{_PICTURES}]))", ""),
        (f"(?<=[{_JOINED}])[\u180e\u200c](?![{_JOINED}])", ""),
    )
]
"""In an order in which no step leaves anything for one before it."""


@dataclass(frozen=True)
class Invisible(Transform):
    """Strip characters that nobody sees: zero-width spaces, soft hyphens, byte order marks, marks of direction, control characters.

    They split words for a model, and hide them from rules. What makes an emoji or a letter stays: joiners and selectors within emoji,
    joiners in scripts that need them, such as Persian and Hindi. Every kind of line end becomes a line feed.
    """

    def apply(self, posts: pl.DataFrame) -> pl.DataFrame:
        return rewrite(posts, [lambda text: text.str.contains(_SUSPECT)], _seen)


def _seen(text: str) -> str:
    seen = text
    for pattern, instead in _STEPS:
        seen = pattern.sub(instead, seen)
    return text if seen == text else tidy(seen)
