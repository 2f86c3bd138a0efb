"""The samples of a page as compressed chunks, which the page unpacks when they are looked at or searched."""

import json
import zlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from formats.rendering.parts import Cutter, Kind, Part
from formats.templates.template import BOT, Template
from formats.tokens.encoding import Encoded, encode_samples
from formats.tokens.text import token_reader

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ROWS, CHARACTERS = 256, 400_000
"""A chunk ends after so many samples or characters: a page of samples is there at once, and a search has few chunks to unpack."""

_KINDS: dict[Kind, int] = {"boundary": 0, "system": 1, "stop": 2, "reply": 3, "context": 5}
_BOT_BEFORE, _FIRST_SPEAKER = 4, 6
"""Numbers of the parts of a sample, as `text.js` knows them: 5 is a turn of somebody whom the template does not name, 6 of Speaker_0."""


@dataclass(frozen=True)
class Chunk:
    """Some samples as the page holds them: Base64 of deflated JSON, and of their tokens where a tokenizer is known."""

    rows: int
    samples: str
    tokens: str | None


def cut_into_chunks(samples: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The samples in pieces of at most `ROWS` rows, each ended by the row with which it comes to `CHARACTERS`."""
    length = samples.select(pl.col("prompt").str.len_chars() + pl.col("completion").str.len_chars()).to_series().to_numpy()
    first, characters = 0, 0
    for row, more in enumerate(length):
        characters += int(more)
        if characters >= CHARACTERS or row + 1 - first == ROWS:
            yield samples[first : row + 1]
            first, characters = row + 1, 0
    if first < len(length):
        yield samples[first:]


def sample_chunk(samples: pl.DataFrame, template: Template) -> str:
    """These samples cut into parts, each distinct text held once: samples of one thread share their context.

    Returns:
        Of an object with `ids`; `texts`, the distinct texts; `rows`, for each sample the number of a part's kind and the place of its
        text, part after part.
    """
    cutter, texts = Cutter(template), dict[str, int]()
    cut = [cutter.parts(prompt, completion) for prompt, completion in samples.select("prompt", "completion").iter_rows()]
    rows = [list(chain.from_iterable((_number(part), texts.setdefault(part.text, len(texts))) for part in parts)) for parts in cut]
    whole = {"ids": samples["id"].to_list(), "texts": list(texts), "rows": rows}
    return packed(json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode())


def packed(data: bytes) -> str:
    """Bytes as text that stands safely in a page: deflated (RFC 1950), then Base64."""
    return b64encode(zlib.compress(data, 6)).decode("ascii")


class TokenTable:
    """The tokens that samples use, numbered as they first appear: frequent ones come early, so that their numbers are short."""

    def __init__(self, template: Template, tokenizer: "PreTrainedTokenizerBase") -> None:
        self._template, self._tokenizer = template, tokenizer
        self._numbers = np.full(len(tokenizer), -1, np.int32)
        self._ids: list[int] = []

    def encode(self, samples: pl.DataFrame) -> list[Encoded]:
        """The samples in tokens."""
        return encode_samples(self._template, samples["prompt"].to_list(), samples["completion"].to_list(), self._tokenizer)

    def numbered(self, encoded: Sequence[Encoded]) -> bytes:
        """Three numbers for each sample (how many tokens, how many of the prompt, how many of the stop), then all tokens' numbers.

        Each is a LEB128 variable-length integer. Not to be called by two threads at once.
        """
        shape = [(len(row.input_ids), row.num_prompt, row.num_stop) for row in encoded]
        ids = np.concatenate([np.asarray(row.input_ids, np.int64) for row in encoded])
        distinct, first = np.unique(ids, return_index=True)
        new = distinct[np.argsort(first)]
        new = new[self._numbers[new] < 0]
        self._numbers[new] = np.arange(len(self._ids), len(self._ids) + len(new))
        self._ids += new.tolist()
        return variable_length(np.concatenate([np.asarray(shape, np.int64).ravel(), self._numbers[ids]]))

    def to_json(self) -> str:
        """`ids`, `texts` and `special` of the tokens, by their numbers."""
        read, special = token_reader(self._tokenizer), set(self._tokenizer.all_special_ids)
        return json.dumps(
            {
                "ids": self._ids,
                "texts": [read(index) for index in self._ids],
                "special": [number for number, index in enumerate(self._ids) if index in special],
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )


def variable_length(values: NDArray[np.int64]) -> bytes:
    """Integers of 0 to 2**35 - 1 as LEB128: seven bits a byte, the lowest first, the top bit where more follow."""
    values = values.astype(np.uint64)
    sevens = np.stack([(values >> np.uint64(7 * place)) & np.uint64(127) for place in range(5)], axis=1).astype(np.uint8)
    length: NDArray[np.int64] = 1 + np.sum([values >= np.uint64(1) << np.uint64(7 * place) for place in range(1, 5)], axis=0)
    place = np.arange(5)
    sevens |= np.where(place < length[:, None] - 1, 128, 0).astype(np.uint8)
    return sevens[place < length[:, None]].tobytes()


def _number(part: Part) -> int:
    if part.kind != "context" or part.speaker is None:
        return _KINDS[part.kind]
    return _BOT_BEFORE if part.speaker == BOT else _FIRST_SPEAKER + int(part.speaker.rpartition("_")[2])
