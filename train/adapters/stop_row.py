"""Trains the rows of one token, the end token, in the embedding and in the output matrix: where a base never learned to put it out."""

from types import MethodType
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel
from peft.tuners.trainable_tokens import TrainableTokensLayer

from formats.errors import UserError
from train.bases.output_row import output_row
from train.settings import TrainSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from train.bases.base_model import Base


def stop_to_train(base: "Base", settings: TrainSettings, token: int) -> int | None:
    """The end token if its rows are to be trained, else None.

    `train_stop = "auto"` asks the base's weights, which must be on this computer by now: weights that are not are not judged.

    Raises:
        UserError: the token has no row in the base that could be trained.
    """
    if settings.train_stop == "never":
        return None
    row = output_row(base, token)
    if not row.exists:
        raise UserError(f"base {base.name}: {row.says}, so it cannot end a reply; name another end token in the template, or another base")
    return token if settings.train_stop == "always" or row.trained is False else None


def rows_to_train(model: "PreTrainedModel", token: int) -> list[int] | dict[str, list[int]]:
    """PEFT's `trainable_token_indices` for a token.

    The list form trains the embedding alone, and an output matrix that is tied to it. Where the two are not tied, both are named: the
    loss of a stop that ends its sample never reaches the embedding's row, only the output's.
    """
    causal: Any = model
    inputs, outputs = causal.get_input_embeddings(), causal.get_output_embeddings()
    if outputs is None or outputs.weight is inputs.weight:
        return [token]
    return {name: [token] for name, module in model.named_modules() if module is inputs or module is outputs}


def lighten(model: PeftModel) -> None:
    """Replaces PEFT's forward passes of trained tokens in place by ones with the same function.

    PEFT copies the whole embedding in each pass, and computes a gradient for all of it: gigabytes for a large vocabulary, where one row
    is trained. It also leaves out the bias of an output matrix.
    """
    layers: list[Any] = [module for module in model.modules() if isinstance(module, TrainableTokensLayer)]
    for layer in layers:
        layer.forward_adapters = MethodType(_forward_adapters, layer)


def _forward_adapters(layer: Any, x: torch.Tensor, active_adapters: list[str], *args: Any, **kwargs: Any) -> torch.Tensor:
    if layer.disable_adapters or not active_adapters or layer.merged:
        plain: torch.Tensor = TrainableTokensLayer.forward_adapters(layer, x, active_adapters, *args, **kwargs)
        return plain
    layer._check_overlapping_tokens(active_adapters)
    matrix = layer.base_layer
    result: torch.Tensor = matrix(x, *args, **kwargs)
    embeds = isinstance(matrix, torch.nn.Embedding)
    scale = layer._get_embed_scale() if embeds else None
    for name in active_adapters:
        rows = layer.trainable_tokens_delta[name].to(matrix.weight.dtype)
        for row, token in zip(rows, layer.token_indices[name], strict=True):
            if embeds:
                scaled = row if scale is None else row * scale
                result = torch.where((x == token)[..., None], scaled.to(result.dtype), result)
            else:
                bias = None if matrix.bias is None else matrix.bias[token : token + 1]
                # In place: the backward pass of a matrix product does not look at its result.
                result[..., token] = torch.nn.functional.linear(x, row[None], bias)[..., 0]
    return result
