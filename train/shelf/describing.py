"""What an adapter's folder says of it: what it is, what it learned from, and what was measured of it."""

import datetime
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from formats.errors import UserError
from train.adapters.folder import EVALUATION, read_adapter, training_record

WEIGHTS = "adapter_model.safetensors"
"""As in train.adapters.lora, which takes seconds to import."""


@dataclass(frozen=True)
class Description:
    """An adapter in a line.

    Args:
        base: the name of its base as the training was given it.
        stop: the text that ends a reply, and the end token behind it.
        rank: of its matrices.
        bytes: of its weights.
        samples: that it was trained on; None where nothing says.
        mixed_of: of a mix what it is made of, with the weights.
        termination_rate: the share of held-out prompts whose answers ended within the limit, with the shipped decoding.
        toxicity: the mean over its answers to held-out prompts, 0 to 1.
        written: when its weights were written, here or where it was fetched to (UTC).
    """

    name: str
    folder: Path
    base: str
    template: str
    stop: str
    token: str
    rank: int
    bytes: int
    samples: int | None
    mixed_of: dict[str, float] | None
    termination_rate: float | None
    toxicity: float | None
    written: datetime.datetime

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "folder": str(self.folder), "written": self.written.isoformat(timespec="seconds")}


@dataclass(frozen=True)
class Damaged:
    """A folder that says it is an adapter, and why it cannot be used."""

    name: str
    folder: Path
    problem: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"name": self.name, "folder": str(self.folder), "problem": self.problem}


def describe_all(folders: Iterable[tuple[str, Path]]) -> list[Description | Damaged]:
    """Each adapter in a line, by its name and its folder; what is damaged is told as that."""
    found: list[Description | Damaged] = []
    for name, folder in folders:
        try:
            found.append(describe(name, folder))
        except UserError as error:
            found.append(Damaged(name, folder, str(error)))
    return found


def describe(name: str, folder: Path) -> Description:
    """An adapter in a line; its weights are not read.

    Raises:
        UserError: a file of it is missing or damaged.
    """
    adapter = read_adapter(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise UserError(f"{weights}: missing; the adapter is not whole")
    size, written = weights.stat().st_size, weights.stat().st_mtime
    record = _record(folder)
    rate = adapter.stop.termination_rate or {}
    evaluation = noted_evaluation(folder) or {}
    return Description(
        name,
        folder,
        adapter.base,
        adapter.template.name,
        adapter.template.stop,
        adapter.stop.token,
        int(_peft_config(folder).get("r", adapter.settings.rank)),
        size,
        _number(record, "result", "samples"),
        _mixed_of(record),
        _number(rate, "adapter"),
        _number(evaluation, "adapter", "wording", "toxicity", "mean", "value"),
        datetime.datetime.fromtimestamp(int(written), datetime.UTC),
    )


def files_of(folder: Path) -> dict[str, int]:
    """The files of an adapter by name, with their sizes in bytes; what lies in folders of its own is none of them."""
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}


def noted_evaluation(folder: Path) -> dict[str, Any] | None:
    """What an evaluation noted in an adapter's folder; None where there is none, or one of older figures.

    Raises:
        UserError: the file is damaged.
    """
    found = _json_of(folder / EVALUATION)
    return found if found and "about" in found else None


def _record(folder: Path) -> Mapping[str, Any]:
    """What its making noted; empty where it was passed on without."""
    return training_record(folder) if (folder / "training.json").is_file() else {}


def _mixed_of(record: Mapping[str, Any]) -> dict[str, float] | None:
    mix = record.get("mix")
    return None if not mix else {part["name"]: float(part["weight"]) for part in mix["parts"]}


def _peft_config(folder: Path) -> Mapping[str, Any]:
    return _json_of(folder / "adapter_config.json") or {}


def _json_of(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: damaged ({' '.join(str(error).split())}); restore it, or make it anew") from None
    return found if isinstance(found, dict) else None


def _number(found: Any, *path: str) -> Any:
    """A number deep in plain values; None where one of the names on the way is missing."""
    for name in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found if isinstance(found, int | float) else None
