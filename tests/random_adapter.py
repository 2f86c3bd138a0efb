"""An adapter's folder as a training leaves it, with random weights: for what reads, joins, merges and serves adapters."""

from pathlib import Path
from typing import Any

import torch

from formats.templates.template import Template, load_template
from train.adapters.folder import write_adapter
from train.adapters.lora import add_adapter, save_adapter
from train.bases.base_model import load_tokenizer, resolve
from train.settings import DecodingSettings, TrainSettings


def write_random_adapter(
    folder: Path,
    base_folder: Path,
    settings: TrainSettings | None = None,
    *,
    seed: int = 1,
    stop_token: int | None = None,
    model: Any = None,
    template: Template | None = None,
    decoding: DecodingSettings | None = None,
) -> Path:
    """Writes an adapter of a base, whose weights differ from zero enough to be heard.

    Args:
        model: another model than the base's, whose layers the adapter fits; it is changed.
    """
    from transformers import AutoModelForCausalLM

    settings = (settings or TrainSettings(rank=4)).model_copy(update={"base": str(base_folder), "quantisation": "none"})
    torch.manual_seed(seed)
    adapted = add_adapter(model or AutoModelForCausalLM.from_pretrained(base_folder), settings, stop_token=stop_token)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * (0.3 if "magnitude" in name else 0.1))
    tokenizer = load_tokenizer(resolve(str(base_folder)))
    template = template or load_template("comment-response")
    write_adapter(
        folder, lambda to: save_adapter(adapted, to), tokenizer, template, settings, decoding or DecodingSettings(), 1.0, "", {"course": ""}
    )
    return folder
