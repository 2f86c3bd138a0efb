"""Attention over a flattened batch, sample by sample: no sample pays for the length of the row it stands in.

Registered with transformers under the name `SEGMENTS`. A flattened row under `sdpa` costs its length squared, most of it for pairs
of tokens from different samples that the mask then throws away.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

SEGMENTS = "lorum_segments"

_QUERIES_TOGETHER = 256


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
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    attended: torch.Tensor = _Segments.apply(query[0], key[0], value[0], cu_seq_lens_q.diff().tolist(), scale)  # type: ignore[no-untyped-call]
    return attended[None], None


class _Segments(torch.autograd.Function):
    """Keeps queries, keys and values alone; the weights, whose number grows with the square of a sample, are computed again.

    A block of queries meets only the keys up to its own end, so half of the square is never computed.
    """

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: Sequence[int], scale: float
    ) -> torch.Tensor:
        """(heads, tokens, size) and twice (key heads, tokens, size) to (tokens, heads, size)."""
        ctx.save_for_backward(query, key, value)
        ctx.lengths, ctx.scale = lengths, scale
        heads, tokens, size = query.shape
        output = query.new_empty(tokens, heads, size)
        with torch.autocast(query.device.type, enabled=False):
            future = _future(query, lengths)
            for queries, keys in _blocks(lengths):
                weights = _weights(_gathered(query, len(key), queries), key[:, keys], future, scale)
                attended = torch.bmm(weights, value[:, keys])
                output[queries] = attended.view(heads, -1, size).transpose(0, 1)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Flash attention's backward pass (Dao et al. 2022, algorithm 4), with whole rows of weights."""
        query, key, value = ctx.saved_tensors
        heads, _, size = query.shape
        outer = gradients[0].transpose(0, 1)
        of_query, of_key, of_value = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        with torch.autocast(query.device.type, enabled=False):
            future = _future(query, ctx.lengths)
            for queries, keys in _blocks(ctx.lengths):
                asked, known = _gathered(query, len(key), queries), key[:, keys]
                weights = _weights(asked, known, future, ctx.scale)
                block = _gathered(outer, len(key), queries)
                of_value[:, keys] += torch.bmm(weights.transpose(1, 2), block)
                of_weights = torch.bmm(block, value[:, keys].transpose(1, 2))
                of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype).mul_(ctx.scale)
                of_query[:, queries] = torch.bmm(of_scores, known).view(heads, -1, size)
                of_key[:, keys] += torch.bmm(of_scores.transpose(1, 2), asked)
        return of_query, of_key, of_value, None, None


def _blocks(lengths: Sequence[int]) -> Iterator[tuple[slice, slice]]:
    """Blocks of queries, and the keys from the beginning of their segment to their own end."""
    start = 0
    for length in lengths:
        for first in range(start, start + length, _QUERIES_TOGETHER):
            end = min(first + _QUERIES_TOGETHER, start + length)
            yield slice(first, end), slice(start, end)
        start += length


def _gathered(heads: torch.Tensor, key_heads: int, rows: slice) -> torch.Tensor:
    """The heads that share a key head behind each other, (key heads, shared x rows, size): one product instead of `shared`."""
    return heads[:, rows].reshape(key_heads, -1, heads.shape[-1])


def _future(like: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
    """What is added to the scores of the largest block against its own places: minus infinity above the diagonal."""
    size = min(max(lengths), _QUERIES_TOGETHER)
    return torch.full((size, size), float("-inf"), dtype=like.dtype, device=like.device).triu_(1)


def _weights(asked: torch.Tensor, known: torch.Tensor, future: torch.Tensor, scale: float) -> torch.Tensor:
    """Softmax of the scores of a block of queries, (key heads, shared x rows, keys); its last keys are the queries' own places."""
    key_heads, keys, _ = known.shape
    rows = (keys - 1) % _QUERIES_TOGETHER + 1
    scores = torch.baddbmm(asked.new_empty(1, 1, 1), asked, known.transpose(1, 2), beta=0, alpha=scale)
    scores.view(key_heads, -1, rows, keys)[..., keys - rows :].add_(future[:rows, :rows])
    return scores.softmax(-1)


AttentionInterface.register(SEGMENTS, segments_attention)
