"""The adapter's folder: everything that somebody needs to use it, with Lorum or without."""

import json
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from formats.contract.report import StopSpec, stop_spec
from formats.errors import UserError
from formats.templates.template import Template, read_template
from formats.tokens.encoding import end_ids
from train.files import write_whole
from train.settings import DecodingSettings, TrainSettings

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedTokenizerBase


_RECORD = "training.json"

EVALUATION = "eval.json"
"""What an evaluation found, without examples: a folder that is passed on holds no member's words."""


@dataclass(frozen=True)
class Adapter:
    """A finished adapter on disk: its folder, what it was trained on and with, and how it answers by default."""

    folder: Path
    base: str
    template: Template
    settings: TrainSettings
    decoding: DecodingSettings
    stop: StopSpec


def read_adapter(folder: Path) -> Adapter:
    """Reads an adapter's description, not its weights.

    Raises:
        UserError: the folder holds no adapter of ours, or a file of it was damaged.
    """
    if not (folder / "adapter_config.json").is_file():
        raise UserError(f"{folder}: no adapter there (no adapter_config.json); give the folder that `lorum train` wrote")
    try:
        fields = tomllib.loads((folder / "settings.toml").read_text(encoding="utf-8"))
        settings = TrainSettings(**fields["train"])
        decoding = DecodingSettings(**fields["decoding"])
        stop = StopSpec.from_json((folder / "stop.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: missing; this adapter was not written by Lorum, or not whole") from None
    except (tomllib.TOMLDecodeError, ValidationError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder}: settings.toml or stop.json is damaged ({' '.join(str(error).split())})") from None
    return Adapter(folder, settings.base, read_template(folder / "template.toml"), settings, decoding, stop)


def write_adapter(
    folder: Path,
    save_weights: Callable[[Path], Any],
    tokenizer: "PreTrainedTokenizerBase",
    template: Template,
    settings: TrainSettings,
    decoding: DecodingSettings,
    trained_share: float,
    card: str,
    record: dict[str, Any],
) -> None:
    """Writes an adapter's folder, which appears whole or not at all; one that was there is replaced.

    Args:
        save_weights: writes PEFT's files into the folder it is given.
        trained_share: share of the training samples whose stop carried loss.
        record: what `training_record` is to return of it.
    """
    partial = beside(folder, "partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        save_weights(partial)
        tokenizer.save_pretrained(partial)
        (partial / "template.toml").write_text(template.to_toml(), encoding="utf-8")
        (partial / "stop.json").write_text(stop_spec(template, tokenizer, trained_share).to_json(), encoding="utf-8")
        (partial / _RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        describe(partial, template, tokenizer, settings, decoding, card)
    except Exception:
        # On a full disk what is half written is in the way of everything else.
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if folder.exists():
        before = beside(folder, "before")
        shutil.rmtree(before, ignore_errors=True)
        folder.rename(before)
        partial.rename(folder)
        shutil.rmtree(before)
    else:
        partial.rename(folder)


def beside(folder: Path, suffix: str) -> Path:
    """The hidden path beside an adapter's folder in which it is worked on."""
    return folder.with_name(f".{folder.name}.{suffix}")


def describe(
    folder: Path,
    template: Template,
    tokenizer: "PreTrainedTokenizerBase",
    settings: TrainSettings,
    decoding: DecodingSettings,
    card: str,
) -> None:
    """Writes what changes with the decoding settings alone: generation_config.json, settings.toml and the model card."""
    generation_config(decoding, template, tokenizer).save_pretrained(folder)
    (folder / "settings.toml").write_text(_toml(train=settings.model_dump(), decoding=decoding.model_dump()), encoding="utf-8")
    (folder / "README.md").write_text(card, encoding="utf-8")


def note_termination(folder: Path, rate: dict[str, float | int] | None) -> None:
    """Writes measured termination rates into an adapter's stop.json; None where those and its evaluation hold no more."""
    if rate is None:
        (folder / EVALUATION).unlink(missing_ok=True)
    stop = folder / "stop.json"
    write_whole(stop, StopSpec.from_json(stop.read_text(encoding="utf-8")).with_termination_rate(rate).to_json())


def training_record(folder: Path) -> dict[str, Any]:
    """What the training that made an adapter noted of itself; empty where there is no adapter.

    Raises:
        UserError: the folder holds something else, which a training would replace.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return {}
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        ours = isinstance(record["course"], str) and (folder / "adapter_config.json").is_file()
    except (OSError, ValueError, TypeError, KeyError):
        ours = False
    if not ours:
        raise UserError(f"{folder}: is there already and is no adapter that lorum trained; name another folder")
    trained: dict[str, Any] = record
    return trained


def generation_config(
    decoding: DecodingSettings, template: Template, tokenizer: "PreTrainedTokenizerBase", greedy: bool = False
) -> "GenerationConfig":
    """How to decode: ends at the template's end token, and at the tokenizer's own where that is another.

    Args:
        greedy: always take the likeliest token, whatever the settings say.
    """
    import transformers

    config: Any = transformers.GenerationConfig
    end, *others = end_ids(template, tokenizer)
    ends = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": [end, *others] if others else end,
        "pad_token_id": filler_id(template, tokenizer),
        "max_new_tokens": decoding.max_new_tokens,
    }
    if greedy or decoding.temperature == 0:
        penalty = 1.0 if greedy else decoding.repetition_penalty
        greedily: GenerationConfig = config(do_sample=False, repetition_penalty=penalty, **ends)
        return greedily
    sampling: GenerationConfig = config(
        do_sample=True,
        temperature=decoding.temperature,
        top_p=decoding.top_p,
        top_k=decoding.top_k,
        repetition_penalty=decoding.repetition_penalty,
        **ends,
    )
    return sampling


def filler_id(template: Template, tokenizer: "PreTrainedTokenizerBase") -> int:
    """The token that fills up shorter rows: another special token than those that end an answer, where there is one.

    A repetition penalty counts fillers as text that stood before: filling with the end token would make stopping less likely, the
    more so the shorter the prompt.
    """
    ends = end_ids(template, tokenizer)
    for token in (tokenizer.pad_token_id, tokenizer.unk_token_id, *sorted(tokenizer.all_special_ids)):
        if token is not None and token not in ends:
            return int(token)
    return ends[0]


def _toml(**tables: dict[str, Any]) -> str:
    """TOML of tables of plain values, without what is None; JSON's strings, numbers, booleans and lists are TOML's as well."""
    sections = []
    for name, values in tables.items():
        said = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items() if value is not None}
        sections.append(f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in said.items()))
    # The one character that JSON takes as it is and TOML does not.
    return "\n".join(sections).replace("\x7f", "\\u007f")
