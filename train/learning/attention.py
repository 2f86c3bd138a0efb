"""Attention over a flattened batch, sample by sample: no sample pays for the length of the row it stands in.

Registered with transformers under the name `SEGMENTS`. A flattened row under `sdpa` costs its length squared, most of it for pairs
of tokens from different samples that the mask then throws away.
"""

from typing import TYPE_CHECKING, Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

SEGMENTS = "lorum_segments"


def can_use_segments(config: "PreTrainedConfig") -> bool:
    """Whether a model's attention is plain causal attention: no sliding window, no chunks, no soft cap, no sinks."""
    special = ("sliding_window", "attention_chunk_size", "attn_logit_softcapping", "attn_logit_softcap")
    return config.model_type in _PLAIN and not any(getattr(config, name, None) for name in special)


_PLAIN = ("llama", "mistral", "qwen2", "qwen3", "smollm3", "olmo2", "granite", "phi3")


def segments_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each segment of a row.

    Matrix products in the model's own precision are on a CPU several times faster, backward above all, than PyTorch's fused kernel
    at the length of a forum sample.

    Args:
        query: (1, heads, tokens, size).
        key: (1, key heads, tokens, size); value alike. Heads are a multiple of key heads.
        cu_seq_lens_q: where segments begin, and the number of tokens at the end; without it, plain causal attention.

    Returns:
        (1, tokens, heads, size), and no weights.
    """
    if cu_seq_lens_q is None:
        output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, is_causal=True, **kwargs)
        return output, None
    lengths = cu_seq_lens_q.diff().tolist()
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    queries, keys, values = (torch.split(tensor[0], lengths, dim=1) for tensor in (query, key, value))
    outputs = [_causal(q, k, v, scale) for q, k, v in zip(queries, keys, values, strict=True)]
    return torch.cat(outputs, dim=1).transpose(0, 1)[None], None


def _causal(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
    """Causal attention of one segment: (heads, tokens, size) and twice (key heads, tokens, size) to (heads, tokens, size)."""
    heads, tokens, size = query.shape
    key_heads = key.shape[0]
    shared = heads // key_heads
    # The heads that share a key head are laid behind each other: one product instead of `shared`, and no copies of the keys.
    queries = query.reshape(key_heads, shared * tokens, size)
    future = torch.full((tokens, tokens), float("-inf"), dtype=query.dtype, device=query.device).triu_(1)
    mask = future.repeat(shared, 1).expand(key_heads, shared * tokens, tokens)
    scores = torch.baddbmm(mask, queries, key.transpose(1, 2), alpha=scale)
    return (scores.softmax(-1) @ value).reshape(heads, tokens, size)


AttentionInterface.register(SEGMENTS, segments_attention)
