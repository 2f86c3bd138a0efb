"""Answers in the forms of OpenAI's API: as a whole, and in chunks. What we add stands in `lorum`."""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from train.serving.answers import Whole

DONE = b"data: [DONE]\n\n"
"""The last event of a stream."""


@dataclass(frozen=True)
class ChatForm:
    """Answers as messages."""

    whole_name = "chat.completion"
    chunk_name = "chat.completion.chunk"
    prefix = "chatcmpl"

    def opening(self, place: int) -> dict[str, Any]:
        """The choice of a chunk that comes before what is said."""
        return {"index": place, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}

    def piece(self, place: int, text: str, finish: str | None = None) -> dict[str, Any]:
        """The choice of a chunk; the last one says why the answer ended and nothing else."""
        return {"index": place, "delta": {"content": text} if finish is None else {}, "logprobs": None, "finish_reason": finish}

    def whole(self, place: int, text: str, finish: str) -> dict[str, Any]:
        """The choice of an answer that is told at once."""
        message = {"role": "assistant", "content": text, "refusal": None}
        return {"index": place, "message": message, "logprobs": None, "finish_reason": finish}


@dataclass(frozen=True)
class TextForm:
    """Answers as texts that go on after a prompt.

    Args:
        echoes: for each answer what stands before it: its prompt, where that was asked for.
    """

    echoes: tuple[str, ...]
    whole_name = "text_completion"
    chunk_name = "text_completion"
    prefix = "cmpl"

    def opening(self, place: int) -> dict[str, Any] | None:
        """The choice of a chunk that comes before what is said; None where nothing does."""
        return self.piece(place, self.echoes[place]) if self.echoes[place] else None

    def piece(self, place: int, text: str, finish: str | None = None) -> dict[str, Any]:
        """The choice of a chunk."""
        return {"index": place, "text": text, "logprobs": None, "finish_reason": finish}

    def whole(self, place: int, text: str, finish: str) -> dict[str, Any]:
        """The choice of an answer that is told at once."""
        return self.piece(place, self.echoes[place] + text, finish)


@dataclass(frozen=True)
class Envelope:
    """What is the same in every chunk of an answer.

    Args:
        model: who answers.
        prompt_tokens: of all prompts, each counted once.
        extra: what `lorum` says besides how an answer ended.
    """

    form: ChatForm | TextForm
    model: str
    prompt_tokens: int
    extra: Sequence[Mapping[str, Any]]
    identity: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, answers: Sequence[Whole]) -> dict[str, Any]:
        """The body that tells all answers at once."""
        choices = []
        for place, answer in enumerate(answers):
            choices.append({**self.form.whole(place, answer.reply.text, finish_of(answer)), "lorum": self._told(place, answer)})
        return {**self._head(self.form.whole_name), "choices": choices, "usage": self._usage(answers)}

    def opening(self, place: int) -> bytes | None:
        """The event that comes before what is said, where there is one."""
        choice = self.form.opening(place)
        return None if choice is None else self._chunk([choice])

    def piece(self, place: int, text: str) -> bytes:
        """The event of a piece."""
        return self._chunk([self.form.piece(place, text)])

    def end(self, place: int, answer: Whole) -> bytes:
        """The event that says why an answer ended."""
        return self._chunk([self.form.piece(place, "", finish_of(answer))], lorum=self._told(place, answer))

    def usage(self, answers: Sequence[Whole]) -> bytes:
        """The event that counts the tokens."""
        return self._chunk([], usage=self._usage(answers))

    def _told(self, place: int, answer: Whole) -> dict[str, Any]:
        times = {"seconds": round(answer.seconds, 4), "seconds_to_first": round(answer.seconds_to_first, 4)}
        return {"ending": answer.reply.ending, "tokens": len(answer.reply.token_ids), **times, **self.extra[place]}

    def _chunk(self, choices: Sequence[Any], **more: Any) -> bytes:
        return event({**self._head(self.form.chunk_name), "choices": choices, **more})

    def _head(self, name: str) -> dict[str, Any]:
        return {"id": f"{self.form.prefix}-{self.identity}", "object": name, "created": self.created, "model": self.model}

    def _usage(self, answers: Sequence[Whole]) -> dict[str, int]:
        new = sum(len(answer.reply.token_ids) for answer in answers)
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": new, "total_tokens": self.prompt_tokens + new}


def finish_of(answer: Whole) -> Literal["stop", "length"]:
    """Why an answer ended, in OpenAI's words: `length` only where it was cut."""
    return "length" if answer.reply.ending == "length" else "stop"


def event(value: Mapping[str, Any]) -> bytes:
    """A server-sent event."""
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
