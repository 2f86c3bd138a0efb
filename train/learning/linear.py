"""Linear layers that share an input, with their LoRA adapters, forwards and backwards in as few passes as the mathematics needs.

The products of a layer and of its adapter are added in place, the adapters of layers with one input are one product, and weights in
4 bit are unpacked for each pass and thrown away again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn.modules import Linear4bit
from peft.tuners.lora import LoraLayer

Adapter = tuple[torch.Tensor | None, ...]
"""Of each layer in turn its adapter's A (rank, inputs) and B (outputs, rank); None where it has none."""


@dataclass(frozen=True, eq=False)
class Linear:
    """A frozen linear layer, and the adapter on it: y = x W' + bias + scale x A' B'."""

    layer: torch.nn.Linear
    a: torch.nn.Parameter | None = None
    b: torch.nn.Parameter | None = None
    scale: float = 1.0

    def weight(self, dtype: torch.dtype) -> torch.Tensor:
        """W, (outputs, inputs); unpacked where it is in 4 bit."""
        weight: Any = self.layer.weight
        if isinstance(self.layer, Linear4bit):
            unpacked: torch.Tensor = dequantize_4bit(weight.data, weight.quant_state)
            return unpacked.to(dtype)
        return self.layer.weight.to(dtype)


def as_linear(module: torch.nn.Module) -> Linear | None:
    """A module as a frozen linear layer with at most one LoRA adapter; None where it computes anything else at the moment."""
    if not isinstance(module, LoraLayer):
        return Linear(module) if _is_frozen(module) and isinstance(module, torch.nn.Linear) else None
    layer, active = module.get_base_layer(), [name for name in module.active_adapters if name in module.lora_A]
    if len(active) != 1 or module.merged or module.disable_adapters or not isinstance(layer, torch.nn.Linear) or not _is_frozen(layer):
        return None
    (name,) = active
    dropout = module.lora_dropout[name]
    if (
        (isinstance(dropout, torch.nn.Dropout) and dropout.p > 0 and module.training)
        or name in module.lora_variant
        or module.lora_bias[name]
    ):
        return None
    a: Any = module.lora_A[name]
    b: Any = module.lora_B[name]
    return Linear(layer, a.weight, b.weight, float(module.scaling[name]))


def _is_frozen(layer: torch.nn.Module) -> bool:
    """Whether it is a plain or 4-bit layer on whose own weight no gradient is wanted."""
    known = type(layer) is torch.nn.Linear or (isinstance(layer, Linear4bit) and getattr(layer.weight, "quant_state", None) is not None)
    return known and not any(parameter.requires_grad for parameter in layer.parameters())


def adapters(linears: Sequence[Linear]) -> Adapter:
    """The trained matrices of some layers, in the order of `backwards`."""
    return tuple(matrix for linear in linears for matrix in (linear.a, linear.b))


def forwards(x: torch.Tensor, linears: Sequence[Linear]) -> tuple[list[torch.Tensor], torch.Tensor]:
    """What layers make of the same input.

    Args:
        x: (tokens, inputs).

    Returns:
        Of each layer (tokens, outputs), which the caller may change; and `inner`, (tokens, ranks together), which `backwards` needs.
    """
    inner = x @ _all_a(linears, x).t()
    outputs = []
    for linear, own in zip(linears, _split(inner, linears), strict=True):
        bias = linear.layer.bias
        output = torch.nn.functional.linear(x, linear.weight(x.dtype), None if bias is None else bias.to(x.dtype))
        if linear.b is not None:
            output.addmm_(own, _scaled_b(linear, x.dtype).t())
        outputs.append(output)
    return outputs, inner


def backwards(
    x: torch.Tensor, inner: torch.Tensor, gradients: Sequence[torch.Tensor], linears: Sequence[Linear]
) -> tuple[torch.Tensor, Adapter]:
    """The gradients of the input, (tokens, inputs), and of the adapters, in their own precision, from those of the outputs."""
    of_x: torch.Tensor | None = None
    of_inner: list[torch.Tensor] = []
    of_b: list[torch.Tensor | None] = []
    for linear, gradient, own in zip(linears, gradients, _split(inner, linears), strict=True):
        weight = linear.weight(x.dtype)
        of_x = gradient @ weight if of_x is None else of_x.addmm_(gradient, weight)
        if linear.b is None:
            of_b.append(None)
            continue
        of_inner.append(gradient @ _scaled_b(linear, x.dtype))
        of_b.append((gradient.t() @ own).to(linear.b.dtype).mul_(linear.scale))
    if of_x is None:
        raise ValueError("no layer to go back through")
    if not of_inner:
        return of_x, (None,) * (2 * len(linears))
    together = torch.cat(of_inner, 1)
    of_x.addmm_(together, _all_a(linears, x))
    of_a = iter(torch.split(together.t() @ x, [len(linear.a) for linear in linears if linear.a is not None]))
    pairs = (
        ((next(of_a).to(linear.a.dtype), b) if linear.a is not None else (None, None)) for linear, b in zip(linears, of_b, strict=True)
    )
    return of_x, tuple(matrix for pair in pairs for matrix in pair)


def _all_a(linears: Sequence[Linear], x: torch.Tensor) -> torch.Tensor:
    """The A of all adapters below each other, (ranks together, inputs)."""
    found = [linear.a.detach().to(x.dtype) for linear in linears if linear.a is not None]
    return torch.cat(found) if found else x.new_empty(0, x.shape[1])


def _scaled_b(linear: Linear, dtype: torch.dtype) -> torch.Tensor:
    if linear.b is None:
        raise ValueError("a layer without an adapter")
    return (linear.b.detach() * linear.scale).to(dtype)


def _split(inner: torch.Tensor, linears: Sequence[Linear]) -> Iterator[torch.Tensor]:
    """Of each layer its own columns of `inner`; none for one without an adapter."""
    return iter(torch.split(inner, [0 if linear.a is None else len(linear.a) for linear in linears], 1))
