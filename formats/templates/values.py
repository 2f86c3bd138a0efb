"""Values in headings and system texts: who speaks, when, where, and with which flair; reduced so that they can forge nothing."""

import datetime
import re
from dataclasses import dataclass

import polars as pl

BOT = "Bot"
"""Who wrote the reply that is learned, as a speaker of turns."""

_LETTERS = (
    r"\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0370-\u0377\u037b-\u037d\u0386\u0388-\u03ff\u0400-\u0481\u048a-\u052f"
    r"\u05d0-\u05ea\u0620-\u064a\u0660-\u0669\u0900-\u0dff\u0e01-\u0e3a\u0e40-\u0e4e\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3"
)
ALPHABET = rf"0-9A-Za-z_'\- {_LETTERS}"
"""Characters of a value in a heading, as a character class that means the same to Python and to Polars: letters and digits, the space,
`_`, `-` and `'`. It holds none of the signs that boundaries are made of."""

LONGEST = 64
"""Characters of a value at most, so that looking for a heading in a text costs no more than the text's length. Reddit's flairs have 64."""

SPEAKER = "Speaker_[0-9]+"
"""The name of everybody but the bot, as a regular expression."""

DATE = "0-9-"
"""Characters of a date (YYYY-MM-DD), as a character class."""

IN_HEADINGS = ("speaker", "date", "flair", "community")
"""Placeholders of what opens a turn or the reply."""

IN_SYSTEM_TEXT = ("community", "flair", "title", "date")
"""Placeholders of a system text: the community, the flair of the reply's author, the title of the thread, the date of the reply."""

_OTHER, _EDGES = f"[^{ALPHABET}]+", " -'"


@dataclass(frozen=True)
class Values:
    """What is known of a reply before it is written: None is unknown. `flair` is its author's, `title` the thread's."""

    community: str | None = None
    flair: str | None = None
    title: str | None = None
    date: datetime.date | None = None


def safe_value(text: str) -> str:
    """The text as a value of a heading: what is not in the alphabet becomes a space, at most 64 characters; may be left empty."""
    return re.sub("  +", " ", re.sub(_OTHER, " ", text)).strip(_EDGES)[:LONGEST].rstrip(_EDGES)


def safe_values(text: pl.Expr) -> pl.Expr:
    """The same of a column; null where nothing is left."""
    reduced = text.str.replace_all(_OTHER, " ").str.replace_all("  +", " ").str.strip_chars(_EDGES)
    cut = reduced.str.slice(0, LONGEST).str.strip_chars_end(_EDGES)
    return pl.when(cut != "").then(cut)


def dates(created_at: pl.Expr) -> pl.Expr:
    """The dates (YYYY-MM-DD) of points in time; null where one is unknown."""
    return created_at.cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%d").str.replace_all(f"[^{DATE}]", "")
