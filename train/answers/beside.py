"""What adapters add to a layer of the base, row by row of a batch: hooks that leave the layer's own weights as they are."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch.nn.functional import linear

from train.adapters.matrices import Rows


@dataclass(frozen=True)
class Change:
    """An adapter's change of one linear layer: A of shape (rank, in), B of (out, rank), and with DoRA how much longer rows get, (out,)."""

    a: torch.Tensor
    b: torch.Tensor
    longer: torch.Tensor | None


@dataclass(frozen=True)
class Speaking:
    """Who speaks now, and how much each counts in each row: (rows, 1, adapters); one row stands for all."""

    names: tuple[str, ...]
    weights: torch.Tensor
    _spread: dict[tuple[int, ...], torch.Tensor] = field(default_factory=dict)

    @cached_property
    def is_plain(self) -> bool:
        """Whether one adapter speaks with its full weight everywhere."""
        return len(self.names) == 1 and bool((self.weights == 1).all())

    def over(self, ranks: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """The weights over the inner columns of the adapters, which have these ranks: (rows, 1, ranks)."""
        if ranks not in self._spread:
            counts = torch.tensor(ranks, device=self.weights.device)
            self._spread[ranks] = self.weights.repeat_interleave(counts, dim=-1).to(dtype)
        return self._spread[ranks]


class BesideLayer:
    """A linear layer with the changes that adapters make to what it puts out."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.changes: dict[str, Change] = {}
        self.speaking: Speaking | None = None
        self._bias = getattr(module, "bias", None)
        self._hook = module.register_forward_hook(self._changed)
        self._joined: tuple[tuple[str, ...], torch.Tensor, torch.Tensor, tuple[int, ...]] | None = None

    def remove(self, name: str) -> bool:
        """Takes the change of an adapter away; whether none is left."""
        self.changes.pop(name, None)
        self._joined = None
        if not self.changes:
            self._hook.remove()
        return not self.changes

    def _changed(self, module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor | None:
        if self.speaking is None:
            return None
        a, b, ranks = self._together(self.speaking.names)
        if not ranks:
            return None
        inner = linear(inputs[0].to(a.dtype), a)
        if not self.speaking.is_plain:
            inner = inner * self.speaking.over(ranks, inner.dtype)
        return self._lengthened(output) + linear(inner, b).to(output.dtype)

    def _together(self, names: tuple[str, ...]) -> tuple[torch.Tensor, torch.Tensor, tuple[int, ...]]:
        """A of shape (ranks, in), B of (out, ranks), and each adapter's rank, 0 of one that leaves this layer as it is; none at all: ()."""
        if self._joined is None or self._joined[0] != names:
            found = [self.changes.get(name) for name in names]
            parts = [change for change in found if change is not None]
            ranks = tuple(0 if change is None else len(change.a) for change in found) if parts else ()
            some = parts[0] if parts else next(iter(self.changes.values()))
            # One alone is not copied.
            a = some.a if len(parts) < 2 else torch.cat([part.a for part in parts])
            b = some.b if len(parts) < 2 else torch.cat([part.b for part in parts], dim=1)
            self._joined = names, a, b, ranks
        return self._joined[1:]

    def _lengthened(self, output: torch.Tensor) -> torch.Tensor:
        """What the base puts out, as DoRA lengthens it; a bias stays as it is."""
        assert self.speaking is not None
        result = output
        for place, name in enumerate(self.speaking.names):
            longer = self.changes[name].longer if name in self.changes else None
            if longer is not None:
                plain = output if self._bias is None else output - self._bias
                result = result + plain * (self.speaking.weights[..., place : place + 1] * longer).to(output.dtype)
        return result


class BesideRows:
    """An embedding or an output matrix, some rows of which adapters replace."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.speaking: Speaking | None = None
        self._module: Any = module
        self._embeds = isinstance(module, torch.nn.Embedding)
        self._added: dict[str, tuple[tuple[int, ...], torch.Tensor]] = {}
        self._hook = module.register_forward_hook(self._changed)

    def add(self, name: str, rows: Rows) -> None:
        """Adds an adapter's rows, in place of the base's."""
        weight = self._module.weight
        differences = rows.values.to(weight.device) - weight[list(rows.tokens)].detach().float()
        scale = getattr(self._module, "embed_scale", 1.0) if self._embeds else 1.0
        self._added[name] = rows.tokens, differences * scale

    def remove(self, name: str) -> bool:
        """Takes an adapter's rows away; whether none are left."""
        self._added.pop(name, None)
        if not self._added:
            self._hook.remove()
        return not self._added

    def _changed(self, module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor | None:
        if self.speaking is None:
            return None
        result = output.clone()
        for place, name in enumerate(self.speaking.names):
            tokens, differences = self._added.get(name, ((), output))
            weights = self.speaking.weights[..., place]
            for token, difference in zip(tokens, differences, strict=False):
                if self._embeds:
                    result += (((inputs[0] == token) * weights)[..., None] * difference).to(output.dtype)
                else:
                    result[..., token] += linear(inputs[0].float(), difference[None])[..., 0].mul(weights).to(output.dtype)
        return result


def layer_shape(module: torch.nn.Module, transposed: bool) -> tuple[int, int] | None:
    """The shape (out, in) of a linear layer, quantised or not; None where it is no such layer."""
    if transposed:
        weight = getattr(module, "weight", None)
        return None if weight is None else (weight.shape[1], weight.shape[0])
    rows, columns = getattr(module, "out_features", None), getattr(module, "in_features", None)
    return None if rows is None or columns is None else (int(rows), int(columns))


def layer_weight(module: torch.nn.Module, transposed: bool) -> torch.Tensor:
    """The weight of a linear layer as plain numbers on the CPU, (out, in)."""
    from peft.utils.integrations import dequantize_module_weight

    weight: torch.Tensor = dequantize_module_weight(module).detach().cpu()
    return weight.T if transposed else weight
