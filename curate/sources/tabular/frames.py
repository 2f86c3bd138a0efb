"""Tables in columns: Parquet, Arrow IPC, datasets, and what is in memory already as Polars, pandas or Arrow has it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import polars as pl

from curate.sources.reading.ndjson import ROW
from curate.sources.reading.place import Head, Place
from curate.sources.tabular.files import ARROW_STREAM, PARQUET, content_key
from curate.sources.tabular.table import ROWS, SIZE, Part, Table
from formats.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_HUB_NAME = re.compile(r"hub:([^/@:]+/[^/@:]+)(?:@(refs/[^/:]+/[^/:]+|[^/:]+))?(?:/([^:]+))?(?::(.+))?")

Batches = Iterable["pa.RecordBatch | pa.Table | pl.DataFrame"]


def in_memory(frame: Any, name: str) -> Table:
    """A table of Polars (eager or lazy), pandas, Arrow (a table, or a reader of batches) or `datasets`.

    Raises:
        UserError: it is none of these.
    """
    key = content_key(name.encode())
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
    import pyarrow.parquet as pq

    streams = head.raw.startswith(ARROW_STREAM)
    if place.is_stdin and not streams:
        raise UserError("-: Parquet and Arrow files are read from their end on, which a pipe does not let: save it to a file first")

    def source() -> Any:
        # Mapped, so that of a file whose batches are large only the rows at hand are in memory.
        return pa.PythonFile(place.open(), "r") if place.is_stdin or place.is_remote else pa.memory_map(place.name)

    def batches(theirs: list[str]) -> Batches:
        if head.raw.startswith(PARQUET):
            file = pq.ParquetFile(source(), pre_buffer=False)
            found = file.iter_batches(batch_size=_rows_at_once(file.metadata), columns=theirs)
        elif streams:
            found = (batch.select(theirs) for batch in pa.ipc.open_stream(source()))
        else:
            reader = pa.ipc.open_file(source())
            found = (reader.get_batch(number).select(theirs) for number in range(reader.num_record_batches))
        for batch in found:
            yield _sound(batch)

    def schema() -> "pa.Schema":
        if streams:
            return pa.ipc.open_stream(pa.BufferReader(head.raw) if place.is_stdin else source()).schema
        return (
            pq.ParquetFile(source(), pre_buffer=False).schema_arrow if head.raw.startswith(PARQUET) else pa.ipc.open_file(source()).schema
        )

    with _damage_told(place.name):
        names = schema().names
    once = "standard input can be read once: save it to a file first" if place.is_stdin else ""
    return Table(place.name, names, lambda asked: _guarded(_parts(batches)(asked), place.name), content_key(head.raw), once)


def _rows_at_once(metadata: "pq.FileMetaData") -> int:
    """So few rows that they are small as well, where a file's rows are long."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    longest = max((group.total_byte_size // max(1, group.num_rows) for group in groups), default=0)
    return min(ROWS, SIZE // max(1, longest) + 1)


def _sound(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """A batch whose offsets stay within it: those of a damaged file would be followed anywhere.

    Raises:
        pa.ArrowInvalid: they do not.
    """
    import pyarrow as pa

    batch.validate(full=True)
    # What is checked of views is less than what Polars relies on; copied out of them, texts have views of its own.
    whole = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    return batch.cast(pa.schema([field.with_type(whole.get(field.type, field.type)) for field in batch.schema]))


def saved_on_disk(place: Place) -> Table:
    """A folder that `datasets` saved; all its splits, one after the other.

    Raises:
        UserError: it is damaged.
    """
    from datasets import load_from_disk

    with _damage_told(place.name, KeyError, TypeError, ValueError):
        found = load_from_disk(place.name)
    return _dataset(list(found.values()) if isinstance(found, dict) else [found], place.name, content_key(place.name.encode()))


def on_the_hub(name: str) -> Table:
    """A dataset on the Hub, streamed: `hub:USER/NAME`, then if wanted `@REVISION`, `/CONFIG` and `:SPLIT`.

    All splits are read, one after the other, where none is named.

    Raises:
        UserError: there is none of that name, or it cannot be reached.
    """
    from datasets import load_dataset

    asked = _HUB_NAME.fullmatch(name)
    if not asked:
        raise UserError(f"{name}: no dataset's name; expected hub:USER/NAME, with @REVISION, /CONFIG and :SPLIT if wanted")
    dataset, revision, config, split = asked.groups()
    try:
        found = load_dataset(dataset, config, split=split, revision=revision, streaming=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        line = " ".join(str(error).split())
        raise UserError(
            f"{name}: cannot be opened ({line}); check the name, the connection, and for a private one `hf auth login`"
        ) from None
    return _dataset(list(found.values()) if isinstance(found, dict) else [found], name, content_key(name.encode()))


def _dataset(splits: Sequence[Any], name: str, key: str) -> Table:
    """The splits of a dataset, one after the other."""

    def batches(theirs: list[str]) -> Batches:
        for split in splits:
            # Without declared types a column's type may change from row to row, which batches of Arrow cannot have.
            if split.features is None:
                yield from (_of_values(batch, theirs) for batch in split.iter(batch_size=ROWS))
            else:
                for batch in split.with_format("arrow").iter(batch_size=ROWS):
                    yield batch.select([column for column in theirs if column in batch.column_names])

    columns = dict.fromkeys(column for split in splits for column in _columns(split))
    return Table(name, list(columns), lambda asked: _guarded(_parts(batches)(asked), name), key)


def _columns(split: Any) -> list[str]:
    """A streamed dataset may know its columns from its first rows only."""
    if split.column_names is not None:
        return list(split.column_names)
    return list(next(iter(split.iter(batch_size=1)), {}))


def _parts(batches: Callable[[list[str]], Batches]) -> Callable[[Mapping[str, str]], Iterator[Part]]:
    """Batches of a table as its parts, rows counted from 1."""

    def read(names: Mapping[str, str]) -> Iterator[Part]:
        row = 1
        for batch in batches(list(dict.fromkeys(names.values()))):
            frame = batch if isinstance(batch, pl.DataFrame) else pl.DataFrame(pl.from_arrow(batch))
            frame = frame.select(
                pl.col(theirs).alias(ours) if theirs in frame.columns else pl.lit(None).alias(ours) for ours, theirs in names.items()
            )
            for slice_ in frame.iter_slices(ROWS):
                numbers = pl.int_range(row, row + slice_.height, dtype=pl.Int64, eager=True).alias(ROW)
                yield Part(slice_.with_columns(numbers))
                row += slice_.height

    return read


def _of_values(columns: Mapping[str, list[Any]], theirs: list[str]) -> pl.DataFrame:
    return pl.DataFrame([_of_any_types(name, columns[name]) for name in theirs if name in columns])


def _of_any_types(name: str, values: list[Any]) -> pl.Series:
    """A column of values; where they are of several types, each as text."""
    try:
        return pl.Series(name, values)
    except (TypeError, pl.exceptions.PolarsError):
        return pl.Series(name, [None if value is None else str(value) for value in values], pl.String)


def _pandas_slices(frame: Any) -> Iterator[pl.DataFrame]:
    for start in range(0, len(frame), ROWS):
        part = frame.iloc[start : start + ROWS]
        yield pl.DataFrame([_pandas_column(part[name]) for name in part.columns])


def _pandas_column(values: Any) -> pl.Series:
    """A column of pandas', whose missing values are null."""
    import pyarrow as pa

    try:
        return pl.Series(values.name, pa.Array.from_pandas(values))
    except pa.ArrowException:
        return _of_any_types(values.name, [None if gone else value for value, gone in zip(values, values.isna(), strict=True)])


@contextmanager
def _damage_told(name: str, *others: type[Exception]) -> Iterator[None]:
    """Says in one line that a file cannot be read."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, *others) as error:
        line = " ".join(str(error).split())[:200]
        raise UserError(f"{name}: cannot be read ({line}); it is truncated or damaged: fetch it again") from None


def _guarded(parts: Iterator[Part], name: str) -> Iterator[Part]:
    with _damage_told(name):
        yield from parts
