"""Values of a dataset's columns as trainers take them: texts, messages and ids; what a trainer would fail on is refused with its row."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import polars as pl

from curate.sources.reading.place import Place
from curate.sources.tabular.files import begins_with, objects
from curate.sources.tabular.json_values import elements
from formats.contract.rows import Message
from formats.errors import UserError

_NAMES = {"role": "from", "content": "value"}
"""By a message's key its other name, of ShareGPT's form."""

_MORE = ("tool_calls", "function_call", "reasoning_content", "thinking")
"""Keys of a message that chat templates write next to its content."""

_NOTHING: tuple[Any, ...] = (None, "", "null", "[]", "{}", [], {})


def ids_of(values: pl.Series, numbers: Sequence[str]) -> list[str]:
    """The ids of rows as texts; a row's number where it has none, or one that is no text or number."""
    plain = values.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null) or values.dtype.is_numeric()
    known = values.cast(pl.String).to_list() if plain else [None] * len(numbers)
    return [row_id or number for row_id, number in zip(known, numbers, strict=True)]


def texts_of(values: pl.Series, numbers: Sequence[str], name: str) -> list[str]:
    """The texts of a column.

    Raises:
        UserError: it holds something else, or a row has none: TRL appends the end token to each, and fails on what is no text.
    """
    if values.dtype not in (pl.String, pl.Null, pl.Categorical, pl.Enum):
        raise UserError(f"{name}: its column {values.name} holds {values.dtype}, expected texts")
    empty = values.is_null().arg_true()
    if len(empty):
        raise UserError(
            f"{name}, {numbers[empty[0]]}: has no text in the column {values.name} (null), on which trainers fail; "
            "fill in a text, an empty one say, or leave such rows out"
        )
    return values.cast(pl.String).to_list()


def refuse_numbers(place: Place, columns: Sequence[str]) -> None:
    """Refuses a file of JSON with numbers, lists or the like where texts must be.

    Our reader makes texts of all values; a trainer gets them as they are. Looked at are the records at the beginning of the file:
    `datasets` itself refuses a column that is text here and a number there.

    Raises:
        UserError: there is such a value.
    """
    for record in _first_records(place):
        for column in columns:
            value = record.get(column)
            if value is not None and not isinstance(value, str):
                raise UserError(f"{place.name}: its column {column} holds values such as {json.dumps(value)[:40]}, expected texts")


def _first_records(place: Place) -> Iterator[Mapping[str, Any]]:
    if place.is_stdin or place.is_folder():
        return
    head = place.head()
    values: Iterable[Any] = ()
    if begins_with(head, b"["):
        values = elements([head.text], place.name)
    elif begins_with(head, b"{"):
        values = objects(head.text)
    with suppress(UserError):  # the beginning of an array ends in the middle of a record
        yield from (value for value in values if isinstance(value, dict))


def looks_like_messages(values: pl.Series) -> bool:
    """Whether a column of prompts holds lists of messages, or the JSON of such lists in every row that is not null."""
    if values.dtype == pl.List:
        return True
    said = values.drop_nulls().to_list() if values.dtype == pl.String else []
    return any(value.strip() != "[]" for value in said) and all(_is_json_of_messages(value) for value in said)


def _is_json_of_messages(value: str) -> bool:
    if not value.lstrip().startswith("["):
        return False
    try:
        messages = json.loads(value)
    except (ValueError, RecursionError):
        return False
    return all(isinstance(message, dict) and ("role" in message or "from" in message) for message in messages)


def messages_of(values: pl.Series, numbers: Sequence[str], name: str) -> list[list[Message]]:
    """The messages of each row, from lists or their JSON; both names of their keys are known.

    Raises:
        UserError: a row has no list of messages, or one that says more than role and content.
    """
    return [_messages(value, f"{name}, {number}") for value, number in zip(values.to_list(), numbers, strict=True)]


def _messages(value: Any, where: str) -> list[Message]:
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if not isinstance(value, list) or not all(isinstance(message, dict) and isinstance(_of(message, "role"), str) for message in value):
        raise UserError(f"{where}: no list of messages, each with role and content (or from and value)")
    return [_message(message, where) for message in value]


def _message(message: Mapping[str, Any], where: str) -> Message:
    more = [key for key in _MORE if message.get(key) not in _NOTHING]
    if more:
        raise UserError(f"{where}: a message has {more[0]}, which chat templates write and this check does not read; leave such rows out")
    content = _of(message, "content")
    if content is not None and not isinstance(content, str):
        raise UserError(
            f"{where}: the content of a message is {json.dumps(content, default=str)[:40]}, expected a text; join its parts to one"
        )
    return {"role": _of(message, "role"), "content": content or ""}


def _of(message: Mapping[str, Any], key: str) -> Any:
    return message[key] if message.get(key) is not None else message.get(_NAMES[key])


def refuse_tools(values: pl.Series, numbers: Sequence[str], name: str) -> None:
    """Refuses rows with tools or settings that a chat template writes into the text.

    Raises:
        UserError: there is such a row.
    """
    for value, number in zip(values.to_list(), numbers, strict=True):
        if value not in _NOTHING:
            raise UserError(
                f"{name}, {number}: has {values.name}, which TRL hands to the chat template and this check does not; "
                "leave such rows out, or the column with --columns where the training leaves it out"
            )
