"""Opens tables wherever they lie: CSV, TSV, JSONL, JSON, Parquet, Arrow IPC, a dataset on the Hub or saved on disk."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice
from typing import Any

import polars as pl
import xxhash

from curate.sources.reading.compressed import read_blocks
from curate.sources.reading.ndjson import ROW, chunks, parse_chunk
from curate.sources.reading.place import Head, Place
from curate.sources.source import Reject
from curate.sources.tabular import delimited
from curate.sources.tabular.dialect import sniff
from curate.sources.tabular.json_values import elements
from curate.sources.tabular.table import ROWS, Part, Table, grouped
from formats.errors import UserError

HUB = "hub:"
PARQUET, ARROW_FILE, ARROW_STREAM, FEATHER_1 = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff", b"FEA1"
SAVED = (frozenset({"dataset_info.json", "state.json"}), frozenset({"dataset_dict.json"}))
"""What is in a folder that `datasets` saved: one dataset, or one for each split."""

_SAMPLED = 1_000
"""Records of JSON whose keys are taken for the columns: a later record's other keys are passed over."""

_ONCE = "standard input can be read once: save it to a file first"


def open_table(place: Place) -> Table:
    """The table that lies there.

    Raises:
        UserError: it is none, is damaged, or cannot be reached.
    """
    from curate.sources.tabular import frames as table_frames

    if place.name.startswith(HUB):
        return table_frames.on_the_hub(place.name)
    if place.is_folder():
        return table_frames.saved_on_disk(place)
    head = place.head()
    if head.raw.startswith(FEATHER_1):
        raise UserError(f"{place.name}: is in the first version of Feather, which nothing writes any more; save it as Parquet")
    if head.raw.startswith((PARQUET, ARROW_FILE, ARROW_STREAM)):
        return table_frames.arrow_file(place, head)
    key = content_key(head.text)
    once = _ONCE if place.is_stdin else ""
    if begins_with(head, b"["):
        return Table(place.name, _keys(_sample(place, head)), lambda names: _array(place, names), key, once)
    if begins_with(head, b"{"):
        return Table(place.name, _keys(_sample(place, head)), lambda names: _ndjson(place, names), key, once)
    dialect = sniff(head.text)
    if dialect is None:
        raise UserError(f"{place.name}: is no table: expected CSV or TSV with a header, JSONL, JSON, Parquet or Arrow IPC")
    return Table(place.name, dialect.header, lambda names: delimited.read(place, dialect, names), key, once)


def content_key(beginning: bytes) -> str:
    """A few letters that tell a table from others by its beginning, so that it may be moved or grow."""
    return xxhash.xxh64_hexdigest(beginning)[:10]


def begins_with(head: Head, opening: bytes) -> bool:
    """Whether that is the first byte of the text that is no space or mark."""
    return head.text.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(opening)


def objects(lines: bytes) -> Iterator[Mapping[str, Any]]:
    """The JSON objects among lines, passing over what is none."""
    for line in lines.split(b"\n"):
        with suppress(ValueError, RecursionError):
            if isinstance(record := json.loads(line), dict):
                yield record


def _sample(place: Place, head: Head) -> Iterable[Any]:
    """The first records of a file of JSON; of standard input, those that were looked at."""
    if begins_with(head, b"["):
        return islice(_until_broken(elements([head.text] if place.is_stdin else read_blocks(place), place.name)), _SAMPLED)
    if place.is_stdin:
        return objects(head.text)
    return islice(chain.from_iterable(objects(chunk.data) for chunk in islice(chunks(place), 1)), _SAMPLED)


def _until_broken(values: Iterator[Any]) -> Iterator[Any]:
    with suppress(UserError):
        yield from values


def _keys(records: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(key for record in records if isinstance(record, dict) for key in record))


def _ndjson(place: Place, names: Mapping[str, str]) -> Iterator[Part]:
    fields = list(dict.fromkeys(names.values()))
    for chunk in chunks(place):
        parsed = parse_chunk(chunk, fields)
        frame = parsed.records.select(*(pl.col(theirs).alias(ours) for ours, theirs in names.items()), ROW)
        yield Part(frame, parsed.rejects)


def _array(place: Place, names: Mapping[str, str]) -> Iterator[Part]:
    records = enumerate(elements(read_blocks(place), place.name), 1)
    for slice_ in grouped(records, ROWS, lambda numbered: _size(numbered[1])):
        good: list[dict[str, Any]] = []
        rejects: list[Reject] = []
        for row, record in slice_:
            if not isinstance(record, dict):
                rejects.append(Reject(row, f"JSON, but no object: {type(record).__name__}", str(record)))
                continue
            values = {ours: _text(record.get(theirs)) for ours, theirs in names.items()}
            if any(value and not _is_utf8(value) for value in values.values()):
                rejects.append(Reject(row, "not UTF-8", json.dumps(record)))
            else:
                good.append({**values, ROW: row})
        yield Part(pl.DataFrame(good, {**dict.fromkeys(names, pl.String), ROW: pl.Int64}), rejects)


def _size(record: Any) -> int:
    """About how many characters a record has; what is nested counts for little."""
    return sum(len(value) for value in record.values() if isinstance(value, str)) if isinstance(record, dict) else 0


def _text(value: Any) -> str | None:
    """A JSON value as a string; whole numbers keep all digits."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
