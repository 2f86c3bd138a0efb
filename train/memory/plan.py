"""How much memory a training takes, by part, from the base's config alone."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import torch

from formats.errors import UserError
from train.bases.base_model import compute_dtype
from train.bases.base_model import device as this_device
from train.learning.attention import SEGMENTS, can_use_segments
from train.learning.optimizer import optimizer_name
from train.memory.imagined_model import shortened
from train.memory.layers import AS_MANY, enough, kinds_of_layers
from train.memory.process import process_bytes
from train.memory.step import FUSED_ROWS, Figures, MicroBatch, imagined_step, micro_batch_of
from train.settings import TrainSettings

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

REPLY_SHARE = 0.5
"""Share of the tokens that carry loss, where no samples say it. Of forum replies with what they answer it is a half, give or take."""

FULL_BYTES = 16
"""Bytes a parameter of full fine-tuning in mixed precision with Adam, without activations: weight and gradient in 16 bit, and in float32
a copy of the weight and two moments (Rajbhandari et al. 2020, "ZeRO", section 3.1)."""


HELD_ALWAYS, HELD_BACK = 240 << 20, 0.18
"""Bytes, and a share of what comes and goes in a step, that a process on a CPU holds beyond what is alive: gaps between blocks of the C
library's allocator, threads, and libraries that the training is the first to use. A fit to two measured peaks of SmolLM2-135M with 3,816
tokens at once, with and without activation checkpointing (glibc 2.36); they differ by up to 7 % between runs of the same training."""


@dataclass(frozen=True)
class Part:
    """What takes `bytes` of the peak, and in a few words what it is; `moves` if it can go to main memory where the GPU is full."""

    name: str
    bytes: int
    says: str
    moves: bool = False


@dataclass(frozen=True)
class Plan:
    """What a training takes at its peak, by part.

    `tokens` go through the model at once, `learned` of them carry loss. `adapter_bytes` is the size of the adapter's file on disk.
    `full_bytes` is what full fine-tuning of the same model would take without activations, for comparison.
    """

    parts: tuple[Part, ...]
    device: str
    tokens: int
    learned: int
    adapter_bytes: int
    trainable_parameters: int
    total_parameters: int

    @property
    def peak_bytes(self) -> int:
        """All parts together."""
        return sum(part.bytes for part in self.parts)

    @property
    def unpaged_bytes(self) -> int:
        """The peak without what moves to main memory where the GPU is full: a paged optimizer's state."""
        return self.peak_bytes - sum(part.bytes for part in self.parts if part.moves)

    @property
    def full_bytes(self) -> int:
        """Full fine-tuning of the base, `FULL_BYTES` a parameter, without activations."""
        return FULL_BYTES * (self.total_parameters - self.trainable_parameters)


def plan(
    config: "PreTrainedConfig", settings: TrainSettings, tokens: int, device: str = "cpu", *, micro_batch: MicroBatch | None = None
) -> Plan:
    """Says what a training takes, by running its step on tensors without memory.

    A model of the first few layers is run, and one of some more: the rest repeats those between. What a GPU's own kernels take beside
    their results is not seen.

    Args:
        tokens: how many go through the model at once, as samples of at most `max_tokens` tokens, half of which carry loss.
        device: `cpu` or `cuda`; where this computer has no GPU, one that computes in bfloat16.
        micro_batch: the samples' own lengths, in place of `tokens`.

    Raises:
        UserError: transformers cannot build the model from its config, or the settings do not fit it.
    """
    batch = micro_batch or micro_batch_of(tokens, settings.max_tokens, REPLY_SHARE)
    accumulates = len(batch.lengths) < settings.batch
    dtype = compute_dtype() if device == this_device() else torch.bfloat16
    process = process_bytes(device)
    figures = _figures(config, settings, batch, accumulates, dtype, device)
    parts = _parts(figures, settings, batch, accumulates, device)
    if device == "cpu":
        moving = sum(part.bytes for part in parts if part.name in ("activations", "logits", "working memory"))
        parts.append(
            Part("allocator", HELD_ALWAYS + round(HELD_BACK * moving), "gaps between blocks, threads, libraries first used: a fit")
        )
    says = "CUDA context" if device == "cuda" else "Python and the libraries, measured now"
    parts.append(Part("process", process, says))
    return Plan(
        parts=tuple(part for part in parts if part.bytes > 0),
        device=device,
        tokens=batch.tokens,
        learned=batch.learned,
        adapter_bytes=round(figures.adapter),
        trainable_parameters=round(figures.trainable),
        total_parameters=round(figures.total),
    )


def _figures(
    config: "PreTrainedConfig", settings: TrainSettings, batch: MicroBatch, accumulates: bool, dtype: torch.dtype, device: str
) -> Figures:
    """The figures of the whole model."""
    attention = SEGMENTS if device == "cpu" and can_use_segments(config) else "sdpa"
    kinds, parameters = kinds_of_layers(config)
    few, more = enough(kinds)
    with imagining(config):
        found = imagined_step(shortened(config, few), settings, batch, accumulates, dtype, attention, device)
        if more > few:
            longer = imagined_step(shortened(config, more), settings, batch, accumulates, dtype, attention, device)
            found = found.at(len(kinds), few, longer, more)
    base = found.total - found.trainable
    if abs(base - parameters) > AS_MANY * parameters:
        raise UserError(
            f"model type {config.model_type!r}: its layers come to {base:,.0f} parameters where the model has {parameters:,}; "
            "it cannot be planned"
        )
    return found


@contextmanager
def imagining(config: "PreTrainedConfig") -> Iterator[None]:
    """Says in a line what of a model's own code cannot run without numbers, and keeps PyTorch's traceback of it away.

    Raises:
        UserError: anything else than a `UserError` was raised within.
    """
    notices = logging.getLogger("torch._subclasses.fake_tensor")
    level = notices.level
    notices.setLevel(logging.CRITICAL)
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        # Any code of any model runs here, and any of it may look at numbers that are not there.
        reason = " ".join(str(error).split()).split(". ")[0][:160]
        raise UserError(f"model type {config.model_type!r} cannot be planned ({type(error).__name__}: {reason})") from error
    finally:
        notices.setLevel(level)


def _parts(figures: Figures, settings: TrainSettings, batch: MicroBatch, accumulates: bool, device: str) -> list[Part]:
    """What is alive at the highest point of a step, by what it is."""
    still = figures.quantised + figures.plain + figures.adapter
    peak = max(figures.forward, figures.early_backward, figures.late_backward, figures.optimizer)
    has_gradients = accumulates or peak in (figures.late_backward, figures.optimizer)
    # In the second half of the backward pass what was kept is mostly gone.
    keeps = peak in (figures.forward, figures.early_backward)
    gradients = min(figures.gradients, peak - still) if has_gradients else 0.0
    kept = min(figures.kept, peak - still - gradients) if keeps else 0.0
    working = peak - still - gradients - kept
    fused, whole = (min(figures.logits, working), min(figures.kept_logits, kept)) if keeps else (0.0, 0.0)
    at_once = f", {FUSED_ROWS} at once" if fused and batch.learned > FUSED_ROWS else ""
    optimizer = optimizer_name(settings, device)
    quantised = {"nf4": "4 bits and constants a weight", "int8": "8 bits and constants a weight", "none": ""}[settings.quantisation]
    paged = optimizer.startswith("paged")
    moves = "; moves to main memory where the GPU is full" if paged else ""
    checkpointed = "with activation checkpointing" if settings.activation_checkpointing else "without activation checkpointing"
    return [
        Part("quantised weights", round(figures.quantised), quantised),
        Part("other weights", round(figures.plain), "embeddings, output matrix, norms" if quantised else "the whole base"),
        Part("adapter", round(figures.adapter), f"{round(figures.trainable):,} parameters in float32"),
        Part("gradients", round(gradients), "of the adapter, in float32"),
        Part("optimizer", round(figures.state), f"{optimizer}{moves}", paged),
        Part("activations", round(kept - whole), f"kept for the backward pass of {batch.tokens:,} tokens, {checkpointed}"),
        Part("logits", round(fused + whole), f"of {batch.learned:,} tokens with loss{at_once}, in float32"),
        Part("working memory", ceil(working - fused), "unpacked weights, what is in between"),
    ]
