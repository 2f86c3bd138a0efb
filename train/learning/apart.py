"""Whether a base keeps apart the samples that are laid behind each other in one row."""

from typing import Any

import numpy as np
import torch

from formats.tokens.encoding import Encoded
from train.learning.batches import flatten_onto

_LENGTH = 8
_LEAK = 0.05
"""Of the logits' standard deviation: reading another sample moves logits by as much as that itself, rounding by far less."""


def keeps_apart(model: torch.nn.Module) -> bool:
    """Whether the logits of a second sample in a row stay as they are when the first one is another.

    Most bases take positions that start over for the beginning of a sample. Those that carry a state along (LFM2, Jamba), and those
    that mask without looking at positions (OPT), do not. Nothing random is drawn.
    """
    causal: Any = model
    vocabulary = int(causal.get_input_embeddings().weight.shape[0])
    second = np.arange(_LENGTH) * 7 % vocabulary
    was_training = model.training
    model.eval()
    try:
        one, other = (_second(model, first % vocabulary, second) for first in (np.arange(_LENGTH) * 5 + 2, np.arange(_LENGTH) * 11 + 3))
    finally:
        model.train(was_training)
    return bool((one - other).abs().max() <= _LEAK * one.std())


def _second(model: Any, *samples: Any) -> torch.Tensor:
    """The logits of the last of these samples, (tokens, vocabulary), float32."""
    rows = [Encoded(ids.astype(np.int32), num_prompt=1, num_stop=1) for ids in samples]
    inputs = flatten_onto(model.get_input_embeddings().weight.device, rows)
    for name in ("labels", "shift_labels", "logits_to_keep"):
        inputs.pop(name)
    with torch.no_grad():
        logits: torch.Tensor = model(**inputs).logits[0, -_LENGTH:]
    return logits.float()
