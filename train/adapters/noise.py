"""Noise on the embeddings while training (NEFTune, Jain et al. 2023), by the length of each sample."""

from typing import Any

import torch
from peft import PeftModel


def add_noise(model: PeftModel, alpha: float) -> None:
    """Adds uniform noise of at most alpha / sqrt(length * width) to what the embedding puts out, in training mode only.

    The length is that of the token's own sample. The Trainer's `neftune_noise_alpha` takes the length of the whole row, so samples that
    share a row would get less noise, the less the more there are.
    """
    lengths: list[torch.Tensor | None] = [None]

    def note_lengths(module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        starts = kwargs.get("cu_seq_lens_q")
        lengths[0] = None if starts is None else starts.diff()

    def shake(module: torch.nn.Module, args: Any, embedded: torch.Tensor) -> torch.Tensor:
        if not module.training:
            return embedded
        tokens, width = embedded.shape[-2:]
        each = torch.full((1,), tokens, device=embedded.device) if lengths[0] is None else lengths[0].to(embedded.device)
        most = alpha / (each.repeat_interleave(tokens if lengths[0] is None else each) * width).sqrt()
        noise = torch.rand(embedded.shape, device=embedded.device) * 2 - 1
        return embedded + (noise * most[:, None]).to(embedded.dtype)

    model.register_forward_pre_hook(note_lengths, with_kwargs=True)
    causal: Any = model.get_base_model()
    causal.get_input_embeddings().register_forward_hook(shake)
