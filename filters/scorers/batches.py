"""Texts as batches of tokens: each text is tokenised once, and lies beside others of its length."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

CPU_BUDGET = 1024
"""Padded tokens of one batch on a CPU: measured best between 512 and 1,024 for texts of a forum's lengths."""

GPU_BUDGET = 32_768
"""On a GPU: BERT-base needs some 200 MB for its widest layer then, in half precision."""

TOKENISED_AT_ONCE = 8192
"""Texts that are tokenised together, while the model is at those before them."""

LONGEST = 512
"""Tokens at which a text is cut where neither the tokenizer nor the model says."""

Item = TypeVar("Item")
Made = TypeVar("Made")
Encoded = dict[str, list[list[int]]]


def batches_by_length(lengths: Sequence[int] | NDArray[np.int64], budget: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, the longest first, whose padded size stays within `budget` tokens (a longer text is alone)."""
    batch: list[int] = []
    longest = 0
    for index in np.argsort(-np.asarray(lengths, np.int64), kind="stable").tolist():
        if batch and (len(batch) + 1) * longest > budget:
            yield batch
            batch = []
        longest = longest if batch else int(lengths[index])
        batch.append(index)
    if batch:
        yield batch


def encode(tokenizer: Any, texts: Sequence[str], longest: int) -> Encoded:
    """What the model reads of each text, cut at `longest` tokens: by input name, a list for each text."""
    encoded = tokenizer(list(texts), truncation=True, max_length=longest, padding=False)
    return {name: encoded[name] for name in tokenizer.model_input_names if name in encoded}


def padded(tokenizer: Any, encoded: Encoded, batch: Iterable[int]) -> dict[str, Any]:
    """The texts of a batch as tensors of int64, shape (texts, tokens)."""
    texts = list(batch)
    rows = {name: [values[index] for index in texts] for name, values in encoded.items()}
    if len({len(ids) for ids in rows["input_ids"]}) == 1:
        import torch

        return {name: torch.tensor(values) for name, values in rows.items()}
    return dict(tokenizer.pad(rows, return_tensors="pt"))


def longest_of(tokenizer: Any, config: Any) -> int:
    """Tokens at which a text is cut: a tokenizer without its settings knows no limit, and a long text would then crash the model."""
    limit, positions = int(tokenizer.model_max_length), getattr(config, "max_position_embeddings", None)
    if not positions or positions < 0:
        return min(limit, LONGEST) if limit > 1_000_000 else limit
    return limit if limit <= positions else positions - 2  # RoBERTa keeps two positions for itself


def one_ahead(make: Callable[[Item], Made], items: Sequence[Item]) -> Iterator[Made]:
    """What is made of each item, in order; the next is made in a thread while the caller works on the one before."""
    if not items:
        return
    with ThreadPoolExecutor(1, thread_name_prefix="tokenise") as pool:
        coming = pool.submit(make, items[0])
        for item in items[1:]:
            made, coming = coming.result(), pool.submit(make, item)
            yield made
        yield coming.result()
