"""What a table is, wherever it lies: names of columns, and rows that come in parts."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import polars as pl

from curate.sources.source import Reject

ROWS = 20_000
"""Rows of a part, where the format does not say: a few megabytes of text."""

SIZE = 16 << 20
"""Bytes or characters after which a part ends however few its rows are; a chunk of lines has about half."""


T = TypeVar("T")


def grouped(values: Iterable[T], most: int, size: Callable[[T], int]) -> Iterator[list[T]]:
    """The values in order, so many together at most, and fewer where their sizes reach `SIZE`."""
    group: list[T] = []
    held = 0
    for value in values:
        group.append(value)
        held += size(value)
        if len(group) == most or held >= SIZE:
            yield group
            group, held = [], 0
    if group:
        yield group


@dataclass(frozen=True)
class Part:
    """Some rows of a table, in their order: the good ones, with their number in the column `ndjson.ROW`, and those that are broken."""

    frame: pl.DataFrame
    rejects: Sequence[Reject] = ()

    @property
    def rows(self) -> int:
        """How many rows were read."""
        return self.frame.height + sum(reject.rows for reject in self.rejects)


@dataclass(frozen=True)
class Table:
    """A table that is read in parts.

    Args:
        name: for errors, and as `source_file`.
        columns: the names of its columns.
        parts: reads the rows from the first; takes the columns asked for, by the names that they shall have in the parts.
        key: a few letters that tell its content from other tables', for the ids of rows that have none.
        once: why its rows can be read once only; empty where they can be read again.
    """

    name: str
    columns: Sequence[str]
    parts: Callable[[Mapping[str, str]], Iterator[Part]]
    key: str
    once: str = field(default="")
