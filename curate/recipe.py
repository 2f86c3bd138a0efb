"""The recipe: one TOML file that describes a run, validated, with a default for whatever it does not say."""

import glob
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError

from curate.rendering import Fit
from curate.sections import FormatSettings, GatherSettings, Section
from curate.settings import first_fault, set_value
from curate.sources.reading.place import Place, expand
from curate.sources.requests.recipe import read_request
from curate.splits import SplitSettings, parse_split
from curate.templates import CHAT, chosen_template
from filters.catalogue import Filter, build_filter
from filters.rule import RuleError
from formats.errors import UserError
from formats.templates.template import Template
from train.settings import DecodingSettings, EvalSettings, TrainSettings


class Recipe(Section):
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
            recipe.check_template()
        except ValidationError as error:
            raise UserError(f"{where}: {first_fault(error, cls)}") from None
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
        """The template of the samples.

        Raises:
            UserError: there is no such template, or the bot's name or the system text does not fit it.
        """
        own = self.folder / self.format.template
        name = own if own.suffix == ".toml" else self.format.template
        return chosen_template(name, self.train.base, self.format.community, self.format.system)

    def check_template(self) -> None:
        """Raises what `template` would, where that takes no base model."""
        if self.format.template != CHAT:
            self.template()

    def fit_to(self, trains: bool) -> Fit | None:
        """What the samples are fitted to: what the recipe says, else what a run that goes on to train can learn; None: to nothing."""
        usual = self.train.max_tokens if trains else 0
        most = usual if self.format.max_tokens is None else self.format.max_tokens
        return Fit(self.train.base, most) if most else None

    def split(self) -> SplitSettings:
        """How the samples are split."""
        return SplitSettings(parse_split(self.format.split), self.format.seed, self.format.split_by)
