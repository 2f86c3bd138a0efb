"""What was forgotten stays forgotten: the ids and authors that no import lets back into a folder of posts."""

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl

from curate.files import read_json, write_json

FORGOTTEN = "forgotten.json"


@dataclass(frozen=True)
class Forgotten:
    """Posts by their ids, and authors by a hash of their names: a list of who asked to be forgotten must not tell who they are."""

    ids: frozenset[str] = field(default_factory=frozenset)
    authors: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def read(cls, folder: Path) -> "Forgotten":
        """What a folder of posts was made to forget."""
        held = read_json(folder / FORGOTTEN)
        return cls(frozenset(held.get("ids", ())), frozenset(held.get("authors", ())))

    def write(self, folder: Path) -> None:
        """Keeps it beside the posts of a folder."""
        write_json({"ids": sorted(self.ids), "authors": sorted(self.authors)}, folder / FORGOTTEN)

    def with_more(self, ids: Iterable[str] = (), authors: Iterable[str] = ()) -> "Forgotten":
        """These too; authors by their names, in any case."""
        return Forgotten(self.ids | set(ids), self.authors | {hash_author(name) for name in authors})

    def joined(self, other: "Forgotten") -> "Forgotten":
        """What is on either list."""
        return Forgotten(self.ids | other.ids, self.authors | other.authors)

    def mark(self) -> str:
        """What tells this list from others."""
        return json.dumps([sorted(self.ids), sorted(self.authors)])

    def is_empty(self) -> bool:
        """Whether nothing is to be forgotten."""
        return not self.ids and not self.authors

    def names(self, post: str, author: str | None) -> bool:
        """Whether one post is to be forgotten."""
        return post in self.ids or (author is not None and bool(self.authors) and hash_author(author) in self.authors)

    def holds(self, posts: pl.DataFrame) -> pl.Series:
        """Whether each post of a table with `id` and `author` is to be forgotten."""
        found = self.lists(posts["id"])
        if self.authors:
            names = [name for name in posts["author"].unique() if name is not None and hash_author(name) in self.authors]
            found |= posts["author"].is_in(names).fill_null(False)
        return found

    def lists(self, ids: pl.Series) -> pl.Series:
        """Whether each id of a column is one of these; a null is none."""
        return ids.is_in(self._listed).fill_null(False)

    @cached_property
    def _listed(self) -> pl.Series:
        """The ids as Polars has them: turned into a column once, not for every bucket."""
        return pl.Series([list(self.ids)], dtype=pl.List(pl.String))


def hash_author(name: str) -> str:
    """The hash by which an author is remembered as forgotten."""
    return hashlib.sha256(name.lower().encode()).hexdigest()


def keep_forgotten(before: Path, folder: Path) -> Forgotten:
    """Takes what a folder of posts was made to forget into the one that is made in its place."""
    if (before / FORGOTTEN).exists() and not (folder / FORGOTTEN).exists():
        shutil.copyfile(before / FORGOTTEN, folder / FORGOTTEN)
    return Forgotten.read(folder)
