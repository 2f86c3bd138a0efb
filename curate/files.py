"""Writes files that are there whole or not at all, whatever kills the process."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import polars as pl

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet


def write_parquet(table: pl.DataFrame, path: Path) -> None:
    """Writes a table as Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.tmp")
    try:
        table.write_parquet(unfinished, compression="zstd", compression_level=1, statistics=False)
    except pl.exceptions.ComputeError:
        _raise_if_full(unfinished)
        raise
    unfinished.replace(path)


def _raise_if_full(unfinished: Path) -> None:
    """Raises what the system says where no more can be written: of a page's header Polars says only that it was not written."""
    with unfinished.open("ab") as file:
        file.write(bytes(1 << 16))


class ParquetStream:
    """Writes tables of one schema, one after the other, into a Parquet file that is there when all of them are, or not at all.

    A context manager. Arrow's writer, unlike that of Polars, takes them as they come.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._unfinished = path, path.with_name(f".{path.name}.tmp")
        self._writer: pyarrow.parquet.ParquetWriter | None = None

    def write(self, table: pl.DataFrame) -> None:
        """Appends the table's rows, as a group of rows."""
        self._write(table.to_arrow(compat_level=pl.CompatLevel.oldest()))

    def append(self, path: Path, without: pl.Series | None = None) -> None:
        """Appends the rows of another such file, group by group, but those whose `id` is among these."""
        import pyarrow
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group)
                if without is not None and len(without):
                    kept = ~pl.Series("id", rows["id"]).is_in(without.implode())
                    rows = rows.filter(pyarrow.array(kept.to_numpy()))
                self._write(rows)

    def _write(self, rows: "pyarrow.Table") -> None:
        if self._writer is None:
            import pyarrow.parquet

            options = {"compression": "zstd", "compression_level": 1, "use_dictionary": False, "write_statistics": False}
            self._writer = pyarrow.parquet.ParquetWriter(self._unfinished, rows.schema, **options)
        self._writer.write_table(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.close()
            if error is None:
                self._unfinished.replace(self._path)


def write_text(text: str, path: Path) -> None:
    """Writes a text as UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.tmp")
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def write_json(value: object, path: Path) -> None:
    """Writes a value as JSON, with dates and paths as strings."""
    write_text(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n", path)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where there is no such file or no object in it."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def link_tree(source: Path, target: Path, chosen: Callable[[str], bool]) -> None:
    """Puts the chosen entries of a folder into another without copying them: files there are replaced, never changed in place."""
    for entry in source.iterdir():
        if chosen(entry.name):
            shutil.rmtree(target / entry.name, ignore_errors=True)
            shutil.copytree(entry, target / entry.name, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # not every file system has links
        shutil.copyfile(source, target)
