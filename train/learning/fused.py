"""The layers of a Llama-like model with the same function, but fewer passes over memory, and less of it kept for the backward pass.

Kept of a layer are its input, the queries, keys and values, what attention made of them, the input of its MLP, and gate and up; norms,
activations and attention weights are computed again from these. A layer whose adapter does something else than plain LoRA (DoRA, several
adapters, dropout in training) goes the libraries' way.
"""

from collections.abc import Callable, Sequence
from functools import partial, wraps
from types import MethodType
from typing import Any

import torch
from peft import PeftModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.llama.modeling_llama import eager_attention_forward

from train.learning.attention import can_use_segments
from train.learning.linear import Linear, adapters, as_linear, backwards, forwards
from train.learning.vocabulary import fuse_loss

_FAMILIES = ("llama", "mistral", "qwen2")
"""Model types whose layers compute what Llama's do; `qwen2` has biases on queries, keys and values."""


def fuse(model: PeftModel) -> None:
    """Replaces the forward passes of a Llama-like model's layers and of its loss, in place; any other model is left as it is.

    Weights, their names, saving and merging stay as they are. Each call of a layer decides by itself whether it can go the fused way.
    """
    causal: Any = model.get_base_model()
    if causal.config.model_type not in _FAMILIES or not can_use_segments(causal.config):
        return
    for layer in causal.model.layers:
        layer.forward = _forward_of(layer)
    fuse_loss(causal)


def _forward_of(layer: Any) -> Callable[..., torch.Tensor]:
    plain: Callable[..., torch.Tensor] = type(layer).forward

    @wraps(plain)
    def forward(self: Any, hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        linears = None if args or kwargs.get("past_key_values") is not None else _linears(self, hidden_states)
        if linears is None or kwargs.get("position_embeddings") is None:
            return plain(self, hidden_states, *args, **kwargs)
        if self.gradient_checkpointing and self.training:
            # The class's own `forward`, which would do this, is not gone through.
            return self._gradient_checkpointing_func(partial(_layer, self, linears, **kwargs), hidden_states)  # type: ignore[no-any-return]
        return _layer(self, linears, hidden_states, **kwargs)

    # Bound, so that a copy of the model computes with its own weights.
    return MethodType(forward, layer)


def _linears(layer: Any, hidden_states: torch.Tensor) -> list[Linear] | None:
    """The layer's seven projections; None where one of them, a norm or the precision asks for the plain way."""
    attention, mlp = layer.self_attn, layer.mlp
    modules = (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj, mlp.gate_proj, mlp.up_proj, mlp.down_proj)
    linears = [as_linear(module) for module in modules]
    norms = (layer.input_layernorm.weight, layer.post_attention_layernorm.weight)
    device = hidden_states.device.type
    computed_in = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    same = all(norm.dtype == hidden_states.dtype and not norm.requires_grad for norm in norms)
    # Without autocast PEFT computes an adapter in its own precision.
    wanted = {linear.a.dtype for linear in linears if linear and linear.a is not None} if computed_in is None else {computed_in}
    activation = isinstance(mlp.act_fn, torch.nn.SiLU) or type(mlp.act_fn).__name__ == "SiLUActivation"
    if not (same and activation and wanted <= {hidden_states.dtype}) or (attention.training and attention.attention_dropout):
        return None
    found = [linear for linear in linears if linear is not None]
    return found if len(found) == len(linears) else None


def _layer(
    layer: Any,
    linears: Sequence[Linear],
    hidden_states: torch.Tensor,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    attention_mask: torch.Tensor | None = None,
    **kwargs: Any,
) -> torch.Tensor:
    """A layer of Llama, (rows, tokens, width) to the same."""
    attention, projections, (output, *mlp) = layer.self_attn, linears[:3], linears[3:]
    rows, tokens, width = hidden_states.shape
    flat = hidden_states.reshape(-1, width)
    norm = layer.input_layernorm
    cos, sin = (table.unsqueeze(1) for table in position_embeddings)
    made = _Projections.apply(flat, norm.weight, norm.variance_epsilon, projections, *adapters(projections))  # type: ignore[no-untyped-call]
    query, key, value = (part.view(rows, tokens, -1, attention.head_dim).transpose(1, 2) for part in made)
    query, key = (_Rotation.apply(part, cos, sin) for part in (query, key))  # type: ignore[no-untyped-call]
    attend = ALL_ATTENTION_FUNCTIONS.get_interface(layer.self_attn.config._attn_implementation, eager_attention_forward)
    kwargs.pop("use_cache", None)
    attended, _ = attend(attention, query, key, value, attention_mask, dropout=0.0, scaling=attention.scaling, **kwargs)
    attended = attended.reshape(rows * tokens, -1)
    middle = _Output.apply(attended, flat, output, *adapters([output]))  # type: ignore[no-untyped-call]
    norm = layer.post_attention_layernorm
    whole: torch.Tensor = _Mlp.apply(middle, norm.weight, norm.variance_epsilon, mlp, *adapters(mlp))  # type: ignore[no-untyped-call]
    return whole.view(rows, tokens, width)


class _Projections(torch.autograd.Function):
    """Queries, keys and values of the normalised input; keeps the input as it came."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float, linears: Sequence[Linear], *matrices: torch.Tensor | None
    ) -> tuple[torch.Tensor, ...]:
        with torch.autocast(x.device.type, enabled=False):
            factor = _factor(x, epsilon)
            outputs, inner = forwards(_normalised(x, weight, factor), linears)
        ctx.save_for_backward(x, weight, factor, inner)
        ctx.linears = linears
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, factor, inner = ctx.saved_tensors
        with torch.autocast(x.device.type, enabled=False):
            of_normal, of_adapters = backwards(_normalised(x, weight, factor), inner, gradients, ctx.linears)
            of_x = _of_norm(of_normal, x, weight, factor)
        return of_x, None, None, None, *of_adapters


class _Rotation(torch.autograd.Function):
    """Rotary position embeddings (Su et al. 2021), with Llama's halves; (rows, heads, tokens, size). Keeps nothing of its input."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(cos, sin)
        return _rotated(x, cos, sin)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        cos, sin = ctx.saved_tensors
        # Both halves of the tables are alike, so the rotation back is the one by the negative angle.
        return _rotated(gradients[0], cos, -sin), None, None


class _Output(torch.autograd.Function):
    """The residual and the output projection of attention; keeps what attention made."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, residual: torch.Tensor, linear: Linear, *matrices: torch.Tensor | None) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            (output,), inner = forwards(x, [linear])
        ctx.save_for_backward(x, inner)
        ctx.linear = linear
        return output.add_(residual)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, inner = ctx.saved_tensors
        with torch.autocast(x.device.type, enabled=False):
            of_x, of_adapter = backwards(x, inner, gradients, [ctx.linear])
        return of_x, gradients[0], None, *of_adapter


class _Mlp(torch.autograd.Function):
    """The residual and the gated MLP of the normalised input; keeps the input, gate and up."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float, linears: Sequence[Linear], *matrices: torch.Tensor | None
    ) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            factor = _factor(x, epsilon)
            (gate, up), inner = forwards(_normalised(x, weight, factor), linears[:2])
            (output,), inner_down = forwards(torch.nn.functional.silu(gate).mul_(up), linears[2:])
        ctx.save_for_backward(x, weight, factor, gate, up, inner, inner_down)
        ctx.linears = linears
        return output.add_(x)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, factor, gate, up, inner, inner_down = ctx.saved_tensors
        (gradient,) = gradients
        with torch.autocast(x.device.type, enabled=False):
            opened = torch.nn.functional.silu(gate)
            of_hidden, of_down = backwards(opened * up, inner_down, [gradient], ctx.linears[2:])
            of_up = opened.mul_(of_hidden)
            of_gate = torch.ops.aten.silu_backward(of_hidden.mul_(up), gate)
            of_normal, of_adapters = backwards(_normalised(x, weight, factor), inner, [of_gate, of_up], ctx.linears[:2])
            of_x = _of_norm(of_normal, x, weight, factor).add_(gradient)
        return of_x, None, None, None, *of_adapters, *of_down


def _factor(x: torch.Tensor, epsilon: float) -> torch.Tensor:
    """What RMSNorm multiplies each token with, (tokens, 1) in float32."""
    square: torch.Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square_()
    return square.div_(x.shape[-1]).add_(epsilon).rsqrt_()


def _normalised(x: torch.Tensor, weight: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    return (x * factor).to(x.dtype).mul_(weight)


def _of_norm(gradient: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """The gradient of RMSNorm's input, in its precision, computed in float32."""
    normal = x * factor
    wide = (gradient * weight).float()
    return wide.sub_(normal.mul_((wide * normal).mean(-1, keepdim=True))).mul_(factor).to(x.dtype)


def _rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    half = x.shape[-1] // 2
    rotated = x * cos
    rotated[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1)
    rotated[..., half:].addcmul_(x[..., :half], sin[..., half:])
    return rotated
