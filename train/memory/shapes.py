"""The config of a base that is to be planned: by a well-known name, from a file, or as a training would find it."""

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import AutoConfig

from formats.errors import UserError
from train.bases.base_model import quieten, resolve

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def known_shapes() -> dict[str, dict[str, Any]]:
    """Well-known models by name, with what their config says; they are planned without their weights or a login."""
    shapes: dict[str, dict[str, Any]] = tomllib.loads(files("train.memory").joinpath("shapes.toml").read_text(encoding="utf-8"))
    return shapes


def config_of(name: str) -> "PreTrainedConfig":
    """The config of a base: of a known shape, a config.json, a folder that holds one, or whatever `lorum train --base` takes.

    Raises:
        UserError: there is none, or it is of a kind that transformers does not know.
    """
    quieten()
    shape = known_shapes().get(name.lower())
    if shape:
        return _config({"dtype": "bfloat16", **shape}, name)
    path = Path(name)
    file = path / "config.json" if path.is_dir() else path
    if file.name.endswith(".json"):
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"{file}: not there; give a config.json or a folder that holds one") from None
        except ValueError as error:
            raise UserError(f"{file}: not JSON ({error}); fetch it again") from None
        return _config(values, str(file))
    try:
        return resolve(name).config
    except UserError as error:
        known = ", ".join(known_shapes())
        raise UserError(f"{error}; shapes that need no config: {known}") from None


def _config(values: Any, where: str) -> "PreTrainedConfig":
    if not isinstance(values, dict) or not isinstance(values.get("model_type"), str):
        raise UserError(f"{where}: names no model_type; give the config.json of a model of transformers")
    rest = {key: value for key, value in values.items() if key != "model_type"}
    if "auto_map" in rest:
        rest.pop("auto_map")
    try:
        config: PreTrainedConfig = AutoConfig.for_model(values["model_type"], **rest)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split()).split(". ")[0]
        raise UserError(
            f"{where}: transformers cannot read it ({reason[:160]}); models that bring their own code cannot be planned"
        ) from None
    return config
