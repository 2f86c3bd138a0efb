"""Turns encoded samples into batches without padding, and computes their loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from formats.errors import UserError
from formats.samples import folder_template, read_split
from formats.templates.template import Template
from formats.tokens.encoding import Encoded, encode_samples, stop_ids
from formats.tokens.packing import pack

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Samples:
    """The samples of one split, in tokens; `dropped` were longer than the limit and are not in `rows`."""

    rows: list[Encoded]
    dropped: int

    @property
    def longest(self) -> int:
        """Tokens of the longest row; 0 without rows."""
        return max((len(row.input_ids) for row in self.rows), default=0)


def read_samples(folder: Path, split: str, tokenizer: "PreTrainedTokenizerBase", max_tokens: int) -> Samples:
    """Reads and encodes one split of a samples folder.

    Raises:
        UserError: the folder is none, or no row is short enough.
    """
    table = read_split(folder, split)
    encoded = encode_samples(folder_template(folder), table["prompt"].to_list(), table["completion"].to_list(), tokenizer)
    rows = [row for row in encoded if len(row.input_ids) <= max_tokens]
    if not rows:
        found = f"each of its {len(encoded)} rows is longer than max_tokens = {max_tokens}" if encoded else "it has no row"
        raise UserError(f"{folder / f'{split}.parquet'}: {found}; raise max_tokens, or let more and shorter replies through the filter")
    return Samples(rows, len(encoded) - len(rows))


def stop_in_loss(rows: Sequence[Encoded], template: Template, tokenizer: "PreTrainedTokenizerBase") -> float:
    """The share of rows that end with the whole stop, textual stop and end token, all of it with loss."""
    stop = stop_ids(template, tokenizer)
    return sum(bool(np.array_equal(row.labels[-len(stop) :], stop)) for row in rows) / len(rows)


def flatten(samples: Sequence[Encoded]) -> dict[str, Any]:
    """Joins samples into one row without padding: the data collator of the trainer.

    Returns:
        With T tokens in all, of which N carry loss: `input_ids` and `position_ids` (1, T), positions starting over with each sample;
        `logits_to_keep` (1, T), true where the next token carries loss; `shift_labels` (N), those next tokens, which the Trainer
        counts; `labels` (2, N), the same and whether each belongs to the stop; and where samples begin, in the names that
        flash-attention uses (`cu_seq_lens_q` and so on). There is no attention mask: the restarting positions stand for it.
    """
    packed = pack(samples)
    labels, starts = torch.from_numpy(packed.labels).long(), torch.from_numpy(packed.starts)
    longest = int(starts.diff().max())
    return {
        "input_ids": torch.from_numpy(packed.input_ids).long()[None],
        "position_ids": torch.from_numpy(packed.position_ids).long()[None],
        "logits_to_keep": torch.from_numpy(packed.keep)[None],
        "shift_labels": labels,
        "labels": torch.stack([labels, torch.from_numpy(packed.is_stop).long()]),
        "cu_seq_lens_q": starts,
        "cu_seq_lens_k": starts,
        "max_length_q": longest,
        "max_length_k": longest,
        "use_cache": False,
    }


def samples_at_once(batch: int, longest: int, tokens_per_batch: int) -> int:
    """How many samples of a batch go through the model together, so that never more than `tokens_per_batch` tokens do.

    A divisor of the batch, so that every optimizer step sees the whole batch; at least 1.
    """
    fitting = max(1, tokens_per_batch // max(1, longest))
    return max(count for count in range(1, batch + 1) if batch % count == 0 and count <= fitting)
