"""Words of a text, as all measures of wording count them."""

import re

_WORD = re.compile(r"\w+(?:['’]\w+)*")


def words(text: str) -> list[str]:
    """The words of a text in small letters, without the marks between them."""
    return _WORD.findall(text.lower())


def spans(text: str) -> list[tuple[int, int]]:
    """Where the words of a text begin and end, in characters."""
    return [found.span() for found in _WORD.finditer(text)]
