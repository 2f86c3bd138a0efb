"""The recipe: one TOML file that describes a run, validated, with a default for whatever it does not say."""

import datetime
import difflib
import glob
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from curate.sources.reading.place import Place, expand
from curate.sources.requests.recipe import read_request
from curate.splits import parse_split
from filters.catalogue import Filter, build_filter
from filters.rule import RuleError
from formats.errors import UserError
from formats.template import Template, load_template
from train.settings import DecodingSettings, EvalSettings, TrainSettings

M = TypeVar("M", bound=BaseModel)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class GatherSettings(_Section):
    """Which posts a run starts from."""

    files: tuple[str, ...] = Field(
        (), strict=False, description="Dumps and tables, relative to the recipe: files, folders, globs, URLs, `hub:USER/NAME`."
    )
    scrape: tuple[dict[str, Any], ...] = Field(
        (), strict=False, description="What to fetch first: tables of a `source` and its settings, listed in sources.md."
    )
    map: dict[str, str] = Field(default_factory=dict, description='For tables: by our column\'s name theirs, as in `text = "body"`.')
    subreddits: tuple[str, ...] = Field((), strict=False, description="Communities to keep, in any case; empty keeps all.")
    since: datetime.date | None = Field(None, strict=False, description="Keep posts of this day and later; others are not asked for.")
    until: datetime.date | None = Field(None, strict=False, description="Keep posts of before this day; others are not asked for.")

    @model_validator(mode="after")
    def _has_something_to_gather(self) -> Self:
        if not self.files and not self.scrape:
            raise ValueError("expected files, or something to scrape")
        return self

    @field_validator("since", "until", mode="before")
    @classmethod
    def _day_is_no_number(cls, value: Any) -> Any:
        if isinstance(value, int | float):
            raise ValueError("expected a day, as in 2020-01-31")
        return value


class FormatSettings(_Section):
    """How conversations become samples."""

    template: str = Field("comment-response", description="A built-in template, or a TOML file relative to the recipe.")
    max_turns: int = Field(4, ge=2, le=64, description="Turns of a conversation at most, the reply included.")
    split: str = Field("90/5/5", description="Percentages of train, validation and test; whole threads are split.")
    seed: int = Field(0, description="Another seed, another split.")

    @field_validator("split")
    @classmethod
    def _split_is_valid(cls, value: str) -> str:
        try:
            parse_split(value)
        except UserError as error:
            raise ValueError(str(error)) from None
        return value


class Recipe(_Section):
    """One run, from the dump to the adapter. `folder` is where relative paths start."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Names the run's folder, runs/NAME.")
    gather: GatherSettings
    filter: dict[str, Any] = Field(default_factory=dict, description="By rule name: true, false, a value, or a table of settings.")
    format: FormatSettings = FormatSettings()
    train: TrainSettings = TrainSettings()
    decoding: DecodingSettings = DecodingSettings()
    eval: EvalSettings = EvalSettings()
    folder: Path = Field(Path(), exclude=True)

    @classmethod
    def read(cls, path: Path, changes: Sequence[str] = ()) -> Self:
        """Reads a recipe file.

        Args:
            changes: settings that replace the file's, as `train.max_steps=200`; the value is TOML, or a plain string.

        Raises:
            UserError: the file is missing or not TOML, a key is unknown, or a value does not fit.
        """
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            raise UserError(f"{path}: no such recipe; write one (the README shows one of ten lines) or name another") from None
        except IsADirectoryError:
            raise UserError(f"{path}: is a directory; give the recipe file in it") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: not valid TOML: {error}") from None
        for change in changes:
            set_value(settings, change)
        return cls.build(settings, path.parent, str(path))

    @classmethod
    def build(cls, settings: dict[str, Any], folder: Path, where: str = "recipe") -> Self:
        """A recipe from its settings; `where` begins the message of an error.

        Raises:
            UserError: a key is unknown, or a value does not fit.
        """
        if "folder" in settings:
            raise UserError(f"{where}: unknown key 'folder'; known: {', '.join(name for name in cls.model_fields if name != 'folder')}")
        try:
            recipe = cls(**settings, folder=folder)
            recipe.chosen()
            recipe.template()
        except ValidationError as error:
            raise UserError(f"{where}: {_first(error, cls)}") from None
        except RuleError as error:
            raise UserError(f"{where}: [filter] {error}") from None
        except UserError as error:
            raise UserError(f"{where}: [format] {error}") from None
        try:
            recipe.requests()
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
        return recipe._with_own_base(where)

    def files(self) -> list[str]:
        """The files, in the recipe's order; a glob's matches in the order of their names.

        Raises:
            UserError: a glob matches nothing.
        """
        return [place.name for place in expand([self._located(entry) for entry in self.gather.files])]

    def _located(self, entry: str) -> str:
        if Place(entry).is_elsewhere:
            return entry
        path = self.folder / entry
        is_glob = any(character in entry for character in "*?[") and not path.exists()
        return str(Path(glob.escape(str(self.folder))) / entry if is_glob else path)

    def requests(self) -> list[tuple[str, Any]]:
        """What is to be scraped: sources, each with its request.

        Raises:
            UserError: there is no such source, or a setting that it does not know.
        """
        return [read_request(settings) for settings in self.gather.scrape]

    def _with_own_base(self, where: str) -> Self:
        """The recipe with a base that lies beside it in place of its relative name.

        Raises:
            UserError: the base is a GGUF file that does not exist.
        """
        own = self.folder / self.train.base
        if own.exists() and not Path(self.train.base).is_absolute():
            return self.model_copy(update={"train": self.train.model_copy(update={"base": str(own)})})
        if self.train.base.endswith(".gguf") and not Path(self.train.base).is_file():
            raise UserError(f"{where}: [train] base: no file {self.train.base}, neither here nor beside the recipe")
        return self

    def chosen(self) -> Filter:
        """What the posts go through: transforms and rules, in order."""
        return build_filter(self.filter)

    def template(self) -> Template:
        """The template of the samples."""
        own = self.folder / self.format.template
        return load_template(own if own.suffix == ".toml" else self.format.template)


def build_settings(model: type[M], values: dict[str, Any], where: str) -> M:
    """Settings of one section from their values; `where` names the section in an error.

    Raises:
        UserError: a key is unknown, or a value does not fit.
    """
    try:
        return model(**values)
    except ValidationError as error:
        raise UserError(f"{where}: {_first(error, model)}") from None


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


def _first(error: ValidationError, model: type[BaseModel]) -> str:
    """The first fault of a validation in one line, with the nearest known key for an unknown one."""
    faults = error.errors()
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
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
