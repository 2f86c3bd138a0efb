"""What fits a GPU: the most tokens at once, and what to change where nothing does."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from train.memory.plan import Plan, plan
from train.settings import TrainSettings

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

MOST_SAMPLES = 256
"""More samples at once are not looked for: past some thousand tokens a GPU is busy anyway."""


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
    """The most samples of `max_tokens` that can go through the model at once in so much memory; 0 where not even one can."""

    def fits(samples: int) -> bool:
        return plan(config, settings, samples * settings.max_tokens, device).peak_bytes <= gpu_bytes

    one, two = (plan(config, settings, samples * settings.max_tokens, device).peak_bytes for samples in (1, 2))
    if one > gpu_bytes:
        return 0
    # Most of it grows evenly with the tokens, so this is near; masks grow with their square.
    guess = 1 + int((gpu_bytes - one) // max(1, two - one))
    most = max(1, min(MOST_SAMPLES, guess))
    while most > 1 and not fits(most):
        most = most * 7 // 8 if most > 7 else most - 1
    return most


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
    """Names of the given bases that fit with these settings and one sample at once, the largest first."""
    planned: dict[str, Plan] = {name: plan(config, settings, settings.max_tokens, device) for name, config in shapes.items()}
    fitting = [name for name, found in planned.items() if found.peak_bytes <= gpu_bytes]
    return sorted(fitting, key=lambda name: -planned[name].total_parameters)
