"""What a client may send: OpenAI's fields and a few of ours. None that would change the answer is passed over in silence."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from train.serving.refusals import RefusedError, refused_fields, wrong

MOST_STOPS = 4
_LONGEST_STOP = 200

_WITHOUT_EFFECT = frozenset(
    ("user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "parallel_tool_calls")
)
"""Fields that change no answer here, whatever they say."""

_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "audio": (), "best_of": (1,), "frequency_penalty": (0, 0.0), "function_call": ("none",), "functions": ([],), "logit_bias": ({},),
    "logprobs": (False,), "modalities": (["text"],), "moderation": (), "prediction": (), "presence_penalty": (0, 0.0),
    "reasoning_effort": (), "response_format": ({"type": "text"},), "service_tier": ("auto", "default"), "store": (False,), "suffix": ("",),
    "tool_choice": ("none", "auto"), "tools": ([],), "top_logprobs": (0,), "verbosity": (), "web_search_options": (),
}  # fmt: skip
"""Fields of OpenAI's that are not supported, with the values that ask for nothing."""

_INSTEAD = {
    "frequency_penalty": "; repetition_penalty is there",
    "presence_penalty": "; repetition_penalty is there",
    "best_of": "; n gives several answers",
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class StreamOptions(_Body):
    """How an answer is streamed."""

    include_usage: bool = False
    include_obfuscation: Literal[False] = False


class Sampled(_Body):
    """What both kinds of requests say; what is left out is as the adapter ships it."""

    model: str
    mix: dict[str, Annotated[float, Field(ge=-4, le=4)]] | None = None
    temperature: float | None = Field(None, ge=0, le=5)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0)
    repetition_penalty: float | None = Field(None, gt=0, le=3)
    max_tokens: int | None = Field(None, ge=1)
    seed: int | None = Field(None, ge=-(1 << 63), lt=1 << 63)
    n: int = Field(1, ge=1)
    stop: str | list[str] = []
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts at which answers end, besides the adapter's own stop."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def longest(self) -> int | None:
        """Tokens of an answer at most; None: as the adapter ships it."""
        return self.max_tokens

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Reads and checks a request's body.

        Raises:
            RefusedError: it is no JSON, has a field that is not known or not as it should be, or asks for something that is not supported.
        """
        try:
            said = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise RefusedError(400, f"the body is not JSON ({str(error)[:120]})", code="invalid_json") from None
        if not isinstance(said, dict):
            raise RefusedError(400, f"the body is JSON, but a {type(said).__name__}, not an object", code="invalid_json")
        try:
            read = cls.model_validate(_supported(said))
        except ValidationError as error:
            raise refused_fields(error, FIELDS) from None
        read._refuse_wrong_stops()
        if said.get("stream_options") is not None and not read.stream:
            raise wrong("stream_options", "only with stream = true")
        return read

    def _refuse_wrong_stops(self) -> None:
        if len(self.stops) > MOST_STOPS:
            raise wrong("stop", f"{len(self.stops)} texts, at most {MOST_STOPS} can be")
        if not all(0 < len(stop) <= _LONGEST_STOP for stop in self.stops):
            raise wrong("stop", f"a text needs 1 to {_LONGEST_STOP} characters")


class Part(_Body):
    """A part of a message: text is all that is read."""

    type: Literal["text"]
    text: str


class Message(_Body):
    """What one speaker said; speakers are told apart by name where the template tells them apart."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]
    name: str | None = None

    @property
    def text(self) -> str:
        """All that it says."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class ChatBody(Sampled):
    """A request for the next message of a conversation."""

    messages: list[Message] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    truncation: Literal["auto", "disabled"] = "auto"

    @property
    def longest(self) -> int | None:
        """Tokens of an answer at most, under the newer name or the older.

        Raises:
            RefusedError: both are given and differ.
        """
        given = {limit for limit in (self.max_tokens, self.max_completion_tokens) if limit is not None}
        if len(given) > 1:
            raise wrong("max_completion_tokens", "max_tokens says otherwise; give one")
        return next(iter(given), None)


class TextBody(Sampled):
    """A request for what goes on after a prompt: raw text, in which the template's boundaries count, or tokens; one or several."""

    prompt: str | list[str] | list[int] | list[list[int]]
    echo: bool = False

    @property
    def prompts(self) -> list[str | list[int]]:
        """The prompts, one by one."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if tokens := [token for token in self.prompt if isinstance(token, int)]:
            return [tokens]
        return [one for one in self.prompt if not isinstance(one, int)]


FIELDS = frozenset(name for model in (ChatBody, TextBody, Message, Part, StreamOptions) for name in model.model_fields)


def _supported(said: dict[str, Any]) -> dict[str, Any]:
    """The fields that matter; null is the same as not there, in messages too, which come back as an earlier answer told them."""
    kept = {}
    for name, value in said.items():
        if value is None or name in _WITHOUT_EFFECT:
            continue
        if name not in _NEUTRAL:
            kept[name] = value
        elif not any(type(value) is type(neutral) and value == neutral for neutral in _NEUTRAL[name]):
            raise wrong(name, f"not supported{_INSTEAD.get(name, '')}; leave it out", "unsupported_parameter")
    if isinstance(kept.get("messages"), list):
        kept["messages"] = [
            {name: value for name, value in message.items() if value is not None and not (name == "annotations" and value == [])}
            if isinstance(message, dict)
            else message
            for message in kept["messages"]
        ]
    return kept
