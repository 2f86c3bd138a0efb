"""What scrapes remember of redditors and other authors by name: cleared of those who are forgotten."""

import re
from pathlib import Path
from typing import Any

from curate.files import read_json, write_json
from curate.forgetting.forgotten import Forgotten, hash_author
from curate.journal import journal_folder

_WORDS = re.compile(r"[^\s/,:()]+")
"""What a name can be in a longer text, such as `u/NAME` and `author_NAME,story`."""


def clear_states(posts: Path, gone: Forgotten) -> None:
    """Takes the names of forgotten authors out of what the scrapes of a folder were asked for, remember and failed at.

    A scrape of their posts begins anew if it is asked for again; which segment it wrote stays known.
    """
    for path in sorted(journal_folder(posts).glob("*.json")) if gone.authors else ():
        saved = read_json(path)
        told = {name: saved[name] for name in ("request", "state", "failures") if name in saved}
        cleared = {**told, **_without(told, gone)}
        cleared["failures"] = [failure for failure in told.get("failures", ()) if _without(failure, gone) == failure]
        if cleared != told:
            write_json({**saved, **cleared}, path)


def _without(value: Any, gone: Forgotten) -> Any:
    """A value of JSON without the keys and values that name a forgotten author."""
    if isinstance(value, dict):
        return {key: _without(held, gone) for key, held in value.items() if not (_is_named(key, gone) or _names(held, gone))}
    if isinstance(value, list):
        return [_without(held, gone) for held in value if not _names(held, gone)]
    return value


def _is_named(key: str, gone: Forgotten) -> bool:
    """Whether a key is made of an author's name, as `u/NAME`: what is a word of its own is the name of a field."""
    return not key.isidentifier() and _names(key, gone)


def _names(value: Any, gone: Forgotten) -> bool:
    return isinstance(value, str) and any(hash_author(word) in gone.authors for word in (value, *_words(value)))


def _words(text: str) -> list[str]:
    words = _WORDS.findall(text)
    return [*words, *(word.removeprefix("author_") for word in words)]
