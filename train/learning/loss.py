"""The loss: of replies and stops alone, each token by itself."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers.modeling_outputs import CausalLMOutputWithPast

LossFunction = Callable[..., torch.Tensor]

_LOGITS_TOGETHER = 1 << 20


def weighted_loss(stop_weight: float) -> LossFunction:
    """The loss for the Trainer (`compute_loss_func`): cross-entropy of each token of reply and stop, the stop's times `stop_weight`.

    The sum is divided by the number of those tokens in the whole optimizer step, so accumulation does not change it.
    """

    def loss(outputs: "CausalLMOutputWithPast", labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None) -> torch.Tensor:
        losses = token_losses(outputs, labels)
        weights = torch.where(labels[1].bool(), stop_weight, 1.0)
        return (losses * weights).sum() / (num_items_in_batch if num_items_in_batch is not None else labels.shape[1])

    return loss


def token_losses(outputs: "CausalLMOutputWithPast", labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy (nats, float32) of each token with loss, shape (N,), from the logits at the kept positions and `labels` (2, N).

    Those that a fused model has computed itself are taken as they are. Else some positions at a time: what is in float32 then stays in
    the processor's cache, and in memory that is used again, which is four times as fast as all positions at once.
    """
    found = getattr(outputs, "token_losses", None)
    if isinstance(found, torch.Tensor):
        return found
    if outputs.logits is None:
        raise ValueError("the model returned no logits")
    logits = outputs.logits.reshape(labels.shape[1], outputs.logits.shape[-1])
    together = max(1, _LOGITS_TOGETHER // logits.shape[1])
    pieces = zip(torch.split(logits, together), torch.split(labels[0], together), strict=True)
    return torch.cat([torch.nn.functional.cross_entropy(piece.float(), targets, reduction="none") for piece, targets in pieces])
