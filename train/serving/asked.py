"""From what a client sent to what the engine is asked: who answers, in whose manner, and to which prompts."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from formats.errors import UserError
from formats.templates.template import BOT
from train.adapters.folder import generation_config
from train.answers.asking import refuse_system_text
from train.answers.engine import Engine
from train.answers.loaded import BASE, Loaded, Request
from train.answers.voices import Mix
from train.serving.bodies import ChatBody, Sampled, TextBody
from train.serving.messages import SYSTEM, conversation
from train.serving.refusals import RefusedError, wrong
from train.settings import DecodingSettings

AUTO = "auto"
"""In the place of a model's name: the adapter that fits the message."""

_TOO_LONG = "context_length_exceeded"


class Chosen(Protocol):
    """Whom a router chose, and how likely each was."""

    @property
    def name(self) -> str:
        """The adapter, or the base."""

    @property
    def shares(self) -> Mapping[str, float]:
        """By name how likely it is the one."""


class Chooser(Protocol):
    """Chooses who answers a message, while others are being answered."""

    def choose(self, message: str, /) -> Chosen:
        """Whom a message is for."""


@dataclass(frozen=True)
class Limits:
    """How much one request may ask for: bytes of its body, messages, answers (prompts times `n`), tokens of an answer."""

    body_bytes: int = 1 << 19
    messages: int = 256
    answers: int = 16
    new_tokens: int = 4096


@dataclass(frozen=True)
class Asked:
    """What one HTTP request asks for.

    Args:
        requests: one for each answer, prompt by prompt.
        model: who answers.
        prompt_tokens: of all prompts, each counted once.
        extra: what `lorum` says of each answer besides how it ended.
        echoes: what stands before each answer.
    """

    requests: tuple[Request, ...]
    model: str
    prompt_tokens: int
    extra: tuple[Mapping[str, Any], ...]
    echoes: tuple[str, ...]


@dataclass(frozen=True)
class Desk:
    """Those who can answer."""

    loaded: Loaded
    engine: Engine
    chooser: Chooser | None
    limits: Limits

    def chat(self, body: ChatBody) -> Asked:
        """What a request for the next message asks for.

        Raises:
            RefusedError: there is no such model, or something in the messages cannot be answered.
        """
        if len(body.messages) > self.limits.messages:
            raise wrong("messages", f"{len(body.messages)} of them, at most {self.limits.messages} can be")
        shares: Mapping[str, float] | None = None
        model = body.model
        system, turns = conversation(body.messages)
        if model == AUTO and self.chooser is not None:
            choice = self.chooser.choose(turns[-1].text)
            model, shares = choice.name, choice.shares
        mix, manner = self._voice(model, body.mix)
        template = self.loaded.adapters[manner].template
        if template.has_roles and turns[0].speaker == BOT:
            raise wrong("messages", f"in the template {template.name} the user begins, not the assistant")
        if system is not None:
            try:
                refuse_system_text(template)
            except UserError as error:
                place = next(place for place, message in enumerate(body.messages) if message.role in SYSTEM)
                raise wrong(f"messages[{place}].role", str(error), "unsupported_role") from None
        decoding = self._decoding(manner, body)
        request = self.loaded.request(turns, mix, manner, _seed(body), decoding=decoding, ends=body.stops, system=system)
        if body.truncation == "disabled" and (request.left_out or request.is_cut):
            raise wrong("messages", "they are longer than what the adapter reads; leave some out, or leave truncation out", _TOO_LONG)
        self._refuse_many(body.n, "n")
        extra: dict[str, Any] = {"left_out": request.left_out, "is_cut": request.is_cut}
        if body.mix is not None:
            extra["mix"] = body.mix
        if shares is not None:
            extra["shares"] = {name: round(share, 4) for name, share in shares.items()}
        return Asked(_several(request, body.n), model, len(request.prompt), (extra,) * body.n, ("",) * body.n)

    def text(self, body: TextBody) -> Asked:
        """What a request for what goes on after prompts asks for.

        Raises:
            RefusedError: there is no such model, or a prompt cannot be read.
        """
        mix, manner = self._voice(body.model, body.mix)
        prompts = body.prompts
        if not prompts:
            raise wrong("prompt", "it is empty")
        self._refuse_many(len(prompts) * body.n, "prompt")
        adapter, tokenizer = self.loaded.adapters[manner], self.loaded.tokenizer
        config = generation_config(self._decoding(manner, body), adapter.template, tokenizer)
        seed, requests, echoes = _seed(body), list[Request](), list[str]()
        read = [self._read(prompt, manner, int(config.max_new_tokens or 0)) for prompt in prompts]
        for prompt, ids in zip(prompts, read, strict=True):
            requests += _several(Request(ids, adapter.template, config, mix, seed, body.stops), body.n)
            echo = prompt if isinstance(prompt, str) else str(tokenizer.decode(prompt, clean_up_tokenization_spaces=False))
            echoes += [echo if body.echo else ""] * body.n
        extra: dict[str, Any] = {} if body.mix is None else {"mix": body.mix}
        return Asked(tuple(requests), body.model, sum(map(len, read)), (extra,) * len(requests), tuple(echoes))

    def _voice(self, model: str, mix: Mapping[str, float] | None) -> tuple[Mix, str]:
        """Who answers, and the adapter whose template and decoding hold."""
        if model != BASE and model not in self.loaded.adapters:
            there = ", ".join([*self.loaded.adapters, BASE, *([AUTO] if self.chooser else [])])
            raise RefusedError(404, f"model {model[:80]!r} is not here; there are {there}", param="model", code="model_not_found")
        manner = next(iter(self.loaded.adapters)) if model == BASE else model
        if mix is None:
            return ({} if model == BASE else {model: 1.0}), manner
        try:
            self.loaded.refuse_mix(mix, manner)
        except UserError as error:
            raise wrong("mix", str(error)) from None
        return {name: weight for name, weight in mix.items() if weight}, manner

    def _decoding(self, manner: str, body: Sampled) -> DecodingSettings:
        """The adapter's own decoding with what the client says in its place."""
        own, longest = self.loaded.adapters[manner].decoding, body.longest
        if longest is not None and longest > self.limits.new_tokens:
            name = "max_tokens" if body.max_tokens is not None else "max_completion_tokens"
            raise wrong(name, f"{longest:,}, at most {self.limits.new_tokens:,} can be")
        said = {name: getattr(body, name) for name in ("temperature", "top_p", "top_k", "repetition_penalty")}
        said["max_new_tokens"] = longest
        return own.model_copy(update={name: value for name, value in said.items() if value is not None})

    def _refuse_many(self, answers: int, param: str) -> None:
        if answers > self.limits.answers:
            raise wrong(param, f"{answers} answers at once, at most {self.limits.answers} can be")

    def _read(self, prompt: str | Sequence[int], manner: str, limit: int) -> tuple[int, ...]:
        """The tokens of a prompt for which, with its answer, the base has room."""
        ids = self.loaded.tokens(prompt, manner) if isinstance(prompt, str) else tuple(prompt)
        if not ids:
            raise wrong("prompt", "it is empty")
        config = self.loaded.base.config.get_text_config()
        if not all(0 <= token < config.vocab_size for token in ids):
            raise wrong("prompt", f"a token is not among the {config.vocab_size:,} of the base")
        positions = getattr(config, "max_position_embeddings", None)
        if positions is not None and len(ids) + limit > positions:
            wanted = f"{len(ids):,} tokens of prompt and {limit:,} of answer"
            raise wrong("prompt", f"the base reads {positions:,} tokens; {wanted} are more", _TOO_LONG)
        return ids


def _several(request: Request, count: int) -> tuple[Request, ...]:
    """The request so many times, each drawn with a seed of its own; the first is what it would be alone."""
    others = [
        Request(request.prompt, request.template, request.config, request.mix, request.seed + (place << 64), request.ends)
        for place in range(1, count)
    ]
    return request, *others


def _seed(body: Sampled) -> int:
    return secrets.randbits(64) if body.seed is None else body.seed % (1 << 64)
