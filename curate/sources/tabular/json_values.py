"""The elements of a JSON array, and the members of a JSON object, one by one: bounded memory however large the whole is."""

import codecs
import json
from collections.abc import Iterable, Iterator
from typing import Any

from formats.errors import UserError

LONGEST = 32 << 20
"""Characters of one element at most, as of a line of NDJSON."""

_SPACE = " \t\r\n"
_GOES_ON = ("", *".eE+-")
"""What may follow the part of a number that is held so far."""


def elements(blocks: Iterable[bytes], name: str) -> Iterator[Any]:
    """The elements of the array that the blocks hold. Bytes that are not UTF-8 come as lone surrogates.

    Args:
        name: of the file, for errors.

    Raises:
        UserError: it is no array, is cut off, or has an element that is no JSON or too long.
    """
    text = _Text(blocks, name)
    text.expect("[")
    if text.peek() == "]":
        return
    while True:
        yield text.value()
        if text.expect(",]") == "]":
            return


def members(blocks: Iterable[bytes], name: str) -> Iterator[tuple[str, Any]]:
    """The keys and values of the object that the blocks hold.

    Raises:
        UserError: as `elements` does.
    """
    text = _Text(blocks, name)
    text.expect("{")
    if text.peek() == "}":
        return
    while True:
        key = text.value()
        text.expect(":")
        yield str(key), text.value()
        if text.expect(",}") == "}":
            return


class _Text:
    """The text that is not read yet, of which as little is held as the next value takes."""

    def __init__(self, blocks: Iterable[bytes], name: str) -> None:
        self._blocks = iter(blocks)
        self._name = name
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        self._scan = json.JSONDecoder().raw_decode
        self._text, self._at, self._values = "", 0, 0
        self._ended = False

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def expect(self, characters: str) -> str:
        """Passes over the next character, which is one of these."""
        found = self.peek()
        if not found or found not in characters:
            self._fail(f"found {found!r}" if found else "it ends", " or ".join(characters))
        self._at += 1
        return found

    def value(self) -> Any:
        """The next value."""
        self.peek()
        self._values += 1
        while True:
            try:
                value, end = self._scan(self._text, self._at)
                if self._text[end : end + 1] not in _GOES_ON or not self._more():
                    self._at = end
                    return value
            except RecursionError:
                self._fail("it is nested too deep", "a table's row")
            except ValueError as error:
                if len(self._text) - self._at > LONGEST or not self._more():
                    self._fail(str(error).split(":")[0], f"a value of at most {LONGEST >> 20} MiB")

    def _more(self) -> bool:
        """Whether there was more to read."""
        if self._ended:
            return False
        block = next(self._blocks, None)
        self._ended = block is None
        self._text = self._text[self._at :] + self._decode(block or b"", self._ended)
        self._at = 0
        return True

    def _fail(self, found: str, expected: str) -> None:
        raise UserError(
            f"{self._name}: no JSON after {self._values} values: {found}, expected {expected}; it is truncated or damaged: fetch it again"
        )
