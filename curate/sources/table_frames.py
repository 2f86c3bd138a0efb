"""Tables in columns: Parquet, Arrow IPC, datasets, and what is in memory already as Polars, pandas or Arrow has it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from curate.sources.ndjson import ROW
from curate.sources.place import Head, Place
from curate.sources.table import ROWS, Part, Table
from curate.sources.table_files import ARROW_FILE, ARROW_STREAM, HUB, PARQUET, content_key
from formats.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

Batches = Iterable["pa.RecordBatch | pa.Table | pl.DataFrame"]


def in_memory(frame: Any, name: str) -> Table:
    """A table of Polars (eager or lazy), pandas, Arrow (a table, or a reader of batches) or `datasets`.

    Raises:
        UserError: it is none of these.
    """
    key = content_key(name)
    match type(frame).__module__.split(".")[0], type(frame).__name__:
        case "polars", "DataFrame":
            return Table(name, frame.columns, _parts(lambda theirs: [frame.select(theirs)]), key)
        case "polars", "LazyFrame":
            columns = frame.collect_schema().names()
            return Table(name, columns, _parts(lambda theirs: frame.select(theirs).collect_batches(chunk_size=ROWS)), key)
        case "pandas", "DataFrame":
            columns = [str(column) for column in frame.columns]
            return Table(name, columns, _parts(lambda theirs: _pandas_slices(frame.set_axis(columns, axis="columns")[theirs])), key)
        case "pyarrow", "Table" | "RecordBatch":
            return Table(name, frame.schema.names, _parts(lambda theirs: [frame.select(theirs)]), key)
        case "pyarrow", "RecordBatchReader":
            once = "a reader of batches can be read once: give its read_all()"
            return Table(name, frame.schema.names, _parts(lambda theirs: (batch.select(theirs) for batch in frame)), key, once)
        case "datasets", "Dataset" | "IterableDataset":
            return _dataset([frame], name, key)
        case "datasets", "DatasetDict" | "IterableDatasetDict":
            return _dataset(list(frame.values()), name, key)
    raise UserError(
        f"{name}: a {type(frame).__module__}.{type(frame).__name__} is no table: expected one of Polars, pandas, Arrow or datasets"
    )


def arrow_file(place: Place, head: Head) -> Table:
    """A Parquet or Arrow IPC file.

    Raises:
        UserError: it is damaged, or on standard input though its end must be read first.
    """
    import pyarrow as pa

    streams = head.raw.startswith(ARROW_STREAM)
    if place.is_stdin and not streams:
        raise UserError("-: Parquet and Arrow files are read from their end on, which a pipe does not let: save it to a file first")

    def source() -> Any:
        return pa.OSFile(place.name) if not place.is_stdin and not place.is_remote else pa.PythonFile(place.open(), "r")

    def batches(theirs: list[str]) -> Batches:
        if head.raw.startswith(PARQUET):
            yield from _parquet(source()).iter_batches(batch_size=ROWS, columns=theirs)
        elif streams:
            yield from (batch.select(theirs) for batch in pa.ipc.open_stream(source()))
        else:
            reader = pa.ipc.open_file(source())
            yield from (reader.get_batch(number).select(theirs) for number in range(reader.num_record_batches))

    def schema() -> "pa.Schema":
        if streams:
            return pa.ipc.open_stream(pa.BufferReader(head.raw) if place.is_stdin else source()).schema
        return _parquet(source()).schema_arrow if head.raw.startswith(PARQUET) else pa.ipc.open_file(source()).schema

    with _Damage(place.name):
        names = schema().names
    once = "standard input can be read once: save it to a file first" if place.is_stdin else ""
    return Table(place.name, names, lambda asked: _guarded(_parts(batches)(asked), place.name), content_key(head.raw), once)


def saved_on_disk(place: Place) -> Table:
    """A folder that `datasets` saved; all its splits, one after the other.

    Raises:
        UserError: it is damaged.
    """
    from datasets import load_from_disk

    with _Damage(place.name):
        found = load_from_disk(place.name)
    return _dataset(list(found.values()) if isinstance(found, dict) else [found], place.name, content_key(place.name))


def on_the_hub(name: str) -> Table:
    """A dataset on the Hub, streamed: `hub:USER/NAME`, then if wanted `@REVISION`, `/CONFIG` and `:SPLIT`; all splits where none is named.

    Raises:
        UserError: there is none of that name, or it cannot be reached.
    """
    from datasets import load_dataset

    rest, _, split = name.removeprefix(HUB).partition(":")
    user, _, rest = rest.partition("/")
    rest, at, revision = rest.partition("@")
    dataset, _, config = rest.partition("/") if not at else (rest, "", "")
    if at:
        revision, _, config = revision.partition("/")
    if not user or not dataset:
        raise UserError(f"{name}: no dataset's name; expected hub:USER/NAME, with @REVISION, /CONFIG and :SPLIT if wanted")
    try:
        found = load_dataset(f"{user}/{dataset}", config or None, split=split or None, revision=revision or None, streaming=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        line = " ".join(str(error).split())
        raise UserError(f"{name}: cannot be opened ({line}); check the name, the connection, and for a private one `hf auth login`") from None
    return _dataset(list(found.values()) if isinstance(found, dict) else [found], name, content_key(name))


def _dataset(splits: Sequence[Any], name: str, key: str) -> Table:
    """The splits of a dataset, one after the other."""

    def batches(theirs: list[str]) -> Batches:
        for split in splits:
            # Rows that a dataset has no column of are null there: splits may differ.
            for batch in split.with_format("arrow").iter(batch_size=ROWS):
                yield batch.select([column for column in theirs if column in batch.column_names])

    columns = dict.fromkeys(column for split in splits for column in _columns(split))
    return Table(name, list(columns), lambda asked: _guarded(_parts(batches)(asked), name), key)


def _columns(split: Any) -> list[str]:
    """A streamed dataset may know its columns from its first rows only."""
    if split.column_names is not None:
        return list(split.column_names)
    first = next(iter(split.with_format("arrow").iter(batch_size=1)), None)
    return list(first.column_names) if first is not None else []


def _parts(batches: Callable[[list[str]], Batches]) -> Callable[[Mapping[str, str]], Iterator[Part]]:
    """Batches of a table as its parts, rows counted from 1."""

    def read(names: Mapping[str, str]) -> Iterator[Part]:
        row = 1
        for batch in batches(list(dict.fromkeys(names.values()))):
            frame = batch if isinstance(batch, pl.DataFrame) else pl.DataFrame(batch)
            frame = frame.select(
                pl.col(theirs).alias(ours) if theirs in frame.columns else pl.lit(None).alias(ours) for ours, theirs in names.items()
            )
            for slice_ in frame.iter_slices(ROWS):
                numbers = pl.int_range(row, row + slice_.height, dtype=pl.Int64, eager=True).alias(ROW)
                yield Part(slice_.with_columns(numbers))
                row += slice_.height

    return read


def _pandas_slices(frame: Any) -> Iterator[pl.DataFrame]:
    for start in range(0, len(frame), ROWS):
        part = frame.iloc[start : start + ROWS]
        yield pl.DataFrame([_pandas_column(part[name]) for name in part.columns])


def _pandas_column(values: Any) -> pl.Series:
    """A column of pandas'; where it holds objects of several types, each as text."""
    import pyarrow as pa

    try:
        return pl.Series(values.name, pa.Array.from_pandas(values))
    except pa.ArrowException:
        missing = values.isna()
        return pl.Series(values.name, [None if gone else str(value) for value, gone in zip(values, missing, strict=True)], pl.String)


class _Damage:
    """Says in one line that a file cannot be read."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        import pyarrow as pa

        if isinstance(error, pa.ArrowException | OSError):
            line = " ".join(str(error).split())[:200]
            raise UserError(f"{self._name}: cannot be read ({line}); it is truncated or damaged: fetch it again") from None


def _guarded(parts: Iterator[Part], name: str) -> Iterator[Part]:
    with _Damage(name):
        yield from parts
