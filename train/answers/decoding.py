"""The loop that answers several prompts at once: rows that ended leave the batch, and drawing looks at the likeliest tokens alone.

`GenerationMixin.generate` computes every row until the longest ends, sorts the whole vocabulary for `top_p` and draws from all of it:
on a CPU that is more than half of its time.
"""

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel
from transformers import RepetitionPenaltyLogitsProcessor, StoppingCriteria

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel

_CACHE_BYTES = 4 << 30
"""Of keys and values of one batch, at most."""

_LEAVE_TOGETHER = 8
"""Ended rows leave once they are one in so many: each leaving copies the keys and values of the others."""


def answer_together(
    model: "PreTrainedModel | PeftModel",
    prompts: Sequence[list[int]],
    draws: torch.Tensor,
    config: "GenerationConfig",
    filler: int,
    textual_stop: StoppingCriteria,
) -> list[list[int]]:
    """Answers prompts, given as tokens, in one batch.

    Args:
        draws: uniform numbers below 1 by which tokens are drawn, shape (prompts, max_new_tokens): an answer depends on its own alone.
        filler: the token that fills up shorter prompts on the left.
        textual_stop: is asked after each token, with prompts and answers of shape (rows, tokens), which rows have ended.

    Returns:
        By prompt the new tokens, up to and with the one that ended the answer, at most `config.max_new_tokens`.
    """
    longest = max(map(len, prompts))
    ids = torch.tensor([[filler] * (longest - len(prompt)) + prompt for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    ends = torch.tensor(_as_list(config.eos_token_id), device=model.device)
    draws = draws.to(model.device)
    rows = torch.arange(len(prompts), device=model.device)
    running = torch.ones_like(rows, dtype=torch.bool)
    answers: list[list[int]] = [[] for _ in prompts]
    cache, new = None, ids
    forward, takes = _forward(model)
    for step in range(int(config.max_new_tokens or 0)):
        inputs: dict[str, Any] = {"input_ids": new, "attention_mask": mask, "past_key_values": cache, "use_cache": True}
        if "position_ids" in takes:
            inputs["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)[:, -new.shape[1] :]
        if "logits_to_keep" in takes:
            inputs["logits_to_keep"] = 1
        outputs = forward(**inputs)
        cache = outputs.past_key_values
        chosen = next_tokens(outputs.logits[:, -1], ids, config, draws[rows, step])
        ids = torch.cat([ids, chosen[:, None]], dim=1)
        ended = running & (torch.isin(chosen, ends) | textual_stop(ids, outputs.logits))
        for place in ended.nonzero().flatten().tolist():
            answers[int(rows[place])] = ids[place, longest:].tolist()
        running &= ~ended
        kept = running.nonzero().flatten()
        if not len(kept):
            return answers
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        if (len(rows) - len(kept)) * _LEAVE_TOGETHER >= len(rows):
            cache.reorder_cache(kept)
            rows, ids, mask, running = rows[kept], ids[kept], mask[kept], running[kept]
        new = ids[:, -1:]
    for place in running.nonzero().flatten().tolist():
        answers[int(rows[place])] = ids[place, longest:].tolist()
    return answers


def next_tokens(logits: torch.Tensor, ids: torch.Tensor, config: "GenerationConfig", draws: torch.Tensor) -> torch.Tensor:
    """The next token of each row, (rows,), as `GenerationMixin.generate` chooses it with the same settings.

    Args:
        logits: (rows, vocabulary).
        ids: what stands before, for the repetition penalty: (rows, tokens).
        draws: uniform numbers below 1 that choose among the tokens left by temperature, `top_k` and `top_p`: (rows,).
    """
    scores = logits.float()
    if config.repetition_penalty not in (None, 1.0):
        scores = RepetitionPenaltyLogitsProcessor(float(config.repetition_penalty))(ids, scores)
    if not config.do_sample:
        return scores.argmax(-1)
    count = min(config.top_k or scores.shape[-1], scores.shape[-1])
    likeliest = torch.topk(scores / (config.temperature or 1.0), count)
    shares = likeliest.values.softmax(-1)
    before = shares.cumsum(-1) - shares
    shares = torch.where(before < (1.0 if config.top_p is None else config.top_p), shares, 0.0)
    reached = shares.cumsum(-1)
    place = (reached <= draws[:, None] * reached[:, -1:]).sum(-1, keepdim=True)
    # Rounding may leave nothing above a draw just below 1: then the last token of those left is meant.
    last = (shares > 0).sum(-1, keepdim=True) - 1
    return likeliest.indices.gather(-1, torch.minimum(place, last)).flatten()


def rows_at_once(model: "PreTrainedModel | PeftModel", tokens: int, most: int) -> int:
    """How many rows of so many tokens are answered together, at most `most`: their keys and values stay within `_CACHE_BYTES`."""
    config: Any = model.config
    heads = getattr(config, "num_attention_heads", 32)
    size = getattr(config, "head_dim", None) or getattr(config, "hidden_size", 4096) // heads
    width = (getattr(config, "num_key_value_heads", None) or heads) * size
    row = 2 * 2 * getattr(config, "num_hidden_layers", 32) * width * max(tokens, 1)
    return max(1, min(most, _CACHE_BYTES // row))


def _forward(model: "PreTrainedModel | PeftModel") -> tuple[Any, frozenset[str]]:
    """The model to call, and what of the optional inputs it takes."""
    inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    return model, frozenset(inspect.signature(inner.forward).parameters)


def _as_list(ends: int | list[int] | None) -> list[int]:
    return [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
