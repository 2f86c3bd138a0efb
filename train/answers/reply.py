"""An answer: while it grows token by token, and as a whole, with the reason why it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from formats.templates.template import Template
from formats.tokens.encoding import decode_reply

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedTokenizerBase

Ending = Literal["stop", "other end", "asked end", "length"]
"""Why an answer ended: by the template's whole stop; by an end token alone, where the stop has text before it, or by another end token
of the tokenizer; by a text at which the caller asked it to end; or by the limit of tokens."""


@dataclass(frozen=True)
class Reply:
    """An answer: its text without the stop, the tokens it took (those of the stop included), and why it ended."""

    text: str
    token_ids: tuple[int, ...]
    ending: Ending


class GrowingReply:
    """An answer while it is generated: knows when it has ended, and what of it can be shown already.

    Args:
        config: at which tokens it ends, and after how many.
        asked_ends: texts besides the template's stop at which it ends; they are no part of it.
    """

    def __init__(
        self, template: Template, tokenizer: "PreTrainedTokenizerBase", config: "GenerationConfig", asked_ends: Sequence[str] = ()
    ) -> None:
        self._template = template
        self._tokenizer = tokenizer
        self._limit = int(config.max_new_tokens or 0)
        self._asked = tuple(asked_ends)
        ends = config.eos_token_id
        self._ends = frozenset(ends if isinstance(ends, list) else () if ends is None else (ends,))
        # A stop spelled in single characters, at worst a byte each, still lies within so many tokens.
        self._window = max(len(text.encode()) for text in (template.stop, *asked_ends))
        self._ids: list[int] = []
        self._shown = ""
        self.ending: Ending | None = None
        """Why it ended; None while it grows."""

    def add(self, token: int) -> bool:
        """Takes the next token; whether the answer has ended with it."""
        self._ids.append(token)
        tail = str(self._tokenizer.decode(self._ids[-self._window :], clean_up_tokenization_spaces=False))
        if self._template.stop in tail:
            self.ending = "stop"
        elif token in self._ends:
            self.ending = "other end"
        elif any(text in tail for text in self._asked):
            self.ending = "asked end"
        elif len(self._ids) >= self._limit:
            self.ending = "length"
        return self.ending is not None

    def piece(self) -> str:
        """What can be shown now and was not yet: all but what may still turn out to be an end, or a character cut in two."""
        whole = self.reply().text
        if self.ending is None:
            whole = whole[: len(whole) - self._held_back(whole)].rstrip()
        # What was shown cannot be taken back: where the text became another one, it goes on behind what they share.
        differ = (place for place, (now, before) in enumerate(zip(whole, self._shown, strict=False)) if now != before)
        common = next(differ, min(len(whole), len(self._shown)))
        if common == len(whole):
            return ""
        piece, self._shown = whole[common:], whole
        return piece

    def reply(self) -> Reply:
        """The answer so far."""
        said = self._ids[:-1] if self.ending == "other end" else self._ids
        text = decode_reply(self._template, said, self._tokenizer)
        cuts = [text.find(end) for end in self._asked if end in text] if self.ending == "asked end" else []
        return Reply(text[: min(cuts)].rstrip() if cuts else text, tuple(self._ids), self.ending or "length")

    def _held_back(self, text: str) -> int:
        """How many characters at the end may still be the beginning of an end, or of a character: three of its four bytes at most."""
        ends = [self._template.stop.lstrip(), *self._asked]
        begun = [size for end in ends for size in range(1, len(end) + 1) if text.endswith(end[:size])]
        return max([*begun, min(3, len(text) - len(text.rstrip("�")))])
