"""Puts encoded samples one after the other in a row without padding, and says what of it carries loss."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from formats.tokens.encoding import Encoded


@dataclass(frozen=True)
class Packed:
    """Samples in one row of T tokens, N of which carry loss.

    Args:
        input_ids: shape (T,), int32.
        position_ids: shape (T,), int32: the place within the sample, so that it starts over with each.
        keep: shape (T,), bool: whether the next token carries loss. Never at a sample's last token, nor before a sample's first, which
            nothing stands before to predict it from.
        labels: shape (N,), int32: those next tokens.
        is_stop: shape (N,), bool: whether each belongs to its sample's stop.
        starts: shape (samples + 1,), int32: where each sample begins, and T.
    """

    input_ids: NDArray[np.int32]
    position_ids: NDArray[np.int32]
    keep: NDArray[np.bool_]
    labels: NDArray[np.int32]
    is_stop: NDArray[np.bool_]
    starts: NDArray[np.int32]


def pack(samples: Sequence[Encoded]) -> Packed:
    """The samples in one row, in their order."""
    lengths = np.array([len(sample.input_ids) for sample in samples], np.int32)
    starts = np.concatenate([np.zeros(1, np.int32), lengths.cumsum(dtype=np.int32)])
    input_ids = np.concatenate([np.empty(0, np.int32), *(sample.input_ids for sample in samples)], dtype=np.int32)
    position = np.arange(starts[-1], dtype=np.int32) - np.repeat(starts[:-1], lengths)
    prompt = np.repeat(np.array([sample.num_prompt for sample in samples], np.int32), lengths)
    stop = np.repeat(lengths - np.array([sample.num_stop for sample in samples], np.int32), lengths)
    learned = (position >= prompt) & (position > 0)
    return Packed(
        input_ids=input_ids,
        position_ids=position,
        keep=np.append(learned[1:], np.zeros(min(1, len(learned)), np.bool_)),
        labels=input_ids[learned],
        is_stop=(position >= stop)[learned],
        starts=starts,
    )
