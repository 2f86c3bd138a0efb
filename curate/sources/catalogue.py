"""All sources by name: what reads files, and what fetches over the network."""

import importlib
from typing import TYPE_CHECKING, cast

from formats.errors import UserError

if TYPE_CHECKING:
    from curate.sources.reading.place import Head
    from curate.sources.source import FileSource, LiveSource

FILES = {
    "journal": "what `lorum scrape` fetched",
    "reddit-dump": "Reddit's archives: RC_/RS_YYYY-MM and NAME_comments/_submissions in .zst, .zst_blocks, .xz, .bz2, .gz or plain",
    "stack-exchange": "Stack Exchange data dumps: Posts.xml and Comments.xml, plain or in .7z",
    "convokit": "ConvoKit corpora: a folder or .zip with utterances.jsonl",
    "table": "tables: CSV, TSV, JSONL, Parquet, Arrow IPC, and datasets of the Hub (hub:USER/NAME) or saved on disk; see --map",
}
"""File sources with their line of help, in the order in which they are asked whether they recognise a file."""

LIVE = {
    "reddit": "Reddit's API: communities, searches, users, single threads",
    "hackernews": "Hacker News: stories with their comments, by search, list, user or id",
    "discourse": "any Discourse forum: categories, tags, topics",
    "lemmy": "any Lemmy instance: communities, and posts with their comments",
}
"""Live sources with their line of help."""

_MODULES = {"reddit-dump": "reddit_dump", "stack-exchange": "stack_exchange", "table": "tables", "reddit": "reddit_api"}


def file_source(name: str) -> "FileSource":
    """The module that reads one kind of file.

    Raises:
        UserError: there is no source of that name.
    """
    if name not in FILES:
        raise UserError(f"no source {name!r}; known: {', '.join(FILES)}")
    return cast("FileSource", _module(name))


def live_source(name: str) -> "LiveSource":
    """The module that fetches from one kind of forum.

    Raises:
        UserError: there is no source of that name.
    """
    if name not in LIVE:
        raise UserError(f"no source {name!r}; known: {', '.join(LIVE)}")
    return cast("LiveSource", _module(name))


def recognise(head: "Head") -> str | None:
    """The name of the file source that reads what begins like this; None where none does."""
    return next((name for name in FILES if file_source(name).recognises(head)), None)


def _module(name: str) -> object:
    return importlib.import_module(f"curate.sources.{_MODULES.get(name, name)}")
