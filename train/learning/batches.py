"""Turns encoded samples into batches without padding, and computes their loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

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


def flatten_onto(device: torch.device, samples: Sequence[Encoded]) -> dict[str, Any]:
    """What `flatten` returns, its tensors on a device."""
    return {name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in flatten(samples).items()}


class Batches(Dataset[list[Encoded]]):
    """The micro-batches of a training: the samples of each optimizer step in groups of at most so many tokens.

    An epoch is every sample once, in an order drawn from (seed, epoch), `batch` samples a step. A step's samples go in a constant number
    of micro-batches, as few as hold the `batch` longest samples of all, so that no order of them needs more. They are alike in tokens,
    the largest first: memory that does not suffice shows at once, and processes that share a step wait little for each other. Where a
    step has fewer samples than micro-batches, the rest hold a token without loss.

    A step's micro-batches follow each other; number i is for process i % `processes`.

    Args:
        rows: encoded samples; at least one.
        batch: samples per optimizer step, over all processes.
        tokens_per_batch: tokens of a micro-batch at most; only a sample that alone is longer goes over it, alone.
        seed: of the order.
        processes: how many share each step.
    """

    def __init__(self, rows: Sequence[Encoded], batch: int, tokens_per_batch: int, seed: int, processes: int = 1) -> None:
        self._rows = rows
        self._lengths = np.array([len(row.input_ids) for row in rows])
        self._batch = batch
        self._limit = tokens_per_batch
        self._seed = seed
        longest = np.sort(self._lengths)[::-1][:batch]
        # No fewer can hold them, and from 1 upwards the search would take as many tries as there are groups.
        least = -(-int(np.minimum(longest, tokens_per_batch).sum()) // tokens_per_batch)
        groups = -(-least // processes) * processes
        while not _fits(longest, assigned := _spread(longest, groups), tokens_per_batch):
            groups += processes
        self._groups, self._safe = groups, assigned
        self.accumulation = groups // processes
        self.steps = -(-len(rows) // batch)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Draws the order of that epoch."""
        self._micro_batches = self._of_epoch(epoch)

    def __len__(self) -> int:
        """Micro-batches of an epoch, over all processes."""
        return self.steps * self._groups

    def __getitem__(self, index: int) -> list[Encoded]:
        """The samples of a micro-batch, which `flatten` joins."""
        found = [self._rows[place] for place in self._micro_batches[index]]
        return found or [Encoded(self._rows[0].input_ids[:1], num_prompt=1, num_stop=0)]

    def largest(self, epochs: int) -> list[Encoded]:
        """The micro-batch with the most tokens of the first so many epochs."""
        groups = (group for epoch in range(epochs) for group in self._of_epoch(epoch))
        return [self._rows[place] for place in max(groups, key=lambda group: int(self._lengths[group].sum()))]

    def _of_epoch(self, epoch: int) -> list[list[int]]:
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._lengths))
        return [group for start in range(0, len(order), self._batch) for group in self._of_step(order[start : start + self._batch])]

    def _of_step(self, places: NDArray[np.int64]) -> list[list[int]]:
        places = places[np.argsort(-self._lengths[places], kind="stable")]
        lengths = self._lengths[places]
        assigned = _spread(lengths, self._groups)
        if not _fits(lengths, assigned, self._limit):
            # What fits the longest samples fits these, which are rank by rank no longer.
            assigned = self._safe[: len(places)]
        groups = [places[assigned == group].tolist() for group in range(self._groups)]
        return sorted(groups, key=lambda group: -int(self._lengths[group].sum()))


def _spread(lengths: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
    """Which group each sample goes to, the longest first into the emptiest ("longest processing time first", Graham 1969)."""
    loads = np.zeros(groups, np.int64)
    assigned = np.empty(len(lengths), np.int64)
    for rank, length in enumerate(lengths):
        assigned[rank] = loads.argmin()
        loads[assigned[rank]] += length
    return assigned


def _fits(lengths: NDArray[np.int64], assigned: NDArray[np.int64], limit: int) -> bool:
    """Whether each group of more than one sample is within the limit."""
    sizes, loads = np.bincount(assigned), np.bincount(assigned, weights=lengths)
    return bool(((sizes <= 1) | (loads <= limit)).all())
