"""What is no stop: what forums write by themselves, where replies would end in the middle."""

import re
import unicodedata

_OF_SENTENCES = ".,;:!?…'\"’‘“”«»()-–—*_"
"""Signs that sentences and forum markup hold side by side, as in `...`, `?!`, `--` and `**`."""

_PICTURES = ("So", "Cf", "Co", "Cn", "Mn", "Mc", "Me")
"""Unicode's categories of emoji, of what joins or changes them, and of what is not seen; no sign lies beyond the first plane."""

_ALONE = re.compile("#{3,}|[§¶]{2,}")
"""Signs that stand for a stop without a word: the usual `###`, and what no forum writes. Lines, quotes, smileys and code are of others."""

_WRITTEN = {
    "a link": r"\]?\(?(?:https?://|www\.)\S*",
    "the name of a forum or a user": r"/?(?:r|u|c|user)/[\w-]*/?",
    "what stands for a removed post": r"\[\s*(?:deleted|removed)\b[^\]]*\]",
    "a mark of lists and notes": r"\[\s*(?:x|\d+)?\s*\]",
    "a quote": r"(?:>\s*)+\d*",
    "an HTML entity": r"(?:&#?\w+;\s*)+",
    "an HTML tag": r"</?(?:a|b|i|u|p|em|br|li|ul|ol|hr|sub|sup|del|pre|code|strong|blockquote)\s*/?>",
    "a code fence": r"(?:`{2,}|~{2,})\s*\w*",
    "a smiley": r"(?:<3\s*)+|[<>]:?[dop]\s*[<>]?",
}
"""What forums write that has two signs and a word, by its kind; the whole stop has to be it, so that `<END>` is none of them."""


def ordinary(stop: str) -> str | None:
    """Of which kind of ordinary text a stop is, empty where its kind has no name; None where it is none.

    A stop needs two signs that sentences do without, emoji and unseen characters not counted. Without a letter or a digit it has to be
    `###` (or longer), or `§§`; with one, it may not be what forums write by themselves.
    """
    text = stop.strip()
    signs = "".join(sign for sign in text if _is_sign(sign))
    if len(signs) < 2:
        return ""
    if not any(character.isalnum() for character in text):
        return None if _ALONE.fullmatch(signs) else "signs alone"
    return next((kind for kind, pattern in _WRITTEN.items() if re.fullmatch(pattern, text, re.IGNORECASE)), None)


def _is_sign(character: str) -> bool:
    if character.isalnum() or character.isspace() or character in _OF_SENTENCES:
        return False
    return character <= "\uffff" and unicodedata.category(character) not in _PICTURES
