"""Puts a fresh LoRA adapter on a base model, and saves it so that it goes with the plain base."""

import math
from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file

from formats.errors import UserError
from train.adapters.noise import add_noise
from train.adapters.starts import PISSA, Start, as_difference, start_from_loftq
from train.adapters.stop_row import lighten, rows_to_train
from train.settings import TrainSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WEIGHTS = "adapter_model.safetensors"
"""PEFT's name of the file with an adapter's matrices."""


def add_adapter(model: "PreTrainedModel", settings: TrainSettings, *, stop_token: int | None = None) -> PeftModel:
    """Puts a fresh LoRA adapter on a base; its matrices are float32, whatever the base computes in.

    The start depends on the seed of torch, and for PiSSA the base's own weights are changed in memory: save with `save_adapter`.

    Args:
        stop_token: a token whose rows in the embedding and the output matrix are trained too; see `stop_to_train`.

    Raises:
        UserError: no module has one of the names in `target_modules`, or `init` needs weights that are not there.
    """
    config = LoraConfig(
        r=settings.rank,
        # PEFT's annotation is narrower than what it takes.
        lora_alpha=cast(int, settings.alpha),
        lora_dropout=settings.dropout,
        use_rslora=settings.rslora,
        use_dora=settings.dora,
        init_lora_weights=cast(bool, PISSA) if settings.init == "pissa" else True,
        target_modules=target_names(settings),
        trainable_token_indices=None if stop_token is None else rows_to_train(model, stop_token),
        task_type="CAUSAL_LM",
    )
    try:
        adapted: PeftModel = get_peft_model(model, config)
    except ValueError as error:
        raise UserError(f"train.target_modules = {settings.target_modules!r}: {' '.join(str(error).split())}") from None
    if stop_token is not None:
        lighten(adapted)
    if settings.init == "loftq":
        start_from_loftq(adapted)
    if settings.neftune_alpha:
        add_noise(adapted, settings.neftune_alpha)
    return adapted


def target_names(settings: TrainSettings) -> str | list[str]:
    """The layers to adapt as PEFT takes them: a lone name is a name, never a pattern."""
    modules = settings.target_modules
    if modules == "all-linear":
        return modules
    return [modules] if isinstance(modules, str) else list(modules)


def save_adapter(model: PeftModel, folder: Path, start: Start | None = None, gathered: Mapping[str, torch.Tensor] | None = None) -> None:
    """Writes PEFT's files of an adapter into a folder, such that loading them onto the plain base gives the trained function.

    Args:
        start: what `start_of` returned before the training; a PiSSA adapter is written with twice its rank.
        gathered: the model's parameters where they have to be gathered from several processes first.
    """
    if start is None:
        model.save_pretrained(str(folder), save_embedding_layers=False, state_dict=None if gathered is None else dict(gathered))
        return
    state = get_peft_model_state_dict(model, None if gathered is None else dict(gathered), save_embedding_layers=False)
    config = cast(LoraConfig, copy(model.peft_config["default"]))
    config.r *= 2
    # The scale stays: alpha / r, or alpha / sqrt(r).
    config.lora_alpha = cast(int, config.lora_alpha * (math.sqrt(2) if config.use_rslora else 2))
    config.init_lora_weights = True
    config.inference_mode = True
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in as_difference(state, start).items()}, folder / WEIGHTS, {"format": "pt"})
    config.save_pretrained(str(folder))
