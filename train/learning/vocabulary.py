"""The loss of replies from the hidden states, some positions at a time: the logits of all of them are never in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from types import MethodType
from typing import Any

import torch
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.modeling_utils import slice_logits_to_keep

_TOGETHER = 128


@dataclass
class ReplyLosses(CausalLMOutputWithPast):
    """A model's output where losses are asked for: in place of logits the cross-entropy of each token with loss, (N,), nats, float32."""

    token_losses: torch.Tensor | None = None


def fuse_loss(causal: Any) -> None:
    """Lets a causal model return `ReplyLosses`, where it is called with `shift_labels` and its output layer is frozen.

    The model's own forward pass is the one of Llama: the hidden states of the positions to keep, times the output layer.
    """
    plain: Callable[..., CausalLMOutputWithPast] = type(causal).forward

    @wraps(plain)
    def forward(self: Any, *args: Any, **kwargs: Any) -> CausalLMOutputWithPast:
        head, labels, keep = self.lm_head, kwargs.get("shift_labels"), kwargs.get("logits_to_keep")
        frozen = type(head) is torch.nn.Linear and head.bias is None and not head.weight.requires_grad
        if args or kwargs.get("labels") is not None or not (frozen and labels is not None and isinstance(keep, torch.Tensor)):
            return plain(self, *args, **kwargs)
        rest = {name: value for name, value in kwargs.items() if name not in ("shift_labels", "logits_to_keep", "labels", "return_dict")}
        hidden = slice_logits_to_keep(self.model(**rest).last_hidden_state, keep)
        return ReplyLosses(token_losses=_TokenLosses.apply(hidden, head.weight, labels))  # type: ignore[no-untyped-call]

    causal.forward = MethodType(forward, causal)


class _TokenLosses(torch.autograd.Function):
    """Cross-entropy of the next token. The gradient is computed with the loss, while the logits are at hand, and scaled later."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """(N, width), (vocabulary, width) and (N) to (N)."""
        wanted = ctx.needs_input_grad[0]
        losses = hidden.new_empty(len(labels), dtype=torch.float32)
        gradient = torch.empty_like(hidden) if wanted else None
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(labels), _TOGETHER):
                part = slice(start, start + _TOGETHER)
                targets = labels[part, None]
                logits = (hidden[part] @ weight.t()).float()
                chosen = logits.gather(1, targets)
                normaliser = logits.logsumexp(-1, keepdim=True)
                losses[part] = (normaliser - chosen)[:, 0]
                if gradient is not None:
                    shares = logits.sub_(normaliser).exp_()
                    shares.scatter_add_(1, targets, shares.new_full(targets.shape, -1.0))
                    gradient[part] = shares.to(hidden.dtype) @ weight
        ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return (gradient * gradients[0][:, None]).to(gradient.dtype), None, None
