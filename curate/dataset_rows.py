"""Rows to train on from any dataset: files of any kind of table, folders of them, and the Hub; told apart by their columns."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl

from curate.dataset_values import ids_of, looks_like_messages, messages_of, refuse_numbers, refuse_tools, texts_of
from curate.sources.reading.ndjson import ROW
from curate.sources.reading.place import Place, files_in
from curate.sources.tabular.files import HUB, SAVED, open_table
from curate.sources.tabular.table import Part, Table
from formats.contract.checking import ROWS_AT_ONCE
from formats.contract.rows import Chats, Pairs, Rows, Texts
from formats.errors import UserError

FORMS: tuple[tuple[str, ...], ...] = (("prompt", "completion"), ("messages",), ("conversations",), ("text",))
"""Columns by which rows are known, the first form that a dataset has."""

_ENDINGS = (".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".arrow")
_COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
_TOOLS = ("tools", "chat_template_kwargs")
"""Columns that TRL hands to the chat template beside the messages."""


def open_dataset(name: str, split: str | None = None, columns: Sequence[str] = ()) -> Iterator[Rows]:
    """The rows of a file, a folder of files, a dataset saved on disk, or `hub:USER/NAME`, some thousand at a time.

    Args:
        split: read this one only: of a dataset on the Hub, or the files of a folder whose names begin with it.
        columns: look at these columns only.

    Raises:
        UserError: there is nothing of that name, no form of rows is among the columns, a file is damaged, or a row holds something else
            than texts or messages where these must be.
    """
    tables = [(place, open_table(place)) for place in _places(name, split)]
    held = list(dict.fromkeys(column for _, table in tables for column in table.columns))
    if not held:
        _refuse_broken(tables)
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
    beside = [column for column in _TOOLS if column in chosen]
    if "text" in chosen and form == FORMS[0]:
        beside.append("text")
    return _rows(tables, form, [*form, *beside, *(["id"] if "id" in held else [])])


def _places(name: str, split: str | None) -> list[Place]:
    if name.startswith(HUB):
        return [Place(f"{name}:{split}" if split else name)]
    place = Place(name)
    if not place.is_folder():
        if split:
            raise UserError(f"{name}: is one file, which has no split {split!r}; leave --split out")
        return [place]
    entries = {entry.name for entry in place.path.iterdir()}
    if any(files <= entries for files in SAVED):
        inner = place.path / split if split else place.path
        if not inner.is_dir():
            raise UserError(f"{name}: has no split {split!r}")
        return [Place(str(inner))]
    found = [file for file in files_in(place.path, lambda _: False, lambda _: False) if _is_table(file.name)]
    chosen = [file for file in found if not split or _of_split(Path(file.name).name, split)]
    if not chosen:
        of_split = f" of a split {split!r}" if split and found else ""
        raise UserError(f"{name}: holds no file{of_split} with rows ({', '.join(_ENDINGS)}); name the file itself")
    return chosen


def _is_table(name: str) -> bool:
    bare = Path(name).with_suffix("") if name.endswith(_COMPRESSED) else Path(name)
    return bare.suffix in _ENDINGS and bare.name not in ("dataset_info.json", "state.json", "dataset_infos.json")


def _of_split(file: str, split: str) -> bool:
    return re.match(rf"{re.escape(split)}(?![a-zA-Z0-9])", file) is not None


def _rows(tables: Iterable[tuple[Place, Table]], form: tuple[str, ...], wanted: Sequence[str]) -> Iterator[Rows]:
    """The rows of all tables, in parts; a broken row is an error, since every row is to be checked."""
    for place, table in tables:
        held = {column: column for column in wanted if column in table.columns}
        missing = [column for column in form if column not in held]
        if missing:
            raise UserError(f"{table.name}: has no column {missing[0]!r}, as the files beside it have")
        for number, part in enumerate(_whole(table, held)):
            for frame in part.frame.iter_slices(ROWS_AT_ONCE):
                rows = _form(frame, form, table.name)
                if not number and not isinstance(rows, Chats):
                    refuse_numbers(place, list(held.keys() - {"id", *_TOOLS}))
                yield rows


def _whole(table: Table, held: dict[str, str]) -> Iterator[Part]:
    """The parts of a table; blank lines between its rows are passed over, as loaders do."""
    for part in table.parts(held):
        broken = [reject for reject in part.rejects if reject.reason != "blank line"]
        if broken:
            raise UserError(f"{table.name}, row {broken[0].row:,}: {broken[0].reason}; mend or leave out this row")
        yield part


def _refuse_broken(tables: Iterable[tuple[Place, Table]]) -> None:
    """Says what is wrong with the first broken row of tables in which no column was found."""
    for _, table in tables:
        for _ in _whole(table, {"text": "text"}):
            pass


def _form(frame: pl.DataFrame, form: tuple[str, ...], name: str) -> Rows:
    numbers = [f"row {number}" for number in frame[ROW]]
    ids = ids_of(frame["id"], numbers) if "id" in frame.columns else numbers
    first = frame[form[0]]
    if form == ("text",):
        return Texts(ids, texts_of(first, numbers, name))
    if form == FORMS[0] and not looks_like_messages(first):
        beside = texts_of(frame["text"], numbers, name) if "text" in frame.columns else None
        return Pairs(ids, texts_of(first, numbers, name), texts_of(frame["completion"], numbers, name), beside)
    for column in _TOOLS:
        if column in frame.columns:
            refuse_tools(frame[column], numbers, name)
    if form != FORMS[0]:
        return Chats(ids, messages_of(first, numbers, name))
    prompts, completions = (messages_of(frame[column], numbers, name) for column in form)
    joined = [prompt + completion for prompt, completion in zip(prompts, completions, strict=True)]
    return Chats(ids, joined, [len(prompt) for prompt in prompts])
