"""How llama.cpp lays out the models that transformers has: which family they are of, what it calls their tensors, and in which order it
reads the rows of queries and keys."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gguf
import torch

from formats.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


@dataclass(frozen=True)
class Family:
    """A family of models as llama.cpp knows it.

    Args:
        architecture: its name there.
        pairs_neighbours: whether rotary embeddings turn a head's values 0 and 1 together, 2 and 3, and so on, as in Meta's own Llama.
            transformers pairs the first half of a head with the second, so that the rows of queries and keys change places.
        takes_biases: whether llama.cpp reads biases of attention where a configuration has them (`attention_bias`).
    """

    architecture: gguf.MODEL_ARCH
    pairs_neighbours: bool = False
    takes_biases: bool = True


FAMILIES: Mapping[str, Family] = {
    "llama": Family(gguf.MODEL_ARCH.LLAMA, pairs_neighbours=True),
    "mistral": Family(gguf.MODEL_ARCH.LLAMA, pairs_neighbours=True),
    "qwen2": Family(gguf.MODEL_ARCH.QWEN2),
    "qwen3": Family(gguf.MODEL_ARCH.QWEN3, takes_biases=False),
}
"""By transformers' name of the model's type: those whose answers were compared with llama.cpp's (tests/llama_cpp)."""

_EMBEDDING, _OUTPUT = "model.embed_tokens.weight", "lm_head.weight"

_NOT_WEIGHTS = ".rotary_emb.inv_freq"
"""The end of a name under which old checkpoints hold what follows from the configuration."""


@dataclass(frozen=True)
class Layout:
    """The layout of one model in GGUF."""

    family: Family
    heads: int
    key_heads: int
    tied: bool
    names: gguf.TensorNameMap

    def name(self, tensor: str) -> str:
        """What llama.cpp calls a tensor of transformers: `model.norm.weight` is `output_norm.weight`.

        Raises:
            UserError: llama.cpp has no such tensor in this family.
        """
        found = self.names.get_name(tensor, try_suffixes=(".weight", ".bias"))
        if found is None or self._is_tied(tensor):
            raise UserError(f"{tensor}: llama.cpp has no such tensor in the family {gguf.MODEL_ARCH_NAMES[self.family.architecture]}")
        return found

    def tensors(self, held: Collection[str]) -> dict[str, str]:
        """By the names of a checkpoint's tensors what llama.cpp calls them, without those that it computes or has under another name.

        Raises:
            UserError: llama.cpp has no such tensor in this family.
        """
        found = {tensor: self.name(tensor) for tensor in held if not tensor.endswith(_NOT_WEIGHTS) and not self._is_tied(tensor)}
        # A checkpoint may hold a matrix with two names under either.
        if self.tied and _OUTPUT in held and _EMBEDDING not in held:
            found[_OUTPUT] = self.name(_EMBEDDING)
        return found

    def arranged(self, tensor: str, values: torch.Tensor) -> torch.Tensor:
        """The values of a tensor, (rows, ...), with its rows in llama.cpp's order."""
        module = tensor.rsplit(".", 2)[-2]
        if not self.family.pairs_neighbours or module not in ("q_proj", "k_proj"):
            return values
        heads = self.heads if module == "q_proj" else self.key_heads
        halves = values.reshape(heads, 2, len(values) // heads // 2, *values.shape[1:])
        return halves.swapaxes(1, 2).reshape(values.shape)

    def _is_tied(self, tensor: str) -> bool:
        """Whether it is an output matrix that is the embedding."""
        return self.tied and tensor == _OUTPUT


def layout_of(config: "PreTrainedConfig") -> Layout:
    """The layout of the model with this configuration.

    Raises:
        UserError: its family is none of `FAMILIES`, or it computes what llama.cpp does not.
    """
    told: Any = config
    family = FAMILIES.get(told.model_type)
    if family is None:
        known = f"Lorum writes GGUF of {', '.join(FAMILIES)}"
        raise UserError(f"a model of the type {told.model_type}: {known}; merge it and use llama.cpp's own convert_hf_to_gguf.py")
    if told.hidden_act not in ("silu", "swish"):
        raise UserError(f"hidden_act = {told.hidden_act}: llama.cpp computes models of the type {told.model_type} with silu alone")
    if getattr(told, "attention_bias", False) and not family.takes_biases:
        raise UserError(f"attention_bias = true: llama.cpp computes models of the type {told.model_type} without these biases")
    names = gguf.get_tensor_name_map(family.architecture, told.num_hidden_layers)
    key_heads = getattr(told, "num_key_value_heads", None) or told.num_attention_heads
    return Layout(family, told.num_attention_heads, key_heads, bool(told.tie_word_embeddings), names)
