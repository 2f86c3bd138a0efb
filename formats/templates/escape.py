"""Escapes boundaries inside content, reversibly.

The law: let S be a text without its backslashes. Wherever a boundary starts in S, escaping puts one backslash behind that first
character and unescaping takes one away. Backslashes never move an occurrence in S, so unescape(escape(text)) == text for every
text, and an escaped text holds no boundary, whatever backslashes, overlaps or nested boundaries it came with.
"""

import re
from collections.abc import Sequence

COMMON_SPECIAL_TOKENS = (
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
    "<|end_header_id|>", "<|eot_id|>", "<start_of_turn>", "<end_of_turn>", "<s>", "</s>", "<bos>", "<eos>", "<pad>", "<unk>",
    "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>",
)  # fmt: skip
"""Literals that the tokenizers of the common model families read as special tokens when a trainer hands them a whole text."""


class Escaper:
    """Escapes and unescapes the given boundaries (regular expressions of at least two characters) and the common special tokens."""

    def __init__(self, cores: Sequence[str]) -> None:
        literals = [*cores, *map(re.escape, COMMON_SPECIAL_TOKENS)]
        self.pattern = f"(?:{'|'.join(literals)})"
        """Matches a boundary or a special token in a text without backslashes."""
        self._start = re.compile(f"(?={self.pattern})")

    def escape(self, text: str) -> str:
        """The text with one more backslash behind the first character of every boundary."""
        return self._rewrite(text, 1)

    def unescape(self, text: str) -> str:
        """The inverse of `escape`; a boundary without a backslash stays as it is."""
        return self._rewrite(text, -1)

    def _rewrite(self, text: str, step: int) -> str:
        bare = text.replace("\\", "")
        starts = {match.start() for match in self._start.finditer(bare)}
        if not starts:
            return text
        pieces: list[str] = []
        position, seen = 0, -1
        while position < len(text):
            end = position
            while end < len(text) and text[end] == "\\":
                end += 1
            backslashes = end - position
            if seen in starts:
                backslashes = max(0, backslashes + step)
            pieces.append("\\" * backslashes)
            if end < len(text):
                pieces.append(text[end])
                seen += 1
            position = end + 1
        return "".join(pieces)
