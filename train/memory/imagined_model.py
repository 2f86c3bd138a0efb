"""A model with its adapter as the trainer would have it, of a few layers, on tensors without memory."""

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from formats.errors import UserError
from train.adapters.lora import add_adapter
from train.memory.imagined import Imagination
from train.memory.quantised import imagine_weight, quantise
from train.settings import TrainSettings

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedConfig, PreTrainedModel


def shortened(config: "PreTrainedConfig", layers: int) -> "PreTrainedConfig":
    """The config of a model with the first so many layers of this one."""
    short = copy.deepcopy(config)
    text = short.get_text_config()
    whole = text.num_hidden_layers
    text.num_hidden_layers = layers
    for name in [name for name in vars(text) if "layer" in name]:
        by_layer = getattr(text, name)
        if isinstance(by_layer, list | tuple) and len(by_layer) == whole:
            setattr(text, name, type(by_layer)(by_layer[:layers]))
    text.use_cache = False
    return short


def skeleton(config: "PreTrainedConfig", dtype: torch.dtype, attention: str) -> "PreTrainedModel":
    """A model on the meta device, from its config alone.

    Raises:
        UserError: transformers itself does not know such a model; code that a model brings along is never run.
    """
    try:
        try:
            model = _on_meta(config, dtype, attention)
        except ValueError as error:
            if "scaled_dot_product_attention" not in str(error):
                raise
            # A few, such as Gemma 2, can do without only.
            model = _on_meta(config, dtype, "eager")
    except (ValueError, KeyError, AttributeError, TypeError, ImportError, NotImplementedError) as error:
        reason = " ".join(str(error).split()).split(". ")[0][:160]
        raise UserError(
            f"model type {config.model_type!r}: transformers cannot build a causal language model from its config ({reason}); "
            "models that bring their own code cannot be planned"
        ) from None
    return model


def _on_meta(config: "PreTrainedConfig", dtype: torch.dtype, attention: str) -> "PreTrainedModel":
    from transformers import AutoModelForCausalLM

    build: Any = AutoModelForCausalLM.from_config
    with torch.device("meta"):
        model: PreTrainedModel = build(config, dtype=dtype, attn_implementation=attention, trust_remote_code=False)
    return model


def imagined_model(
    config: "PreTrainedConfig", settings: TrainSettings, dtype: torch.dtype, attention: str, imagination: Imagination
) -> "PeftModel":
    """The model with quantised base and adapter; its tensors count as alive in `imagination`.

    Raises:
        UserError: as `skeleton` and `add_adapter` do.
    """
    model = skeleton(config, dtype, attention)
    model.requires_grad_(False)
    if settings.quantisation != "none":
        quantise(model, settings.quantisation, dtype)
    # Starts other than the default look at the weights, and take no memory of their own in the training.
    with torch.device("meta"):
        adapted = add_adapter(model, settings.model_copy(update={"init": "default"}))
    with imagination:
        _imagine(adapted, dtype)
    adapted.train()
    return adapted


def _imagine(model: nn.Module, dtype: torch.dtype) -> None:
    """Puts imagined tensors in the place of those on the meta device; what was one tensor stays one."""
    made: dict[int, Any] = {}
    for module in model.modules():
        quantised = imagine_weight(module, dtype)
        for name, parameter in module._parameters.items():
            if parameter is None or (quantised and name == "weight"):
                continue
            if id(parameter) not in made:
                made[id(parameter)] = nn.Parameter(torch.empty_like(parameter, device="cpu"), requires_grad=parameter.requires_grad)
            module._parameters[name] = made[id(parameter)]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = made.setdefault(id(buffer), torch.zeros_like(buffer, device="cpu"))
