"""Chooses the next token of each row, looking at the likeliest tokens alone.

`GenerationMixin.generate` sorts the whole vocabulary for `top_p` and draws from all of it: on a CPU more time than the model takes.
"""

from typing import TYPE_CHECKING

import torch
from transformers import RepetitionPenaltyLogitsProcessor

if TYPE_CHECKING:
    from transformers import GenerationConfig


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
