"""The folder in which the scores of one model are kept: Parquet files, each by the hash of the text."""

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

MOST_PARTS = 16
"""Files of one run at a time; more become one."""

READS = 3
"""Attempts to read a folder in which another run just put files together."""


class Sidecar:
    """The scores of one model. Files appear and are replaced whole; several runs may write at once.

    Args:
        folder: made with the first file.
        schema: the columns beside `hash`. A column that an older file does not have is null.
    """

    def __init__(self, folder: Path, schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> None:
        self._folder = folder
        self._schema = {"hash": pl.Binary(), **schema}
        self._own: list[Path] = []

    def read(self, hashes: pl.DataFrame) -> pl.DataFrame:
        """The scores kept of the texts with these hashes, in no order."""
        for attempt in range(READS):
            parts = sorted(self._folder.glob("*.parquet"))
            if not parts:
                break
            try:
                kept = pl.scan_parquet(parts, schema=self._schema, missing_columns="insert", extra_columns="ignore")
                return kept.join(hashes.lazy(), on="hash", how="semi").unique("hash", keep="first").collect()
            except FileNotFoundError:
                if attempt + 1 == READS:
                    raise
        return pl.DataFrame(schema=self._schema)

    def save(self, scores: pl.DataFrame) -> None:
        """Keeps the rows that hold anything."""
        scores = scores.filter(~pl.all_horizontal(pl.exclude("hash").is_null()))
        if scores.height:
            self._write(scores)
        if len(self._own) >= MOST_PARTS:
            self.close()

    def close(self) -> None:
        """Makes one file of those that this run wrote."""
        if len(self._own) > 1:
            # As they lie there: somebody may have had scores dropped meanwhile.
            parts, self._own = self._own, []
            self._write(pl.read_parquet(parts))
            for part in parts:
                part.unlink(missing_ok=True)

    def _write(self, scores: pl.DataFrame) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{uuid.uuid4().hex}.parquet"
        rewrite(part, scores.write_parquet)
        self._own.append(part)


def folders_of(kept_in: Path) -> list[list[Path]]:
    """The files of all models, a list for each."""
    found = (sorted(folder.glob("*.parquet")) for folder in sorted(kept_in.glob("*/")))
    return [parts for parts in found if parts]


def rewrite(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file aside and puts it in place whole."""
    unfinished = path.with_name(f".{uuid.uuid4().hex}.tmp")
    write(unfinished)
    unfinished.replace(path)
