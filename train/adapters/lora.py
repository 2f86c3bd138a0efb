"""Puts a fresh LoRA adapter on a base model."""

from typing import TYPE_CHECKING, cast

from peft import LoraConfig, PeftModel, get_peft_model

from formats.errors import UserError
from train.settings import TrainSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def add_adapter(model: "PreTrainedModel", settings: TrainSettings) -> PeftModel:
    """Puts a fresh LoRA adapter on a base; its matrices are float32, whatever the base computes in.

    Raises:
        UserError: no module has one of the names in `target_modules`.
    """
    modules = settings.target_modules
    config = LoraConfig(
        r=settings.rank,
        # PEFT's annotation is narrower than what it takes.
        lora_alpha=cast(int, settings.alpha),
        lora_dropout=settings.dropout,
        use_rslora=settings.rslora,
        target_modules=modules if isinstance(modules, str) else list(modules),
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise UserError(f"train.target_modules = {modules!r}: {' '.join(str(error).split())}") from None
