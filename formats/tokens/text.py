"""What single tokens stand for, in a form that people can read."""

import json
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING

from formats.templates.template import Template
from formats.tokens.encoding import end_token_id

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_WORD_BEGIN = "\N{LOWER ONE EIGHTH BLOCK}"


def token_reader(tokenizer: "PreTrainedTokenizerBase") -> Callable[[int], str]:
    """A function from a token's id to the text that it adds.

    Bytes that are no whole character stand as `<0xE2>`, one after the other; an added or special token is its literal. A vocabulary of
    another kind than byte-level or SentencePiece-like keeps its own spelling (`##ing`).
    """
    byte_level = "ByteLevel" in _decoders(tokenizer)
    literals = {index: str(token) for index, token in tokenizer.added_tokens_decoder.items()}

    @cache
    def read(index: int) -> str:
        if index in literals:
            return literals[index]
        token = str(tokenizer.convert_ids_to_tokens(index))
        return _of_bytes(token) if byte_level else _BYTE.sub(_byte, token).replace(_WORD_BEGIN, " ")

    return read


def token_texts(ids: Iterable[int], tokenizer: "PreTrainedTokenizerBase") -> list[str]:
    """What each of these tokens adds to a text; see `token_reader`."""
    read = token_reader(tokenizer)
    return [read(index) for index in ids]


def end_token(template: Template, tokenizer: "PreTrainedTokenizerBase | None") -> str | None:
    """The end token that follows a sample's text; None where the text ends in it already, or without a tokenizer."""
    if tokenizer is None:
        return None
    token = token_reader(tokenizer)(end_token_id(template, tokenizer))
    return None if template.stop.endswith(token) else token


def _decoders(tokenizer: "PreTrainedTokenizerBase") -> set[str]:
    """The kinds of decoders that a fast tokenizer has."""
    decoder = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    state = json.loads(decoder.__getstate__()) if decoder is not None else {}
    return {part["type"] for part in state.get("decoders", [state]) if "type" in part}


def _byte(found: re.Match[str]) -> str:
    value = int(found[1], 16)
    return chr(value) if value < 128 else found[0]


def _of_bytes(token: str) -> str:
    """The text of a byte-level token, in which every byte is written as a character that can be seen."""
    values = bytes(_BYTES.get(character, 0x3F) for character in token)
    try:
        return values.decode()
    except UnicodeDecodeError:
        return "".join(chr(value) if value < 128 else f"<0x{value:02X}>" for value in values)


def _byte_level_alphabet() -> dict[str, int]:
    """GPT-2's spelling of bytes: those of Latin-1 that are seen are themselves, the others follow from U+0100 on."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [value for value in range(256) if value not in seen]
    return {chr(value): value for value in seen} | {chr(0x100 + place): value for place, value in enumerate(others)}


_BYTES = _byte_level_alphabet()
