"""Encodes samples into tokens with a loss mask, so that boundaries are stable and content cannot forge a special token.

Boundaries and contents are encoded piece by piece: a tokenizer never sees both at once, so a boundary is the same token sequence in
every context. Contents are encoded as plain text, so `<|im_end|>` in a comment becomes ordinary tokens.
"""

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from formats.errors import UserError
from formats.escape import Escaper
from formats.render import pieces
from formats.template import Template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NO_LOSS = -100
"""The label of a position that carries no loss (PyTorch's `ignore_index`)."""


@dataclass(frozen=True)
class Encoded:
    """A sample in tokens: the prompt, the reply, the textual stop and the base model's end token.

    `num_prompt` tokens at the beginning carry no loss; the last `num_stop` are the stop, the end token included.
    """

    input_ids: list[int]
    num_prompt: int
    num_stop: int

    @cached_property
    def labels(self) -> list[int]:
        """What each position is to be: `NO_LOSS` in the prompt, its own token in the reply and the stop."""
        return [NO_LOSS] * self.num_prompt + self.input_ids[self.num_prompt :]

    @property
    def stop_ids(self) -> list[int]:
        """The tokens of the stop, the end token last."""
        return self.input_ids[len(self.input_ids) - self.num_stop :]


def encode_samples(
    template: Template, prompts: Sequence[str], completions: Sequence[str], tokenizer: "PreTrainedTokenizerBase"
) -> list[Encoded]:
    """Encodes rendered samples in one batch.

    Raises:
        UserError: the tokenizer has no end token.
    """
    end = end_token_id(tokenizer)
    stop = _encode_literal(template.stop, tokenizer)
    heads = _encode_texts(template, prompts, tokenizer)
    opening = _opening_ids(tokenizer)
    bodies = _encode_texts(template, [completion.removesuffix(template.stop) for completion in completions], tokenizer)
    encoded = []
    for head, body, completion in zip(heads, bodies, completions, strict=True):
        tail = [*stop, end] if completion.endswith(template.stop) else [end]
        encoded.append(Encoded([*opening, *head, *body, *tail], len(opening) + len(head), len(tail)))
    return encoded


def encode_sample(template: Template, prompt: str, completion: str, tokenizer: "PreTrainedTokenizerBase") -> Encoded:
    """Encodes one rendered sample; see `encode_samples`."""
    return encode_samples(template, [prompt], [completion], tokenizer)[0]


def encode_prompt(template: Template, prompt: str, tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """The tokens of a rendered prompt, as they stand at the beginning of a sample."""
    return [*_opening_ids(tokenizer), *_encode_texts(template, [prompt], tokenizer)[0]]


def decode_reply(template: Template, ids: Sequence[int], tokenizer: "PreTrainedTokenizerBase") -> str:
    """The text of a generated reply: up to the first end token or textual stop, unescaped and stripped."""
    end = end_token_id(tokenizer)
    kept = list(ids)
    if end in kept:
        kept = kept[: kept.index(end)]
    text = str(tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False))
    return Escaper(template.cores).unescape(text.split(template.stop)[0].strip())


def end_token_id(tokenizer: "PreTrainedTokenizerBase") -> int:
    """The base model's own end token, which ends every sample.

    Raises:
        UserError: the tokenizer names none.
    """
    if tokenizer.eos_token_id is None:
        raise UserError(f"the tokenizer of {tokenizer.name_or_path} has no end token (eos_token), so no reply could stop; use another base")
    return int(tokenizer.eos_token_id)


def stop_ids(template: Template, tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """The tokens that end every sample: the textual stop, then the end token."""
    return [*_encode_literal(template.stop, tokenizer), end_token_id(tokenizer)]


def _opening_ids(tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """What the tokenizer puts before a sequence (a begin-of-text token in many families, nothing in others)."""
    plain = _encode_literal("a", tokenizer)
    whole = list(tokenizer("a")["input_ids"])
    return whole[: whole.index(plain[0])] if plain and plain[0] in whole else []


def _encode_literal(text: str, tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _encode_texts(template: Template, texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
    """The tokens of texts of boundaries and contents; each distinct boundary is encoded once."""
    cut = [pieces(text, template) for text in texts]
    contents = [piece for row in cut for is_boundary, piece in row if not is_boundary]
    boundaries = {piece: _encode_literal(piece, tokenizer) for row in cut for is_boundary, piece in row if is_boundary}
    encoded = iter(_encode_contents(contents, tokenizer))
    return [[token for is_boundary, piece in row for token in (boundaries[piece] if is_boundary else next(encoded))] for row in cut]


def _encode_contents(contents: list[str], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
    """Tokens of plain text, none of them an added token: where one would arise, its literal is cut in two and encoded in parts."""
    added = {index: str(token) for index, token in tokenizer.added_tokens_decoder.items()}
    return [
        ids if added.keys().isdisjoint(ids) else _encode_in_parts(content, added, tokenizer)
        for content, ids in zip(contents, _encode_plain(contents, tokenizer), strict=True)
    ]


def _encode_in_parts(content: str, added: Mapping[int, str], tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    literals = [re.escape(literal) for literal in added.values() if len(literal) > 1]
    cuts = [match.start() + 1 for match in re.finditer(f"(?={'|'.join(literals)})", content)] if literals else []
    parts = [content[start:end] for start, end in pairwise([0, *cuts, len(content)])]
    forbidden = added.keys() - {tokenizer.unk_token_id}  # what is left of that one stands for characters that are not in the vocabulary
    return [token for part in parts for token in _encode_halved(part, forbidden, tokenizer)]


def _encode_halved(part: str, forbidden: Set[int], tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """Halves the text while an added token arises that does not stand in it: the tokenizer's normalizer writes one, from `＜/s＞` say."""
    ids = _encode_plain([part], tokenizer)[0]
    if len(part) < 2 or forbidden.isdisjoint(ids):
        return ids
    halves = part[: len(part) // 2], part[len(part) // 2 :]
    return [token for half in halves for token in _encode_halved(half, forbidden, tokenizer)]


def _encode_plain(texts: list[str], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
    return list(tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"]) if texts else []
