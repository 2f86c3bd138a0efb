"""Settings out of tables of TOML and out of `--set`, with faults said in one line."""

import difflib
import tomllib
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from formats.errors import UserError

M = TypeVar("M", bound=BaseModel)


def build_settings(model: type[M], values: dict[str, Any], where: str) -> M:
    """Settings of one section from their values; `where` names the section in an error.

    Raises:
        UserError: a key is unknown, or a value does not fit.
    """
    try:
        return model(**values)
    except ValidationError as error:
        raise UserError(f"{where}: {first_fault(error, model)}") from None


def set_value(settings: dict[str, Any], change: str, option: str = "--set") -> None:
    """Applies a change such as `train.max_steps=200` to nested settings; `option` is where the user wrote it.

    Raises:
        UserError: it has no `=`, or its key runs through something that is no table.
    """
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise UserError(f"{option} {change}: expected key=value, as in train.max_steps=200")
    *tables, last = key.strip().split(".")
    for name in tables:
        settings = settings.setdefault(name, {})
        if not isinstance(settings, dict):
            raise UserError(f"{option} {change}: {name} is not a table")
    settings[last] = _toml_value(text.strip())


def sections_of(changes: Sequence[str], first: str, *others: str) -> dict[str, dict[str, Any]]:
    """The changes of a command as tables of its sections; a key that names no section is one of the first.

    Raises:
        UserError: a change has no `=`, or is of the base, which has an option of its own.
    """
    tables: dict[str, Any] = {name: {} for name in (first, *others)}
    for change in changes:
        key = change.partition("=")[0].strip()
        if first == "train" and key in ("base", "train.base"):
            raise UserError(f"--set {change}: name the base with --base")
        set_value(tables, change if key.startswith(tuple(f"{name}." for name in tables)) or not key else f"{first}.{change}")
    return tables


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


_EXPECTED = {
    "tuple": 'expected a list, as in ["a", "b"]',
    "too_short": "expected at least one",
    "dict": "expected a table",
    "model": "expected a table",
    "date": "expected a day, as in 2020-01-31",
}
"""By how the type of a fault begins: TOML's words for it, where the validator has Python's."""


def first_fault(error: ValidationError, model: type[BaseModel]) -> str:
    """The first fault of a validation in one line, with the nearest known key for an unknown one."""
    faults = error.errors()
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    if first["type"] == "value_error" and isinstance(first["input"], dict):
        # A validator of a whole section, whose message names the keys that do not go together.
        section = f"[{'.'.join(map(str, first['loc']))}] " if first["loc"] else ""
        return f"{section}{first['msg'].removeprefix('Value error, ')}{more}"
    *path, key = [str(part) for part in first["loc"]]
    where = f"[{'.'.join(path)}] " if path else ""
    if first["type"] == "extra_forbidden":
        known = list(_fields(model, path))
        near = difflib.get_close_matches(key, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        return f"{where}unknown key {key!r}; {hint}{more}"
    if first["type"] == "missing":
        return f"{where}{key} is missing; give it{more}"
    found = f", found {first['input']!r}" if not isinstance(first["input"], dict) else ""
    expected = next(
        (words for kind, words in _EXPECTED.items() if first["type"].startswith(kind)), first["msg"].removeprefix("Value error, ")
    )
    return f"{where}{key}: {expected}{found}{more}"


def _fields(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    for name in path:
        inner = model.model_fields[name].annotation if name in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return [name for name, field in model.model_fields.items() if not field.exclude]
