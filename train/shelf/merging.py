"""Merges an adapter into its base: a model of its own, that any program reads."""

import json
import shutil
from collections.abc import Callable
from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from formats.errors import UserError
from train.adapters.folder import Adapter, beside, read_adapter
from train.bases.base_model import Base, load_tokenizer, quieten, resolve
from train.bases.weights import INDEX, tensor_files
from train.shelf.merging_changes import Changes, changes_of
from train.shelf.merging_files import PLAIN, Stored, stored, write_changed

Method = Literal["exact", "full"]
"""Into what the adapter is merged: the base as the training computed with it, quantised and back again; or the base's own weights."""

Precision = Literal["bfloat16", "float16", "float32"]
"""Of the merged weights; sums are made in float32, whatever they are rounded to afterwards."""

MERGE = "merge.json"
"""What was merged and how, in the folder of a merged model."""

_ALONG = ("generation_config.json", "stop.json", "template.toml")
"""Files of the adapter that hold for the merged model as they are."""


@dataclass(frozen=True)
class Merged:
    """What was merged: the base as others find it, how it was quantised in the training, and how many weights changed.

    `layer_by_layer` says whether one weight at a time was in memory, or the whole model.
    """

    base: str
    method: Method
    dtype: Precision
    quantisation: str
    weights: int
    changed: int
    layer_by_layer: bool


def merge_adapter(
    adapter_folder: Path,
    out: Path,
    method: Method = "exact",
    dtype: Precision = "bfloat16",
    *,
    max_shard_size: str = "4GB",
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Merged:
    """Writes an adapter merged into its base as sharded safetensors, with config, tokenizer, generation_config.json and stop.json.

    The exact method gives what was trained: each layer that the training quantised is quantised and dequantised as bitsandbytes does, then
    `B A` is added. Adding to the base's own weights instead gives an adapter that makes up for a rounding which is not there.

    One weight at a time is in memory. Where a base stores its weights under other names than its modules have, as fused experts, the
    whole model is. No chat template is written: the base's own is not the one that was trained.

    Args:
        out: appears whole or not at all; a merged model that was there is replaced.
        progress: hears how many weights are written, and how many there are.

    Raises:
        UserError: the adapter is damaged or does not fit its base, the base is stored quantised or is not to be had, or `out` holds others.
    """
    _refuse_unknown(method, dtype)
    refuse_other_files(out)
    adapter = read_adapter(adapter_folder)
    base = resolve(adapter.base)
    if getattr(base.config, "quantization_config", None):
        raise UserError(f"base {base.name}: is stored quantised; an adapter is merged into plain weights only; merge it with PEFT")
    changes = changes_of(adapter, base, method == "exact")
    partial = beside(out, "partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        found = _embedding_named(_files(base), changes)
        names = _in_model(changes, found)
        if names is not None:
            write_changed(found, partial, _torch(dtype), max_shard_size, lambda name, one: changes.made(names[name], one), progress)
        else:
            _merge_in_memory(base, changes, partial, _torch(dtype), max_shard_size)
        _write_config(base, partial, _torch(dtype))
        merged = Merged(base.published, method, dtype, changes.quantisation, len(found), len(changes.names), names is not None)
        _write_along(adapter, base, partial)
        (partial / MERGE).write_text(json.dumps(asdict(merged), indent=2) + "\n", encoding="utf-8")
        replace_folder(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return merged


def refuse_other_files(out: Path, *marks: str) -> None:
    """Refuses a folder with anything in it, unless it was written here before: then one of the files `marks` or merge.json is there.

    Raises:
        UserError: it holds something else, or is a file.
    """
    ours = any((out / mark).is_file() for mark in (MERGE, *marks))
    if out.exists() and not ours and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: is there already and holds no merged or exported model; name another folder")


def replace_folder(partial: Path, out: Path) -> None:
    """Puts a folder in the place of another, or where none is."""
    before = beside(out, "before")
    shutil.rmtree(before, ignore_errors=True)
    if out.exists():
        out.rename(before)
    partial.rename(out)
    shutil.rmtree(before, ignore_errors=True)


def _refuse_unknown(method: str, dtype: str) -> None:
    for what, given, known in (("method", method, get_args(Method)), ("dtype", dtype, get_args(Precision))):
        if given not in known:
            raise UserError(f"{what} {given}: unknown; give {', '.join(known[:-1])} or {known[-1]}")


def _torch(dtype: Precision) -> torch.dtype:
    return {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}[dtype]


def _files(base: Base) -> dict[str, Stored]:
    """The stored weights of a base; those of the Hub that are not on this computer are fetched. Empty where it has no safetensors."""
    from safetensors import SafetensorError

    if not Path(base.location).is_dir():
        from huggingface_hub import snapshot_download

        try:
            snapshot_download(base.location, allow_patterns=["*.safetensors", INDEX], ignore_patterns=["*/*"])
        except (OSError, ValueError) as error:
            raise UserError(f"base {base.name}: its weights are not to be had ({' '.join(str(error).split())[:200]})") from None
    try:
        return stored(tensor_files(base.location))
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"base {base.name}: its weights are damaged ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        ) from None


def _embedding_named(found: dict[str, Stored], changes: Changes) -> dict[str, Stored]:
    """The stored weights, one that is embedding and output matrix at once under the embedding's name: some programs skip the other."""
    if changes.tied is None or changes.tied[0] in found:
        return found
    embedding, output = changes.tied
    return {embedding if name == output else name: one for name, one in found.items()}


def _in_model(changes: Changes, found: dict[str, Stored]) -> dict[str, str] | None:
    """What stored weights are called in the model; None where not every one of the model's is stored as it is.

    Files may leave out the name of the whole model: `h.0.attn.c_attn.weight` for `transformer.h.0.attn.c_attn.weight`.
    """
    shorter = {name.partition(".")[2]: name for name in changes.shapes}
    names = {name: name if name in changes.shapes else shorter.get(name, name) for name in found}
    plain = {names[name] for name, one in found.items() if one.kind in PLAIN and changes.shapes.get(names[name]) == one.shape}
    return names if plain.issuperset(changes.shapes) else None


def _merge_in_memory(base: Base, changes: Changes, folder: Path, dtype: torch.dtype, max_shard_size: str) -> None:
    """Changes the loaded model; transformers stores it under the names that it reads."""
    quieten()
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            base.location, dtype=changes.computed_in or torch.float32, trust_remote_code=False
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"base {base.name}: its weights cannot be loaded ({' '.join(str(error).split())[:200]})") from None
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.data = changes.made(name, parameter.data).to(dtype)
    # What the base says of generating is replaced; where it is no valid configuration, it could not even be saved.
    model.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    model.save_pretrained(folder, max_shard_size=max_shard_size)


def _write_config(base: Base, folder: Path, dtype: torch.dtype) -> None:
    config = copy(base.config)
    config.dtype = dtype
    config.save_pretrained(folder)


def _write_along(adapter: Adapter, base: Base, folder: Path) -> None:
    tokenizer = load_tokenizer(Base(base.name, str(adapter.folder), base.published, base.config))
    tokenizer.chat_template = None
    tokenizer.save_pretrained(folder)
    for name in _ALONG:
        shutil.copyfile(adapter.folder / name, folder / name)
