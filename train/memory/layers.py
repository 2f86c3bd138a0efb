"""Which layers of a model are alike, and what of it is enough to run."""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from formats.errors import UserError
from train.memory.imagined_model import skeleton

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

AS_MANY = 0.001
"""Parameters may differ by this share between what is planned and the whole model: a few have numbers that shrink from layer to layer."""

_KNOWN: dict[str, tuple[tuple[Hashable, ...], int]] = {}
"""By config, since a search for what fits plans the same model many times."""


def kinds_of_layers(config: "PreTrainedConfig") -> tuple[tuple[Hashable, ...], int]:
    """A kind for each layer, by the names and shapes of its weights and its entry in `layer_types`; and the whole model's parameters.

    Raises:
        UserError: transformers cannot build the model from its config, or its layers cannot be told apart.
    """
    key = f"{config.model_type} {config.to_json_string(use_diff=False)}"
    if key not in _KNOWN:
        text = config.get_text_config()
        count = int(getattr(text, "num_hidden_layers", 0) or 0)
        if count < 1:
            raise UserError(f"model type {config.model_type!r}: its config names no num_hidden_layers; it cannot be planned")
        model = skeleton(config, torch.bfloat16, "sdpa")
        stacks = [module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module) == count]
        if not stacks:
            raise UserError(f"model type {config.model_type!r}: has no {count} layers one after the other; it cannot be planned")
        types: Sequence[Any] = getattr(text, "layer_types", None) or [""] * count
        kinds = tuple((types[number], _shapes(layer)) for number, layer in enumerate(stacks[0]))
        _KNOWN[key] = kinds, sum(parameter.numel() for parameter in model.parameters())
    return _KNOWN[key]


def _shapes(layer: nn.Module) -> tuple[Hashable, ...]:
    return tuple((name, tuple(parameter.shape)) for name, parameter in layer.named_parameters())


def enough(kinds: Sequence[Hashable]) -> tuple[int, int]:
    """Two numbers of first layers that say what all of them take: those between them are what the rest repeats.

    After some first layers of their own, such as dense ones before experts, kinds come over and over again. Both numbers are that of all
    layers where nothing repeats. The first is 2 at least, since a first layer may differ from the next.
    """
    layers = len(kinds)
    for few in range(2, layers):
        for period in range(1, few + 1):
            step = period if period > 1 else 2
            if (layers - few) % period or few + step >= layers:
                continue
            if all(kinds[number] == kinds[number - period] for number in range(few, layers)):
                return few, few + step
    return layers, layers
