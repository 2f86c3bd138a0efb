"""An adapter's matrices as plain tensors by the names of the base's layers: for what puts them together otherwise than PEFT does."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from formats.errors import UserError
from train.adapters.lora import WEIGHTS

_OF_PEFT = "base_model.model."
_A, _B, _MAGNITUDE = ".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector"
_ROWS = ".token_adapter.trainable_tokens_delta"


@dataclass(frozen=True)
class LowRank:
    """What an adapter adds to a linear layer of shape (out, in): `b @ a`, and with DoRA a new length for each row of the sum.

    Args:
        a: (rank, in), float32.
        b: (out, rank), float32, the adapter's scale included.
        magnitude: (out,), the lengths of DoRA; None without.
    """

    a: torch.Tensor
    b: torch.Tensor
    magnitude: torch.Tensor | None = None

    def gain(self, weight: torch.Tensor) -> torch.Tensor | None:
        """By how much each row of the sum of this weight, (out, in), and `b @ a` is lengthened: (out,); None without DoRA."""
        if self.magnitude is None:
            return None
        length: torch.Tensor = torch.linalg.norm(weight.float() + self.b @ self.a, dim=1)
        return self.magnitude / length

    def merged(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight, (out, in), with what the adapter changes; float32."""
        whole = weight.float() + self.b @ self.a
        gain = self.gain(weight)
        return whole if gain is None else whole * gain[:, None]


@dataclass(frozen=True)
class Rows:
    """Rows of an embedding or an output matrix that were trained: the tokens, and what stands in their place, (tokens, width)."""

    tokens: tuple[int, ...]
    values: torch.Tensor


@dataclass(frozen=True)
class Matrices:
    """An adapter's matrices, by the names of the layers in the base: `model.layers.0.self_attn.q_proj`.

    `transposed` layers hold their weights as (in, out), as GPT-2's do.
    """

    layers: Mapping[str, LowRank]
    rows: Mapping[str, Rows]
    transposed: bool

    @property
    def rank(self) -> int:
        """The highest rank of a layer."""
        return max((len(layer.a) for layer in self.layers.values()), default=0)


def read_matrices(folder: Path) -> Matrices:
    """Reads an adapter's weights.

    Raises:
        UserError: they are missing, damaged, or hold what Lorum does not train (other ranks by layer, biases, other kinds of adapters).
    """
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        state = load_file(folder / WEIGHTS)
        scale = float(config["lora_alpha"]) / (math.sqrt(config["r"]) if config.get("use_rslora") else config["r"])
        named = {name.removeprefix(_OF_PEFT): tensor.float() for name, tensor in state.items()}
        layers = {}
        for name, a in named.items():
            if name.endswith(_A):
                layer = name.removesuffix(_A)
                layers[layer] = LowRank(a, named[layer + _B] * scale, named.get(layer + _MAGNITUDE))
        indices = config.get("trainable_token_indices")
        rows = {
            name.removesuffix(_ROWS): Rows(tuple(indices[name.removesuffix(_ROWS)] if isinstance(indices, dict) else indices), tensor)
            for name, tensor in named.items()
            if name.endswith(_ROWS)
        }
    except FileNotFoundError as error:
        raise UserError(f"{error.filename or folder / WEIGHTS}: missing; the adapter is not whole") from None
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise UserError(
            f"{folder}: the adapter's weights are damaged ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        ) from None
    unknown = [name for name in named if not name.endswith((_A, _B, _MAGNITUDE, _ROWS))]
    # PEFT notes patterns that match no layer, too: those of a base's experts under the names that they once had.
    patterns = [*(config.get("rank_pattern") or ()), *(config.get("alpha_pattern") or ())]
    if unknown or any(re.fullmatch(rf"(.*\.)?({pattern})", layer) for pattern in patterns for layer in layers):
        what = unknown[0] if unknown else "ranks of their own for some layers"
        raise UserError(f"{folder}: holds {what}, which is no LoRA as Lorum trains it; merge it with PEFT")
    return Matrices(layers, rows, bool(config.get("fan_in_fan_out")))
