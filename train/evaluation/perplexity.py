"""Perplexity of held-out replies, and how sure a model is of the stop where they end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from formats.tokens.encoding import Encoded
from train.evaluation.intervals import NOTHING, Estimate, Floats, Threads, mean, mean_difference, ratio
from train.learning.batches import flatten_onto
from train.learning.loss import token_losses

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Losses:
    """What a model's next-token loss is on each of some samples, in nats: sums over the reply's own tokens, and over those of the stop.

    All of the shape (samples,).
    """

    reply: Floats
    reply_tokens: Floats
    stop: Floats
    stop_tokens: Floats


@dataclass(frozen=True)
class Perplexity:
    """exp of the mean cross-entropy a token, over held-out replies given their prompts.

    Intervals are by bootstrap over the threads of the samples. `reply` counts the replies' own tokens only, `with_stop` those of the stop
    as well: a base that never stops is bad at the second. `stop_probability` is the mean probability of the whole stop where a reply truly
    ends.
    """

    reply: Estimate
    with_stop: Estimate
    stop_probability: Estimate
    samples: int
    tokens: int


def losses(model: "PreTrainedModel", rows: Sequence[Encoded]) -> Losses:
    """Measures a model on encoded samples, one at a time: a sample is never joined with others, so no model needs to keep them apart."""
    found = np.zeros((len(rows), 4))
    for place, row in enumerate(rows):
        batch = flatten_onto(model.device, [row])
        labels = batch.pop("labels")
        with torch.inference_mode():
            nats = token_losses(model(**batch), labels)
        in_stop = labels[1].bool()
        found[place] = [float(nats[~in_stop].sum()), int((~in_stop).sum()), float(nats[in_stop].sum()), int(in_stop.sum())]
    return Losses(*found.T)


def perplexity(of: Losses, seed: int, threads: Threads | None = None) -> Perplexity:
    """The perplexities of samples."""
    return Perplexity(
        reply=ratio(of.reply, of.reply_tokens, seed, np.exp, threads),
        with_stop=ratio(of.reply + of.stop, of.reply_tokens + of.stop_tokens, seed, np.exp, threads),
        stop_probability=mean(np.exp(-of.stop), seed, threads),
        samples=len(of.reply),
        tokens=int(of.reply_tokens.sum()),
    )


def perplexity_ratio(adapter: Losses, base: Losses, seed: int, threads: Threads | None = None) -> Estimate:
    """The adapter's perplexity of replies over the base's, on the same samples: below 1, it knows better what the forum says."""
    if len(adapter.reply) != len(base.reply):
        return NOTHING
    return ratio(adapter.reply - base.reply, base.reply_tokens, seed, np.exp, threads)


def stop_difference(adapter: Losses, base: Losses, seed: int, threads: Threads | None = None) -> Estimate:
    """How much likelier the stop is to the adapter where a reply truly ends."""
    return mean_difference(np.exp(-adapter.stop), np.exp(-base.stop), seed, threads)
