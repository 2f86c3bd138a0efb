"""Chooses the next token of each row, looking at the likeliest tokens alone.

`GenerationMixin.generate` sorts the whole vocabulary for `top_p` and draws from all of it: on a CPU more time than the model takes.
"""

from typing import TYPE_CHECKING

import torch
from transformers import RepetitionPenaltyLogitsProcessor

if TYPE_CHECKING:
    from transformers import GenerationConfig


_LARGEST, _COLDEST = 1e30, 1e-6
"""Bounds of scores and temperature: beyond them float32 knows no differences."""


def next_tokens(logits: torch.Tensor, ids: torch.Tensor, config: "GenerationConfig", draws: torch.Tensor) -> torch.Tensor:
    """The next token of each row, (rows,), as `GenerationMixin.generate` chooses it with the same settings.

    Args:
        logits: (rows, vocabulary).
        ids: what stands before, for the repetition penalty: (rows, tokens).
        draws: uniform numbers below 1 that choose among the tokens left by temperature, `top_k` and `top_p`: (rows,).
    """
    scores = logits.float()
    if config.repetition_penalty not in (None, 1.0):
        scores = RepetitionPenaltyLogitsProcessor(float(config.repetition_penalty))(ids, scores).clamp(-_LARGEST, _LARGEST)
    if not config.do_sample:
        return scores.argmax(-1)
    count = min(config.top_k or scores.shape[-1], scores.shape[-1])
    likeliest = torch.topk(scores, count)
    # Below the likeliest, so that no temperature makes a number that is none.
    lower = (likeliest.values - likeliest.values[:, :1]) / max(config.temperature or 1.0, _COLDEST)
    shares = lower.softmax(-1)
    before = shares.cumsum(-1) - shares
    shares = torch.where((before <= 0) | (before < (1.0 if config.top_p is None else config.top_p)), shares, 0.0)
    reached = shares.cumsum(-1)
    place = (reached <= draws[:, None] * reached[:, -1:]).sum(-1, keepdim=True)
    # Rounding may leave nothing above a draw just below 1: then the last token of those left is meant.
    last = (shares > 0).sum(-1, keepdim=True) - 1
    return likeliest.indices.gather(-1, torch.minimum(place, last)).flatten()
