"""How much memory a training takes, by part, from the base's config alone."""

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import torch

from formats.errors import UserError
from train.bases.base_model import compute_dtype
from train.bases.base_model import device as this_device
from train.learning.attention import SEGMENTS, can_use_segments
from train.learning.optimizer import optimizer_name
from train.memory.imagined_model import period, shortened
from train.memory.process import process_bytes
from train.memory.step import Figures, MicroBatch, imagined_step, micro_batch_of
from train.settings import TrainSettings

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

REPLY_SHARE = 0.5
"""Share of the tokens that carry loss, where no samples say it. Of forum replies with what they answer it is a half, give or take."""

FULL_BYTES = 16
"""Bytes a parameter of full fine-tuning in mixed precision with Adam, without activations: weight and gradient in 16 bit, and in float32
a copy of the weight and two moments (Rajbhandari et al. 2020, "ZeRO", section 3.1)."""


HELD_BACK = 0.3
"""Share of what comes and goes in a step that the C library's allocator holds on a CPU beyond what is alive, in gaps between blocks.
From measured peaks of SmolLM2-135M with 3,816 tokens at once, glibc 2.36: 0.25 to 0.45 between runs of the same training."""


@dataclass(frozen=True)
class Part:
    """What takes `bytes` of the peak, and in a few words what it is."""

    name: str
    bytes: int
    says: str


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
    def full_bytes(self) -> int:
        """Full fine-tuning of the base, `FULL_BYTES` a parameter, without activations."""
        return FULL_BYTES * (self.total_parameters - self.trainable_parameters)


def plan(
    config: "PreTrainedConfig", settings: TrainSettings, tokens: int, device: str = "cpu", *, micro_batch: MicroBatch | None = None
) -> Plan:
    """Says what a training takes, by running its step on tensors without memory.

    A model of few layers is run, and one of twice as many: every layer more adds as much as the one before. What a GPU's own kernels take
    beside their results is not seen.

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
        moving = sum(part.bytes for part in parts if part.name in ("activations", "working memory"))
        parts.append(Part("allocator", round(HELD_BACK * moving), "gaps between blocks that it cannot hand out again"))
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
    layers = int(getattr(config.get_text_config(), "num_hidden_layers", 0))
    if layers < 1:
        raise UserError(f"model type {config.model_type!r}: its config names no num_hidden_layers; it cannot be planned")
    few = period(config)
    if layers <= 2 * few:
        return imagined_step(shortened(config, layers), settings, batch, accumulates, dtype, attention, device)
    some, more = (imagined_step(shortened(config, n), settings, batch, accumulates, dtype, attention, device) for n in (few, 2 * few))
    return some.at(layers, few, more, 2 * few)


def _parts(figures: Figures, settings: TrainSettings, batch: MicroBatch, accumulates: bool, device: str) -> list[Part]:
    """What is alive at the highest point of a step, by what it is."""
    still = figures.quantised + figures.plain + figures.adapter
    peak = max(figures.forward, figures.early_backward, figures.late_backward, figures.optimizer)
    has_gradients = accumulates or peak in (figures.late_backward, figures.optimizer)
    # In the second half of the backward pass what was kept is mostly gone.
    keeps = peak in (figures.forward, figures.early_backward)
    gradients = min(figures.gradients, peak - still) if has_gradients else 0.0
    kept = min(figures.kept, peak - still - gradients) if keeps else 0.0
    optimizer = optimizer_name(settings, device)
    quantised = {"nf4": "4 bits and constants a weight", "int8": "8 bits and constants a weight", "none": ""}[settings.quantisation]
    moves = "; moves to main memory where the GPU is full" if optimizer.startswith("paged") else ""
    checkpointed = "with activation checkpointing" if settings.activation_checkpointing else "without activation checkpointing"
    return [
        Part("quantised weights", round(figures.quantised), quantised),
        Part("other weights", round(figures.plain), "embeddings, output matrix, norms" if quantised else "the whole base"),
        Part("adapter", round(figures.adapter), f"{round(figures.trainable):,} parameters in float32"),
        Part("gradients", round(gradients), "of the adapter, in float32"),
        Part("optimizer", round(figures.state), f"{optimizer}{moves}"),
        Part("activations", round(kept), f"kept for the backward pass of {batch.tokens:,} tokens, {checkpointed}"),
        Part("working memory", ceil(peak - still - gradients - kept), "unpacked weights, logits, what is in between"),
    ]
