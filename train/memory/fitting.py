"""What fits a GPU: the most tokens at once, and what to change where nothing does."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from train.memory.layers import kinds_of_layers
from train.memory.plan import plan
from train.settings import TrainSettings

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

KEPT_BACK = 0.05
"""Share of a GPU's memory that no tensor gets: what the card itself holds and what PyTorch's allocator has reserved in gaps. Assumed, not
measured: PyTorch's own messages name some 23.6 of 24 GiB and 47.5 of 48, less on cards that check their memory for errors."""


MOST_BASES = 3
"""So many smaller bases are named."""


@dataclass(frozen=True)
class Change:
    """A change of settings, and the bytes it saves beside the changes before it."""

    setting: str
    saves: int
    fits: bool


@dataclass(frozen=True)
class Advice:
    """Changes in the order of what they cost in quality, each on top of those before it, up to the first combination that fits."""

    changes: tuple[Change, ...]
    fits: bool


def largest(config: "PreTrainedConfig", settings: TrainSettings, gpu_bytes: int, device: str = "cuda") -> int:
    """The most samples of `max_tokens` that can go through the model at once in so much memory, of the `batch` that there are in a step.

    0 where not even one can. Found by regula falsi: more samples take more, nearly evenly.
    """

    def peak(samples: int) -> int:
        return plan(config, settings, samples * settings.max_tokens, device).peak_bytes

    low, high = 1, settings.batch
    least = peak(low)
    if least > gpu_bytes:
        return 0
    if high == low or (highest := peak(high)) <= gpu_bytes:
        return high
    while high - low > 1:
        between = low + int((high - low) * (gpu_bytes - least) / (highest - least))
        between = min(max(between, low + 1), high - 1)
        found = peak(between)
        if found <= gpu_bytes:
            low, least = between, found
        else:
            high, highest = between, found
    return low


def advice(config: "PreTrainedConfig", settings: TrainSettings, tokens: int, gpu_bytes: int, device: str = "cuda") -> Advice:
    """What to change so that a training fits, each step planned again; those that save nothing are left out."""
    now, changes = plan(config, settings, tokens, device), []
    for values, fewer in _steps(settings, tokens):
        changed = settings.model_copy(update=values)
        after = plan(config, changed, min(tokens, fewer), device)
        if after.peak_bytes >= now.peak_bytes:
            continue
        settings, tokens = changed, min(tokens, fewer)
        fits = after.peak_bytes <= gpu_bytes
        changes.append(Change(_written(values), now.peak_bytes - after.peak_bytes, fits))
        if fits:
            return Advice(tuple(changes), True)
        now = after
    return Advice(tuple(changes), False)


def _steps(settings: TrainSettings, tokens: int) -> Iterator[tuple[dict[str, Any], int]]:
    """Changes of settings with the most tokens at once that go with them, what costs least first.

    The first four leave what is learned as it is, or nearly; shorter samples leave some out; a smaller adapter learns less.
    """
    one = min(tokens, settings.max_tokens)
    if not settings.activation_checkpointing:
        yield {"activation_checkpointing": True}, tokens
    if tokens > one:
        yield {"tokens_per_batch": one}, one
    if "8bit" not in settings.optimizer:
        yield {"optimizer": "paged_adamw_8bit"}, one
    if settings.quantisation != "nf4" and settings.init != "pissa":
        yield {"quantisation": "nf4"}, one
    for length in (512, 256):
        if settings.max_tokens > length:
            yield {"max_tokens": length, "tokens_per_batch": length}, length
    for rank in (16, 8):
        if settings.rank > rank:
            yield {"rank": rank}, one
    if settings.target_modules == "all-linear":
        yield {"target_modules": ("q_proj", "v_proj")}, one


def _written(values: dict[str, Any]) -> str:
    """Settings as a recipe has them."""
    import json

    return ", ".join(f"{key} = {json.dumps(list(value) if isinstance(value, tuple) else value)}" for key, value in values.items())


def smaller_bases(gpu_bytes: int, settings: TrainSettings, shapes: dict[str, "PreTrainedConfig"], device: str = "cuda") -> list[str]:
    """Names of the `MOST_BASES` largest of the given bases that fit with these settings and one sample at once, the largest first."""
    weight = {"nf4": 0.5, "int8": 1.0, "none": 2.0}[settings.quantisation]
    parameters = {name: kinds_of_layers(config)[1] for name, config in shapes.items()}
    fitting: list[str] = []
    for name in sorted(parameters, key=lambda name: -parameters[name]):
        # Those whose weights alone are too much need no plan.
        if weight * parameters[name] <= gpu_bytes and plan(shapes[name], settings, settings.max_tokens, device).peak_bytes <= gpu_bytes:
            fitting.append(name)
        if len(fitting) == MOST_BASES:
            break
    return fitting
