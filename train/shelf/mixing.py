"""Mixes adapters into a new one, whose folder is whole: it is evaluated, talked to, served and merged like any other."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig
from safetensors.torch import save_file

from formats.errors import UserError
from train.adapters.folder import Adapter, read_adapter, training_record, write_adapter
from train.adapters.lora import WEIGHTS
from train.adapters.matrices import Matrices, Rows, read_matrices
from train.bases.base_model import load_tokenizer, resolve
from train.bases.weights import tensor_files
from train.settings import TrainSettings
from train.shelf.mix_card import mix_card
from train.shelf.mix_methods import Blend, Ingredient, blended


@dataclass(frozen=True)
class Part:
    """An adapter and how much it counts in a mix."""

    name: str
    folder: Path
    weight: float


@dataclass(frozen=True)
class Mixed:
    """What a mixing wrote: the new adapter's folder, its rank, and the numbers in its matrices."""

    folder: Path
    rank: int
    parameters: int


def mix_adapters(parts: Sequence[Part], out: Path, blend: Blend | None = None) -> Mixed:
    """Writes the adapter that mixes others; rows of a trained stop are their weighted sum by any method.

    The new adapter takes its decoding, and what it says of its training, from the part that counts most. The base is not loaded.

    Raises:
        UserError: parts have different bases, templates or stops, one is a DoRA, they do not go with the method, or something else than a
            mix is at `out`.
    """
    blend = blend or Blend()
    _refuse_weights(parts)
    _refuse_taken(out)
    adapters = [read_adapter(part.folder) for part in parts]
    for part, adapter in zip(parts[1:], adapters[1:], strict=True):
        _refuse_other(parts[0], adapters[0], part, adapter)
    matrices = [_matrices(part) for part in parts]
    weights = [part.weight for part in parts]
    configs = [json.loads((part.folder / "adapter_config.json").read_text(encoding="utf-8")) for part in parts]
    found = zip(parts, matrices, configs, strict=True)
    layers = blended([Ingredient(part.name, one.layers, _scale(config), part.weight) for part, one, config in found], blend)
    rows = _rows(adapters[0], matrices, weights)
    rank = len(next(iter(layers.values())).a)
    config = _config(configs, matrices, rows, rank)
    main = adapters[max(range(len(parts)), key=lambda place: abs(weights[place]))]
    settings = _settings(adapters, main, rank)

    def save(folder: Path) -> None:
        state = {
            f"{name}.lora_{side}.weight": matrix for name, layer in layers.items() for side, matrix in (("A", layer.a), ("B", layer.b))
        }
        state |= {f"{name}.token_adapter.trainable_tokens_delta": changed.values for name, changed in rows.items()}
        named = {f"base_model.model.{name}": tensor.contiguous() for name, tensor in state.items()}
        save_file(named, folder / WEIGHTS, {"format": "pt"})
        config.save_pretrained(str(folder))

    shares = [adapter.stop.trained_share for adapter in adapters]
    trained_share = min((share for share in shares if share is not None), default=0.0)
    record = _record(parts, blend)
    named_parts = [(part.name, part.weight, str(record["mix"]["parts"][place]["sha256"])) for place, part in enumerate(parts)]
    card = mix_card(str(config.base_model_name_or_path), main, named_parts, blend, rank)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_adapter(out, save, _tokenizer(main), main.template, settings, main.decoding, trained_share, card, record)
    parameters = sum(layer.a.numel() + layer.b.numel() for layer in layers.values()) + sum(one.values.numel() for one in rows.values())
    return Mixed(out, rank, parameters)


def _refuse_weights(parts: Sequence[Part]) -> None:
    if not parts:
        raise UserError("a mix needs adapters and how much each counts, as in court=0.7 cooks=0.3")
    for part in parts:
        if not math.isfinite(part.weight) or part.weight == 0:
            raise UserError(f"{part.name}={part.weight:g}: an adapter counts as a number that is not 0; leave it out, or give it a weight")


def _refuse_taken(out: Path) -> None:
    """Another mix is replaced; an adapter that was trained is not."""
    record = training_record(out)
    if record and "mix" not in record:
        raise UserError(f"{out}: is an adapter that was trained; name another folder for the mix")


def _refuse_other(first: Part, one: Adapter, second: Part, other: Adapter) -> None:
    if not _same_base(one.base, other.base):
        raise UserError(
            f"{first.name} was trained on the base {one.base}, {second.name} on {other.base}: adapters of different bases cannot be mixed"
        )
    if one.template != other.template:
        raise UserError(
            f"{first.name} was trained with the template {one.template.name}, {second.name} with {other.template.name}"
            f"{' of other text' if one.template.name == other.template.name else ''}: adapters of different templates cannot be mixed"
        )
    if (one.stop.token, one.stop.strings) != (other.stop.token, other.stop.strings):
        raise UserError(
            f"{first.name} ends replies with {one.stop.token}, {second.name} with {other.stop.token}: "
            "adapters of different stops cannot be mixed"
        )


def _same_base(one: str, other: str) -> bool:
    """Whether two names are of one base; a name that is none here is only the same as itself."""
    if one == other:
        return True
    try:
        return resolve(one).location == resolve(other).location
    except UserError:
        return False


def _matrices(part: Part) -> Matrices:
    found = read_matrices(part.folder)
    if any(layer.magnitude is not None for layer in found.layers.values()):
        raise UserError(
            f"{part.name}: is a DoRA, which lengthens the base's own weights: its mixes are no adapters; "
            "mix it while talking, with /mix of `lorum chat`"
        )
    return found


def _rows(adapter: Adapter, matrices: Sequence[Matrices], weights: Sequence[float]) -> dict[str, Rows]:
    """Trained rows, mixed as the layers are: the base's own row and the weighted sum of what each adapter changes of it."""
    mixed: dict[str, Rows] = {}
    for name in dict.fromkeys(name for one in matrices for name in one.rows):
        changed = [(one.rows[name], weight) for one, weight in zip(matrices, weights, strict=True) if name in one.rows]
        tokens = tuple(dict.fromkeys(token for rows, _ in changed for token in rows.tokens))
        values = []
        for token in tokens:
            trained = [(rows.values[rows.tokens.index(token)], weight) for rows, weight in changed if token in rows.tokens]
            rest = 1 - sum(weight for _, weight in trained)
            own = _own_row(adapter.base, name, token) * rest if abs(rest) > 1e-9 else torch.zeros(1)
            values.append(torch.stack([row * weight for row, weight in trained]).sum(0) + own)
        mixed[name] = Rows(tokens, torch.stack(values))
    return mixed


def _own_row(base: str, module: str, token: int) -> torch.Tensor:
    """A row of the base's own embedding or output matrix, (width,), float32."""
    from safetensors import safe_open

    wanted = f"{module}.weight"
    files = tensor_files(resolve(base).location)
    # Files may leave out the name of the whole model before it.
    name = next((name for name in files if name == wanted or wanted.endswith(f".{name}")), None)
    if name is None:
        raise UserError(f"base {base}: its weights are needed in safetensors on this computer, for the row of the stop in {module}")
    with safe_open(str(files[name]), framework="pt") as weights:
        row: torch.Tensor = weights.get_slice(name)[token : token + 1][0].float()
    return row


def _scale(config: Mapping[str, Any]) -> float:
    """The factor before an adapter's matrices, by PEFT's configuration of it."""
    rank = config["r"]
    return float(config["lora_alpha"]) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _config(configs: Sequence[Mapping[str, Any]], matrices: Sequence[Matrices], rows: dict[str, Rows], rank: int) -> LoraConfig:
    """PEFT's configuration of the mix, whose scale is in its matrices."""
    targets = [config["target_modules"] for config in configs]
    # One that is a pattern cannot be joined with others.
    names = {name for one in targets for name in one} if all(isinstance(one, list) for one in targets) else set()
    by_module = any(isinstance(config.get("trainable_token_indices"), dict) for config in configs)
    tokens = {name: list(one.tokens) for name, one in rows.items()}
    return LoraConfig(
        r=rank,
        lora_alpha=rank,
        target_modules=sorted(names) or sorted({layer for one in matrices for layer in one.layers}),
        trainable_token_indices=(tokens if by_module else next(iter(tokens.values()))) if tokens else None,
        fan_in_fan_out=matrices[0].transposed,
        base_model_name_or_path=configs[0].get("base_model_name_or_path"),
        task_type="CAUSAL_LM",
        inference_mode=True,
    )


def _settings(adapters: Sequence[Adapter], main: Adapter, rank: int) -> TrainSettings:
    """The settings of the part that counts most, with what the mix has of its own."""
    modules = {adapter.settings.target_modules for adapter in adapters}
    given = [(one,) if isinstance(one, str) else one for one in modules]
    joined: Any = "all-linear" if "all-linear" in modules else tuple(sorted({name for one in given for name in one}))
    own = {
        "preset": None,
        "rank": min(rank, _HIGHEST),
        "alpha": float(min(rank, _HIGHEST)),
        "rslora": False,
        "init": "default",
        "target_modules": joined,
        "max_tokens": max(adapter.settings.max_tokens for adapter in adapters),
    }
    return main.settings.model_copy(update=own)


_HIGHEST = 1024
"""The highest rank that settings take; `cat` of many adapters may have a higher one in its own files."""


def _record(parts: Sequence[Part], blend: Blend) -> dict[str, Any]:
    """What training.json says: the parts by their weights' digests, and how they were mixed."""
    made_of = [{"name": part.name, "weight": part.weight, "sha256": _digest(part.folder / WEIGHTS)} for part in parts]
    mix = {"method": blend.method, **blend.options(), "parts": made_of}
    return {"course": hashlib.sha256(json.dumps(mix, sort_keys=True).encode()).hexdigest(), "mix": mix}


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _tokenizer(adapter: Adapter) -> Any:
    from transformers import AutoTokenizer

    try:
        return cast(Any, AutoTokenizer).from_pretrained(adapter.folder, trust_remote_code=False)
    except (OSError, ValueError):
        return load_tokenizer(resolve(adapter.base))
