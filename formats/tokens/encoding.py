"""Encodes samples into tokens with a loss mask, so that boundaries are stable and content cannot forge a special token.

Boundaries and contents are encoded piece by piece: a tokenizer never sees both at once, so a boundary is the same token sequence in
every context. Contents are encoded as plain text, so `<|im_end|>` in a comment becomes ordinary tokens. A blank that ends a boundary
(`ASSISTANT: `) goes with the text behind it, since vocabularies hold words with the blank before them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from formats.errors import UserError
from formats.rendering.parsing import pieces
from formats.templates.template import Template
from formats.tokens.pieces import Ids, PieceTokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NO_LOSS = -100
"""The label of a position that carries no loss (PyTorch's `ignore_index`)."""

Piece = tuple[bool, bool, str]
"""Whether it is a boundary, whether the sample begins with it, and its text."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """A sample in tokens: the prompt, the reply, the textual stop and the end token; `input_ids` has the shape (tokens,).

    `num_prompt` tokens at the beginning carry no loss; the last `num_stop` are the stop, the end token included.
    """

    input_ids: Ids
    num_prompt: int
    num_stop: int

    @cached_property
    def labels(self) -> NDArray[np.int32]:
        """What each position is to be: `NO_LOSS` in the prompt, its own token in the reply and the stop."""
        labels = self.input_ids.copy()
        labels[: self.num_prompt] = NO_LOSS
        return labels

    @property
    def stop_ids(self) -> list[int]:
        """The tokens of the stop, the end token last."""
        ids: list[int] = self.input_ids[len(self.input_ids) - self.num_stop :].tolist()
        return ids


class SampleEncoder:
    """Encodes rendered samples of one template; a text that stands in several of them is encoded once, and remembered.

    Raises:
        UserError: the tokenizer has no end token, or is none of the library `tokenizers`.
    """

    def __init__(self, template: Template, tokenizer: "PreTrainedTokenizerBase") -> None:
        self._template = template
        self._reader = PieceTokenizer(tokenizer)
        self._opening = _opening_ids(tokenizer)
        self._stop = np.array(_stop_ids(template, self._reader, tokenizer), np.int32)
        self._known: dict[Piece, Ids] = {}

    def encode(self, prompts: Sequence[str], completions: Sequence[str]) -> list[Encoded]:
        """Encodes samples; a completion without the template's stop ends in the end token alone."""
        return [self._joined(*row) for row in self._cut_samples(prompts, completions)]

    def count(self, prompts: Sequence[str], completions: Sequence[str]) -> NDArray[np.int64]:
        """How many tokens each sample has, shape (samples,)."""
        rows = self._cut_samples(prompts, completions)
        parts = ([*self._headed(head), *(self._known[piece] for piece in body), tail] for head, body, tail in rows)
        return np.array([sum(map(len, part)) for part in parts], np.int64)

    def prompt(self, prompt: str) -> list[int]:
        """The tokens of a rendered prompt, as they stand at the beginning of a sample."""
        head = _cut(prompt, self._template)[0]
        self._learn(head)
        ids: list[int] = np.concatenate([self._opening[:0], *self._headed(head)]).tolist()
        return ids

    def _cut_samples(self, prompts: Sequence[str], completions: Sequence[str]) -> list[tuple[list[Piece], list[Piece], Ids]]:
        """What `_cut_sample` finds of each, all of it known."""
        rows = [self._cut_sample(*sample) for sample in zip(prompts, completions, strict=True)]
        self._learn([piece for head, body, _ in rows for piece in (*head, *body)])
        return rows

    def _cut_sample(self, prompt: str, completion: str) -> tuple[list[Piece], list[Piece], Ids]:
        """The pieces of the prompt, those of the reply, and the tokens that end the sample."""
        head, blank = _cut(prompt, self._template)
        body, after = _cut(completion.removesuffix(self._template.stop), self._template, blank)
        tail = self._stop if completion.endswith(self._template.stop) else self._stop[-1:]
        return head, [*body, (False, False, after)] if after else body, tail

    def _learn(self, cut: Sequence[Piece]) -> None:
        new = [piece for piece in dict.fromkeys(cut) if piece not in self._known]
        for first in (False, True):
            contents = [piece for piece in new if piece[:2] == (False, first)]
            self._known.update(zip(contents, self._reader.contents([text for *_, text in contents], first), strict=True))
        boundaries = [piece for piece in new if piece[0]]
        self._known |= {(True, first, text): np.array(self._reader.boundary(text, first), np.int32) for _, first, text in boundaries}

    def _headed(self, head: Sequence[Piece]) -> list[Ids]:
        """The tokens of a prompt's pieces behind the tokenizer's opening, unless the template's own beginning spells that."""
        found = [self._known[piece] for piece in head]
        begun = found[0][: len(self._opening)] if found else self._opening[:0]
        return found if np.array_equal(begun, self._opening) else [self._opening, *found]

    def _joined(self, head: Sequence[Piece], body: Sequence[Piece], tail: Ids) -> Encoded:
        before = self._headed(head)
        ids = np.concatenate([*before, *(self._known[piece] for piece in body), tail])
        return Encoded(ids, sum(map(len, before)), len(tail))


def encode_samples(
    template: Template, prompts: Sequence[str], completions: Sequence[str], tokenizer: "PreTrainedTokenizerBase"
) -> list[Encoded]:
    """Encodes rendered samples in one batch; see `SampleEncoder`."""
    return SampleEncoder(template, tokenizer).encode(prompts, completions)


def encode_sample(template: Template, prompt: str, completion: str, tokenizer: "PreTrainedTokenizerBase") -> Encoded:
    """Encodes one rendered sample; see `encode_samples`."""
    return encode_samples(template, [prompt], [completion], tokenizer)[0]


def encode_prompt(template: Template, prompt: str, tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """The tokens of one rendered prompt; see `SampleEncoder.prompt`."""
    return SampleEncoder(template, tokenizer).prompt(prompt)


def decode_reply(template: Template, ids: Sequence[int], tokenizer: "PreTrainedTokenizerBase") -> str:
    """The text of a generated reply: up to the first end token or textual stop, unescaped and stripped."""
    ends = end_ids(template, tokenizer)
    kept = list(ids)
    first = next((place for place, token in enumerate(kept) if token in ends), len(kept))
    text = str(tokenizer.decode(kept[:first], skip_special_tokens=True, clean_up_tokenization_spaces=False))
    return template.escaper.unescape(text.split(template.stop)[0].strip())


def end_token_id(template: Template, tokenizer: "PreTrainedTokenizerBase") -> int:
    """The token that ends every sample: the last one of the stop where no text becomes it (an end of turn), else the tokenizer's own.

    Raises:
        UserError: the stop ends in no such token and the tokenizer names none.
    """
    return _end(template, PieceTokenizer(tokenizer), tokenizer)


def end_ids(template: Template, tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """The tokens at which generating ends: the template's end token, and the tokenizer's own where that is another."""
    end, own = end_token_id(template, tokenizer), tokenizer.eos_token_id
    return [end] if own in (None, end) else [end, int(own)]


def stop_ids(template: Template, tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """The tokens that end every sample: those of the stop, then the end token unless they end in it."""
    return _stop_ids(template, PieceTokenizer(tokenizer), tokenizer)


def _end(template: Template, reader: PieceTokenizer, tokenizer: "PreTrainedTokenizerBase") -> int:
    last = reader.boundary(template.stop)[-1:]
    if last and last[0] in reader.markers and last[0] != tokenizer.unk_token_id:
        return last[0]
    if tokenizer.eos_token_id is None:
        raise UserError(f"the tokenizer of {tokenizer.name_or_path} has no end token (eos_token), so no reply could stop; use another base")
    return int(tokenizer.eos_token_id)


def _stop_ids(template: Template, reader: PieceTokenizer, tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    stop, end = reader.boundary(template.stop), _end(template, reader, tokenizer)
    return stop if stop[-1:] == [end] else [*stop, end]


def _opening_ids(tokenizer: "PreTrainedTokenizerBase") -> Ids:
    """What the tokenizer puts before a sequence (a begin-of-text token in many families, nothing in others)."""
    plain = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    whole = list(tokenizer("a")["input_ids"])
    return np.array(whole[: whole.index(plain[0])] if plain and plain[0] in whole else [], np.int32)


def _cut(text: str, template: Template, blank: str | None = None) -> tuple[list[Piece], str]:
    """The pieces of a text, and the blank at its end that goes with what follows.

    Args:
        blank: the one before the text; None where the sample begins with it.
    """
    cut: list[Piece] = []
    first, blank = blank is None, blank or ""
    for is_boundary, piece in pieces(text, template):
        whole, blank = blank + piece, ""
        if is_boundary and whole[-1] == " ":
            whole, blank = whole[:-1], " "
        cut.append((is_boundary, first, whole))
        first = False
    return cut, blank
