"""Rows to train on from any dataset: files of any kind of table, folders of them, and the Hub; told apart by their columns."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from curate.sources.reading.ndjson import ROW
from curate.sources.reading.place import Place, files_in
from curate.sources.tabular.files import HUB, SAVED, open_table
from curate.sources.tabular.table import Table
from formats.contract.checking import ROWS_AT_ONCE
from formats.contract.rows import Chats, Message, Pairs, Rows, Texts
from formats.errors import UserError

FORMS: tuple[tuple[str, ...], ...] = (("prompt", "completion"), ("messages",), ("conversations",), ("text",))
"""Columns by which rows are known, the first form that a dataset has."""

_ENDINGS = (".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".arrow")
_COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
_NAMES = {"role": "from", "content": "value"}
"""By a message's key its other name, of ShareGPT's form."""


def open_dataset(name: str, split: str | None = None, columns: Sequence[str] = ()) -> Iterator[Rows]:
    """The rows of a file, a folder of files, a dataset saved on disk, or `hub:USER/NAME`, some thousand at a time.

    Args:
        split: read this one only: of a dataset on the Hub, or the files of a folder whose names begin with it.
        columns: look at these columns only.

    Raises:
        UserError: there is nothing of that name, no form of rows is among the columns, or a file is damaged.
    """
    tables = _tables(name, split)
    held = list(dict.fromkeys(column for table in tables for column in table.columns))
    missing = [column for column in columns if column not in held]
    if missing:
        raise UserError(f"{name}: has no column {missing[0]!r}; its columns: {', '.join(held) or 'none'}")
    chosen = list(columns) or held
    form = next((form for form in FORMS if set(form) <= set(chosen)), None)
    if form is None:
        raise UserError(
            f"{name}: its columns are {', '.join(chosen) or 'none'}; expected prompt and completion, messages, conversations, or text: "
            "rename yours so, or choose among them with --columns"
        )
    beside = ["text"] if "text" in chosen and form == FORMS[0] else []
    return _rows(tables, form, [*form, *beside, *(["id"] if "id" in held else [])])


def _tables(name: str, split: str | None) -> list[Table]:
    if name.startswith(HUB):
        return [open_table(Place(f"{name}:{split}" if split else name))]
    place = Place(name)
    if not place.is_folder():
        if split:
            raise UserError(f"{name}: is one file, which has no split {split!r}; leave --split out")
        return [open_table(place)]
    entries = {entry.name for entry in place.path.iterdir()}
    if any(files <= entries for files in SAVED):
        inner = place.path / split if split else place.path
        if not inner.is_dir():
            raise UserError(f"{name}: has no split {split!r}")
        return [open_table(Place(str(inner)))]
    found = [file for file in files_in(place.path, lambda _: False, lambda _: False) if _is_table(file.name)]
    chosen = [file for file in found if not split or _of_split(Path(file.name).name, split)]
    if not chosen:
        of_split = f" of a split {split!r}" if split and found else ""
        raise UserError(f"{name}: holds no file{of_split} with rows ({', '.join(_ENDINGS)}); name the file itself")
    return [open_table(file) for file in chosen]


def _is_table(name: str) -> bool:
    bare = Path(name).with_suffix("") if name.endswith(_COMPRESSED) else Path(name)
    return bare.suffix in _ENDINGS and bare.name not in ("dataset_info.json", "state.json", "dataset_infos.json")


def _of_split(file: str, split: str) -> bool:
    return re.match(rf"{re.escape(split)}(?![a-zA-Z0-9])", file) is not None


def _rows(tables: Iterable[Table], form: tuple[str, ...], wanted: Sequence[str]) -> Iterator[Rows]:
    """The rows of all tables, in parts; a broken row is an error, since every row is to be checked."""
    for table in tables:
        held = {column: column for column in wanted if column in table.columns}
        missing = [column for column in form if column not in held]
        if missing:
            raise UserError(f"{table.name}: has no column {missing[0]!r}, as the files beside it have")
        for part in table.parts(held):
            if part.rejects:
                raise UserError(f"{table.name}, row {part.rejects[0].row:,}: {part.rejects[0].reason}; mend or leave out this row")
            for frame in part.frame.iter_slices(ROWS_AT_ONCE):
                yield _form(frame, form, table.name)


def _form(frame: pl.DataFrame, form: tuple[str, ...], name: str) -> Rows:
    numbers = [f"row {number}" for number in frame[ROW]]
    ids = frame["id"].cast(pl.String).to_list() if "id" in frame.columns else numbers
    ids = [row_id or number for row_id, number in zip(ids, numbers, strict=True)]
    first = frame[form[0]]
    if form == ("text",):
        return Texts(ids, _texts(first, name))
    if form != FORMS[0]:
        return Chats(ids, [_messages(value, f"{name}, {number}") for value, number in zip(first.to_list(), numbers, strict=True)])
    if _looks_like_messages(first):
        prompts, completions = (
            [_messages(value, f"{name}, {number}") for value, number in zip(frame[column].to_list(), numbers, strict=True)]
            for column in form
        )
        joined = [prompt + completion for prompt, completion in zip(prompts, completions, strict=True)]
        return Chats(ids, joined, [len(prompt) for prompt in prompts])
    beside = _texts(frame["text"], name) if "text" in frame.columns else None
    return Pairs(ids, _texts(first, name), _texts(frame["completion"], name), beside)


def _texts(values: pl.Series, name: str) -> list[str]:
    """Texts; what is missing is an empty one, which the check will name."""
    if values.dtype not in (pl.String, pl.Null, pl.Categorical):
        raise UserError(f"{name}: its column {values.name} holds {values.dtype}, expected texts")
    return values.cast(pl.String).fill_null("").to_list()


def _looks_like_messages(values: pl.Series) -> bool:
    if isinstance(values.dtype, pl.List):
        return True
    said = values.drop_nulls() if values.dtype == pl.String else pl.Series(dtype=pl.String)
    return len(said) > 0 and str(said[0]).lstrip().startswith('[{"')


def _messages(value: Any, where: str) -> list[Message]:
    """Messages of a list, or of its JSON; both names of their keys are known."""
    try:
        messages = json.loads(value) if isinstance(value, str) else value or []
        return [{"role": str(_value(message, "role")), "content": str(_value(message, "content"))} for message in messages]
    except (ValueError, TypeError, KeyError):
        raise UserError(f"{where}: no list of messages, each with role and content (or from and value)") from None


def _value(message: dict[str, Any], key: str) -> Any:
    found = message[key] if message.get(key) is not None else message.get(_NAMES[key])
    if found is None and key == "role":
        raise KeyError(key)
    return "" if found is None else found
