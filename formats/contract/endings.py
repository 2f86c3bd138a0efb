"""What rows end in: the end token, and which of a row's tokens are the stop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from formats.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SLACK = 8
"""Tokens more than an ending has characters, in which it is looked for: a character outside the vocabulary may be four."""

_ANY_WORD = "a"


@dataclass(frozen=True)
class Ending:
    """The text that a row ends in: `stop`, then what a chat template writes `after` it."""

    stop: str
    after: str = ""


def end_literal(tokenizer: "PreTrainedTokenizerBase") -> str:
    """The text of the tokenizer's own end token.

    Raises:
        UserError: it has none.
    """
    if tokenizer.eos_token is None:
        raise UserError(f"the tokenizer of {tokenizer.name_or_path} has no end token (eos_token), so no reply could stop; use another base")
    return str(tokenizer.eos_token)


def tails(
    ids: Sequence[Sequence[int]], texts: Sequence[str], ending: Ending, tokenizer: "PreTrainedTokenizerBase", added: Sequence[int] = ()
) -> list[tuple[int, int]]:
    """For each row how many of its last tokens hold the ending, and how many of these come after the stop; (0, 0) without the ending.

    A token that holds the end of what stands before is one of them.

    Args:
        texts: what `ids` are the tokens of.
        added: what the tokenizer puts behind every text; it belongs to the stop.
    """
    after = ending.after
    whole = ending.stop + after + _decoder(tokenizer)(tuple(added))
    if not whole:
        return [(0, 0)] * len(ids)
    decoded = _decoder(tokenizer)
    alone = tokenizer(ending.stop + after, add_special_tokens=False)["input_ids"]

    def covering(row: Sequence[int], literal: str) -> int:
        """The least number of tokens at the end whose text ends with this one."""
        for count in range(1, min(len(row), len(literal) + _SLACK) + 1):
            if decoded(tuple(row[-count:])).endswith(literal):
                return count
        # What a tokenizer writes otherwise, in lower case say, is known by its tokens.
        return len(alone) + len(added) if list(row[len(row) - len(alone) - len(added) :]) == [*alone, *added] else 0

    found = []
    for row, text in zip(ids, texts, strict=True):
        count = covering(row, whole) if text.endswith(ending.stop + after) else 0
        found.append((count, covering(row, after) if count and after else 0))
    return found


def added_behind(tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """The tokens that a tokenizer puts behind every text by itself; most put none."""
    plain = tokenizer(_ANY_WORD, add_special_tokens=False)["input_ids"]
    whole = tokenizer(_ANY_WORD)["input_ids"]
    for start in range(len(whole) - len(plain), -1, -1):
        if whole[start : start + len(plain)] == plain:
            return list(whole[start + len(plain) :])
    return []


def _decoder(tokenizer: "PreTrainedTokenizerBase") -> Callable[[tuple[int, ...]], str]:
    """The text of tokens as they stand behind others: the first of a text loses its blank in many tokenizers."""
    guard = tokenizer(_ANY_WORD, add_special_tokens=False)["input_ids"]
    before = str(tokenizer.decode(guard, clean_up_tokenization_spaces=False))

    @cache
    def decoded(ids: tuple[int, ...]) -> str:
        return str(tokenizer.decode([*guard, *ids], clean_up_tokenization_spaces=False)).removeprefix(before)

    return decoded
