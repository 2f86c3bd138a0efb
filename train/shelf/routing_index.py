"""The index by which messages are routed to an adapter: vectors of the messages that its training prompts end in, without their words."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from formats.errors import UserError
from formats.rendering.parsing import parse
from formats.samples import folder_template, read_split
from formats.templates.template import Template

INDEX = "routing.safetensors"
"""In the adapter's folder."""

MESSAGES = 256
"""Vectors of an index, at most."""

_VERSION = "1"
"""Of how vectors are made: raised when that changes, so that an older index is made anew."""

_VECTORS = "vectors"


@dataclass(frozen=True)
class Made:
    """How vectors were made: only those that were made alike can be compared.

    Args:
        base: the base by the name under which others find it.
        quantisation: of the base: nf4, int8 or none.
        layer: layers of it that the messages went through.
    """

    base: str
    quantisation: str
    layer: int


@dataclass(frozen=True, eq=False)
class Index:
    """Vectors of messages, shape (messages, width), and how they were made."""

    vectors: NDArray[np.float16]
    made: Made


def read_index(folder: Path) -> Index | None:
    """The index in an adapter's folder; None where there is none, or one of another version.

    Raises:
        UserError: it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    file = folder / INDEX
    if not file.is_file():
        return None
    try:
        with safe_open(str(file), framework="numpy") as held:
            told = held.metadata() or {}
            if told.get("version") != _VERSION:
                return None
            vectors = held.get_tensor(_VECTORS)
            made = Made(told["base"], told["quantisation"], int(told["layer"]))
        if vectors.ndim != 2 or vectors.dtype != np.float16 or not len(vectors) or not np.isfinite(vectors).all():
            raise ValueError(f"vectors of shape {vectors.shape}, {vectors.dtype}")
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{file}: is damaged ({reason}); delete it, and it is made anew from the samples") from None
    return Index(vectors, made)


def write_index(folder: Path, index: Index) -> None:
    """Writes the index into an adapter's folder; the file is there whole or not at all."""
    from safetensors.numpy import save_file

    told = {"version": _VERSION, **{name: str(value) for name, value in asdict(index.made).items()}}
    partial = folder / f".{INDEX}.partial"
    save_file({_VECTORS: np.ascontiguousarray(index.vectors)}, partial, metadata=told)
    partial.replace(folder / INDEX)


def narrowed(vectors: NDArray[np.float32]) -> NDArray[np.float16]:
    """Vectors as an index holds them: what float16 cannot hold is cut at its ends."""
    end = float(np.finfo(np.float16).max)
    return np.clip(vectors, -end, end).astype(np.float16)


def samples_beside(folder: Path, template: Template) -> Path | None:
    """The samples of an adapter in a run; None where none lie beside it, or such with another template."""
    beside = folder.resolve().parent / "samples"
    try:
        return beside if folder_template(beside) == template and (beside / "train.parquet").is_file() else None
    except UserError:
        return None


def training_messages(samples: Path, count: int = MESSAGES, seed: int = 0) -> list[str]:
    """Different messages that training prompts end in, drawn by the seed, in no order of theirs.

    Raises:
        UserError: the samples are not there, or have none.
    """
    return _drawn(samples, ("train",), count, seed)


def held_out_messages(samples: Path, count: int, seed: int = 0) -> list[str]:
    """The same of the test and validation splits, whose threads the training never saw, without those that a training prompt ends in."""
    trained = set(_messages(samples, ("train",)))
    return _drawn(samples, ("test", "validation"), count, seed, without=trained)


def _drawn(samples: Path, splits: Sequence[str], count: int, seed: int, without: set[str] | None = None) -> list[str]:
    found = [message for message in _messages(samples, splits) if not without or message not in without]
    if not found:
        raise UserError(f"{samples}: its {' and '.join(splits)} prompts end in no message of their own; nothing can be routed by them")
    return random.Random(seed).sample(found, min(count, len(found)))


def _messages(samples: Path, splits: Sequence[str]) -> list[str]:
    """The different messages that prompts end in, as plain text: what is answered, with its title where it opens a thread."""
    template = folder_template(samples)
    prompts = dict.fromkeys(prompt for split in splits for prompt in read_split(samples, split)["prompt"].unique(maintain_order=True))
    last = (turns[-1] for prompt in prompts if (turns := parse(prompt, template)))
    texts = (f"{turn.title}\n\n{turn.text}".strip() if turn.title else turn.text.strip() for turn in last)
    return list(dict.fromkeys(text for text in texts if text))
