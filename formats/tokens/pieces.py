"""How a tokenizer reads the pieces of a sample: boundaries with their special tokens, contents as plain text.

Both are read as they would be in the middle of a text. Tokenizers of SentencePiece's kind put a blank before whatever they are given,
which would then stand at every joint of a sample: SentencePiece's `add_dummy_prefix`, in `tokenizers` the scheme of `Metaspace`, the
normalizer `Prepend` and `ByteLevel`'s `add_prefix_space`. Only the first piece of a sample is read as the beginning that it is.
"""

import json
import re
from collections.abc import Sequence, Set
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from formats.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

Ids = NDArray[np.int32]

TOGETHER = 4096
"""Contents in one call: the tokenizer's own record of a batch takes some hundred bytes a token."""


class PieceTokenizer:
    """Reads pieces; made for one batch, since it keeps what it knows of a tokenizer that may be given more tokens later.

    Raises:
        UserError: the tokenizer is none of the library `tokenizers`.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self._tokenizer = tokenizer
        self._plain = _without_added(tokenizer, in_the_middle=True)
        self._boundaries: dict[tuple[str, bool], list[int]] = {}

    @cached_property
    def markers(self) -> dict[int, str]:
        """Tokens that no content becomes, and their literals: the special tokens, and added ones that are more than white space.

        Runs of blanks or line breaks that a vocabulary lists among its added tokens, as Gemma's does, are ordinary text.
        """
        added = self._tokenizer.added_tokens_decoder
        literals = {index: str(token) for index, token in added.items() if token.special or str(token).replace("▁", " ").strip()}
        return literals | dict(zip(self._tokenizer.all_special_ids, self._tokenizer.all_special_tokens, strict=True))

    def boundary(self, literal: str, first: bool = False) -> list[int]:
        """The tokens of a boundary; special tokens that it spells are special tokens.

        Args:
            first: whether the text begins with it.
        """
        if (literal, first) not in self._boundaries:
            self._boundaries[literal, first] = self._boundary(literal, first)
        return self._boundaries[literal, first]

    def contents(self, texts: Sequence[str], first: bool = False) -> list[Ids]:
        """The tokens of plain texts, none of which is one of `markers`, but the one that stands for unknown characters.

        Args:
            first: whether samples begin with them.
        """
        plain = self._beginning if first else self._plain
        found: list[Ids] = []
        for start in range(0, len(texts), TOGETHER):
            part = list(texts[start : start + TOGETHER])
            for text, encoding in zip(part, plain.encode_batch_fast(part, add_special_tokens=False), strict=True):
                ids = encoding.ids
                found.append(np.array(ids if self.markers.keys().isdisjoint(ids) else self._in_parts(text, plain), np.int32))
        return found

    def _boundary(self, literal: str, first: bool) -> list[int]:
        read = self._tokenizer(literal, add_special_tokens=False, split_special_tokens=False, return_offsets_mapping=True)
        ids = list(read["input_ids"])
        marks = (start for token, (start, _) in zip(ids, read["offset_mapping"], strict=True) if token in self.markers)
        at = 0 if first else next(marks, len(literal))
        if at == 0:
            return ids
        # What follows a special token stands in the middle of a text for the tokenizer, too.
        before = list(self._plain.encode(literal[:at], add_special_tokens=False).ids)
        return [*before, *self._boundary(literal[at:], True)] if at < len(literal) else before

    def _in_parts(self, text: str, plain: "Tokenizer") -> list[int]:
        """Cuts every literal of a marker in two, and the text wherever one arises all the same."""
        cuts = [match.start() + 1 for match in self._literals.finditer(text)]
        parts = [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]
        forbidden = self.markers.keys() - {self._tokenizer.unk_token_id}
        readers = [plain, *([self._plain] * len(cuts))]
        return [token for part, reader in zip(parts, readers, strict=True) for token in self._in_halves(part, forbidden, reader)]

    def _in_halves(self, part: str, forbidden: Set[int], plain: "Tokenizer") -> list[int]:
        """Halves the text while a marker arises that does not stand in it: the tokenizer's normalizer writes one, from `＜/s＞` say."""
        ids = list(plain.encode(part, add_special_tokens=False).ids)
        if len(part) < 2 or forbidden.isdisjoint(ids):
            return ids
        half = len(part) // 2
        return [*self._in_halves(part[:half], forbidden, plain), *self._in_halves(part[half:], forbidden, self._plain)]

    @cached_property
    def _beginning(self) -> "Tokenizer":
        return _without_added(self._tokenizer, in_the_middle=False)

    @cached_property
    def _literals(self) -> re.Pattern[str]:
        literals = [re.escape(literal) for literal in self.markers.values() if len(literal) > 1]
        return re.compile(f"(?={'|'.join(literals)})" if literals else "(?!)")


def _without_added(tokenizer: "PreTrainedTokenizerBase", in_the_middle: bool) -> "Tokenizer":
    """The same model without added tokens and, in the middle of a text, without the blank before what it is given."""
    from tokenizers import Tokenizer

    whole = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(whole, Tokenizer):
        raise UserError(
            f"the tokenizer of {tokenizer.name_or_path} is a {type(tokenizer).__name__}; a base with a tokenizer.json is needed"
        )
    plain = Tokenizer(whole.model)
    steps = {name: _state(getattr(whole, name)) for name in ("normalizer", "pre_tokenizer")}
    bare = {name: _without_blank(state) for name, state in steps.items()} if in_the_middle else steps
    # Steps are changed in the form in which they are stored: a tokenizer of one word lends it.
    lent = Tokenizer.from_str(json.dumps({"added_tokens": [], "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}, **bare}))
    for name in steps:
        step = getattr(whole if bare[name] == steps[name] else lent, name)
        if step is not None:
            setattr(plain, name, step)
    return plain


def _state(step: Any) -> Any:
    return None if step is None else json.loads(step.__getstate__())


def _without_blank(state: Any) -> Any:
    """The stored form of a step that puts no blank before a text; None where nothing is left of it."""
    if isinstance(state, list):
        return [kept for step in state if (kept := _without_blank(step)) is not None]
    if not isinstance(state, dict):
        return state
    match state.get("type"):
        case "Prepend":
            return None
        case "Metaspace":
            return state | {"prepend_scheme": "never"}
        case "ByteLevel":
            return state | {"add_prefix_space": False}
        case "Sequence":
            return {key: _without_blank(value) for key, value in state.items()}
    return state
