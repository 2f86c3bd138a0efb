"""The numbers of a model's configuration under llama.cpp's names: sizes, and rotary embeddings with their scaling."""

from typing import TYPE_CHECKING, Any

import gguf
import torch

from formats.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

ROPE_FACTORS = "rope_freqs.weight"
"""llama.cpp's name of the tensor by which it divides the frequencies of rotary embeddings."""


def add_config(writer: gguf.GGUFWriter, config: "PreTrainedConfig") -> None:
    """Writes the configuration of a model of `FAMILIES`.

    Raises:
        UserError: its rotary embeddings are scaled in a way that llama.cpp does not know.
    """
    told: Any = config
    size = head_size(config)
    writer.add_block_count(told.num_hidden_layers)
    writer.add_context_length(_context(told))
    writer.add_embedding_length(told.hidden_size)
    writer.add_feed_forward_length(told.intermediate_size)
    writer.add_head_count(told.num_attention_heads)
    writer.add_head_count_kv(getattr(told, "num_key_value_heads", None) or told.num_attention_heads)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_layer_norm_rms_eps(told.rms_norm_eps)
    writer.add_vocab_size(told.vocab_size)
    writer.add_rope_dimension_count(size)
    _add_rope(writer, told)


def head_size(config: "PreTrainedConfig") -> int:
    """Values of one attention head."""
    told: Any = config
    return int(getattr(told, "head_dim", None) or told.hidden_size // told.num_attention_heads)


def rope_factors(config: "PreTrainedConfig") -> torch.Tensor | None:
    """By what each frequency of Llama 3.1's rotary embeddings is divided, (head_size / 2,); None for other models.

    transformers computes the scaled frequencies, llama.cpp divides the plain ones by such factors.
    """
    told: Any = config
    if (told.rope_parameters or {}).get("rope_type") != "llama3":
        return None
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    size = head_size(config)
    plain = 1.0 / told.rope_parameters["rope_theta"] ** (torch.arange(0, size, 2, dtype=torch.float32) / size)
    factors: torch.Tensor = plain / scaled
    return factors


def _context(told: Any) -> int:
    """Tokens that the model reads. llama.cpp knows no sliding window in these families; within one window the two are the same."""
    positions = int(told.max_position_embeddings)
    return min(positions, getattr(told, "sliding_window", None) or positions)


def _add_rope(writer: gguf.GGUFWriter, told: Any) -> None:
    rope = dict(told.rope_parameters or {})
    kind = rope.get("rope_type", "default")
    unknown = [name for name in ("attention_factor", "mscale", "mscale_all_dim") if rope.get(name) is not None]
    if kind not in ("default", "linear", "yarn", "llama3") or unknown or rope.get("partial_rotary_factor", 1.0) != 1.0:
        what = f"{kind} with {', '.join(unknown)}" if unknown else kind
        raise UserError(f"rotary embeddings scaled by {what}: GGUF is written with default, linear, yarn and llama3 alone")
    writer.add_rope_freq_base(rope["rope_theta"])
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif kind == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        writer.add_rope_scaling_yarn_beta_fast(rope.get("beta_fast") or 32.0)
        writer.add_rope_scaling_yarn_beta_slow(rope.get("beta_slow") or 1.0)
