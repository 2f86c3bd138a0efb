"""A conversation with an adapter that keeps its history and streams its answers."""

import datetime
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from formats.rendering.render import Turn, render_prompt
from formats.templates.template import BOT, Template
from formats.templates.values import Values
from formats.tokens.encoding import decode_reply, encode_prompt
from train.adapters.folder import generation_config, read_adapter
from train.answers.generate import Reply, TextualStop, attach, read_reply
from train.bases.base_model import load_for_generation, load_tokenizer, resolve

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase


class Chat:
    """A conversation: each `reply` sees the turns before it, as many as fit.

    Args:
        max_context: tokens of the prompt at most; the oldest turns are left out first.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        template: Template,
        config: "GenerationConfig",
        max_context: int,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._template = template
        self._config = config
        self._max_context = max_context
        self.turns: list[Turn] = []
        self.last: Reply | None = None
        """The last answer as a whole, with the reason why it ended; None where it was left early."""

    def reply(self, text: str) -> Iterator[str]:
        """Answers, piece by piece as the answer grows; joined, the pieces are the answer, without its stop.

        Leaving the iterator early ends the answer; what was said until then stays in the history.
        """
        self.turns.append(Turn("Speaker_0", text))
        self.last = None
        prompt = self._prompt()
        stream = _TokenStream()
        left = _Left()
        thread = threading.Thread(target=self._generate, args=(prompt, stream, left), daemon=True)
        thread.start()
        ids: list[int] = []
        said = ""
        try:
            for token in stream:
                ids.append(token)
                whole = decode_reply(self._template, ids, self._tokenizer)
                safe = whole[: len(whole) - _held_back(whole, self._template)].rstrip()
                if safe.startswith(said) and len(safe) > len(said):
                    piece, said = safe[len(said) :], safe
                    yield piece
            self.last = read_reply(ids, self._template, self._tokenizer)
            before, said = said, self.last.text
            if said.startswith(before) and len(said) > len(before):
                yield said[len(before) :]
        finally:
            left.now = True
            thread.join()
            self.turns.append(Turn(BOT, said))

    def forget(self) -> None:
        """Begins the conversation anew."""
        self.turns.clear()

    def _prompt(self) -> list[int]:
        """The tokens of the prompt with as many of the last turns as fit; of a last turn that is too long alone, its end."""
        turns = list(self.turns)
        while True:
            ids = encode_prompt(self._template, render_prompt(self._template, turns, Values(date=datetime.date.today())), self._tokenizer)
            if len(ids) <= self._max_context or (len(turns) == 1 and len(turns[0].text) < 2):
                return ids
            turns = turns[1:] if len(turns) > 1 else [Turn(turns[0].speaker, turns[0].text[len(turns[0].text) // 4 + 1 :])]

    def _generate(self, prompt: Sequence[int], stream: "_TokenStream", left: "_Left") -> None:
        generator: Any = self._model
        inputs = torch.tensor([list(prompt)], device=self._model.device)
        try:
            with torch.inference_mode():
                generator.generate(
                    input_ids=inputs,
                    attention_mask=torch.ones_like(inputs),
                    generation_config=self._config,
                    stopping_criteria=StoppingCriteriaList([TextualStop(self._template, self._tokenizer, len(prompt)), left]),
                    streamer=stream,
                    use_cache=True,
                )
        except Exception as error:
            stream.fail(error)


def open_chat(adapter_folder: Path) -> Chat:
    """Loads an adapter and its base for a conversation.

    Raises:
        UserError: there is no adapter, or its base cannot be loaded.
    """
    adapter = read_adapter(adapter_folder)
    base = resolve(adapter.base)
    tokenizer = load_tokenizer(base)
    model = attach(load_for_generation(base, adapter.settings.quantisation), adapter)
    return Chat(
        model, tokenizer, adapter.template, generation_config(adapter.decoding, adapter.template, tokenizer), adapter.settings.max_tokens
    )


def _held_back(text: str, template: Template) -> int:
    """How many characters at the end may still turn out to be the beginning of the stop, or of a character cut in two."""
    stop = template.stop.lstrip()
    longest = max((size for size in range(1, len(stop)) if text.endswith(stop[:size])), default=0)
    return max(longest, 1 if text.endswith("�") else 0)


class _Left(StoppingCriteria):
    """Ends an answer that nobody listens to any more."""

    now = False

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **kwargs: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self.now, device=input_ids.device)


class _TokenStream(BaseStreamer):
    """Hands tokens from the thread that generates to the one that reads; the prompt, which comes first, is left out."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[int | Exception | None] = SimpleQueue()
        self._saw_prompt = False

    def put(self, value: torch.Tensor) -> None:
        if self._saw_prompt:
            for token in value.reshape(-1).tolist():
                self._queue.put(int(token))
        self._saw_prompt = True

    def end(self) -> None:
        self._queue.put(None)

    def fail(self, error: Exception) -> None:
        self._queue.put(error)

    def __iter__(self) -> Iterator[int]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
