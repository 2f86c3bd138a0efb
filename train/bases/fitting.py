"""Whether a training's settings fit its base, told from the base's configuration before any weight is loaded."""

from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM

from formats.errors import UserError
from train.settings import TrainSettings

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

_SHOWN = 8


def check_fits(settings: TrainSettings, config: "PreTrainedConfig") -> None:
    """Refuses settings that the base of that configuration cannot be trained with; takes no memory and a second at most.

    Raises:
        UserError: the base is no causal model or quantised already, samples may be longer than its positions, a name in `target_modules`
            is none of its layers, or the rank is larger than a layer.
    """
    method = (getattr(config, "quantization_config", None) or {}) and _method(config)
    if method and settings.quantisation != "none":
        raise UserError(
            f"base {settings.base}: its weights are quantised already ({method}), which quantisation = {settings.quantisation!r} cannot be "
            'laid on; name the base they were made from, or set quantisation = "none"'
        )
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    if positions and settings.max_tokens > positions:
        raise UserError(
            f"max_tokens = {settings.max_tokens}: base {settings.base} knows {positions} positions; set max_tokens = {positions} or less"
        )
    sizes = _linear_sizes(settings, config)
    _check_targets(settings, sizes)


def _method(config: "PreTrainedConfig") -> str:
    said: Any = config.quantization_config
    return str(said.get("quant_method") if isinstance(said, dict) else getattr(said, "quant_method", said))


def _linear_sizes(settings: TrainSettings, config: "PreTrainedConfig") -> dict[str, int]:
    """The smaller dimension of each layer that can have an adapter, by its full name; the output matrix is none of them."""
    models: Any = AutoModelForCausalLM
    try:
        with torch.device("meta"):
            model = models.from_config(config, trust_remote_code=False)
    except ValueError as error:
        reason = " ".join(str(error).split()).split(". ")[0]
        raise UserError(f"base {settings.base}: transformers knows no causal language model of its kind ({reason[:160]})") from None
    output = model.get_output_embeddings()
    return {name: min(module.weight.shape) for name, module in model.named_modules() if _is_linear(module) and module is not output}


def _is_linear(module: torch.nn.Module) -> bool:
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, torch.nn.Linear | Conv1D)


def _check_targets(settings: TrainSettings, sizes: dict[str, int]) -> None:
    chosen = sizes
    if settings.target_modules != "all-linear":
        modules = settings.target_modules
        wanted = [modules] if isinstance(modules, str) else list(modules)
        # PEFT's rule: a name is a layer's whole name or its end.
        by_name = {name: {full: size for full, size in sizes.items() if full == name or full.endswith(f".{name}")} for name in wanted}
        missing = [name for name, found in by_name.items() if not found]
        if missing:
            known = list(dict.fromkeys(full.rpartition(".")[2] for full in sizes))
            shown = ", ".join(known[:_SHOWN]) + (" and others" if len(known) > _SHOWN else "")
            raise UserError(
                f"target_modules: base {settings.base} has no linear layer {missing[0]!r} that an adapter goes on; "
                f'it has {shown}; name some of these, or "all-linear"'
            )
        chosen = {full: size for found in by_name.values() for full, size in found.items()}
    if not chosen:
        raise UserError(f"base {settings.base}: has no linear layer that an adapter could go on; name another base")
    narrowest = min(chosen, key=lambda full: chosen[full])
    if settings.rank > chosen[narrowest]:
        raise UserError(
            f"rank = {settings.rank}: is more than the smaller side of {narrowest} of base {settings.base}, which is {chosen[narrowest]}: "
            f"no adapter of it needs more; set rank = {chosen[narrowest]} or less, or leave this layer out of target_modules"
        )
