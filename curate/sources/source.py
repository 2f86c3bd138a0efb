"""What a source of posts is asked for, and what it yields.

A **file source** is a module of `recognises` and `read` (see `FileSource`); a **live source** is a module of `pages` (see `LiveSource`).
Both are listed in `curate.sources.catalogue`.
"""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from formats.errors import UserError

if TYPE_CHECKING:
    from curate.sources.fetching.patience import Patience
    from curate.sources.reading.place import Head, Place


@dataclass(frozen=True)
class Wanted:
    """Which posts are asked for: communities (in any case), and days, `since` included and `until` not. Empty means all."""

    communities: tuple[str, ...] = ()
    since: datetime.date | None = None
    until: datetime.date | None = None

    def __post_init__(self) -> None:
        names = {name.lower(): name for name in (name.removeprefix("/").removeprefix("r/").rstrip("/") for name in self.communities)}
        if "" in names:
            raise UserError("a community's name is empty; is a variable not set?")
        if self.since and self.until and self.since >= self.until:
            raise UserError(f"since {self.since} and until {self.until}: no day lies between them, as until is not included")
        object.__setattr__(self, "communities", tuple(names[name] for name in sorted(names)))

    def keeps(self) -> pl.Expr:
        """True for posts that were asked for; a post without a date passes."""
        kept = pl.lit(True)
        if self.communities:
            kept &= pl.col("community").str.to_lowercase().is_in([name.lower() for name in self.communities])
        if self.since:
            kept &= (pl.col("created_at").dt.date() >= self.since).fill_null(True)
        if self.until:
            kept &= (pl.col("created_at").dt.date() < self.until).fill_null(True)
        return kept


@dataclass(frozen=True)
class Reject:
    """A record that did not become a post; its row (line, element, message) is counted from 1 within its file."""

    row: int
    reason: str
    line: str
    rows: int = 1
    """How many records in a row this one stands for: a million blank lines are one entry."""


@dataclass(frozen=True)
class Batch:
    """Some records of a file, in their order: those that became posts, those that could not, and those passed over unparsed.

    Args:
        lines: the records read; `lines == posts.height + rejected + passed_over`.
        posts: a table in the schema `curate.posts.POSTS`.
        passed_over: records that cannot be of a wanted community and were not parsed.
    """

    lines: int
    posts: pl.DataFrame
    rejects: list[Reject] = field(default_factory=list)
    passed_over: int = 0

    def __post_init__(self) -> None:
        rejected = sum(reject.rows for reject in self.rejects)
        if self.lines != self.posts.height + rejected + self.passed_over:
            found = f"{self.lines} lines, {self.posts.height} posts, {rejected} rejects, {self.passed_over} passed over"
            raise ValueError(f"the records of a batch do not add up: {found}")


class FileSource(Protocol):
    """A module that reads one kind of file or folder."""

    def recognises(self, head: "Head") -> bool:
        """Whether what lies there is of this kind, told by its beginning."""
        ...

    def read(self, place: "Place", wanted: Wanted, columns: Mapping[str, str]) -> Iterator[Batch]:
        """Its records, in bounded memory.

        Args:
            wanted: what is asked for, where knowing it saves work; the caller filters the posts by it all the same.
            columns: by our column's name the name of the table's column; only tables have a use for it.

        Raises:
            UserError: it is truncated, damaged, or not of this kind after all.
        """
        ...


@dataclass(frozen=True)
class Failure:
    """Something that a live source could not fetch (a thread, a user), and why; the scrape goes on without it."""

    what: str
    reason: str


@dataclass(frozen=True)
class Page:
    """What one step of a scrape brought.

    Args:
        posts: rows by the names of `curate.posts.POSTS` (a missing one is null), without lineage; the times are whole seconds since 1970,
            UTC. The text is plain: unescaped once, without mark-up.
        failures: what could not be fetched in this step.
    """

    posts: list[dict[str, Any]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


class LiveSource(Protocol):
    """A module that fetches posts over the network; its requests are of its own class `Request`, a frozen dataclass."""

    Request: type[Any]

    def pages(self, request: Any, state: dict[str, Any], patience: "Patience") -> Iterator[Page]:
        """Fetches what is asked for, page by page.

        Args:
            state: what the source remembers, as JSON can hold it; empty at first. The source changes it before it yields a page; both are
                saved together after that. A killed scrape goes on with the state of its last page; a later scrape with that of the end,
                from which the source knows what is new.

        Raises:
            UserError: the community does not exist, the credentials are missing or refused.
            SourceDownError: it does not answer; the same command goes on later.
        """
        ...
