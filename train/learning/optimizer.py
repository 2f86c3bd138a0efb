"""Which optimizer takes the steps on this device."""

from train.settings import TrainSettings

_UNPAGED = {"paged_adamw_32bit": "adamw_torch", "paged_adamw_8bit": "adamw_8bit"}
"""The same steps with a state that stays where it is; only CUDA's unified memory can page one out."""


def optimizer_name(settings: TrainSettings, device: str) -> str:
    """The optimizer in transformers' words: on a GPU paged where nothing else is asked for, on a CPU never."""
    if settings.optimizer == "auto":
        return "paged_adamw_32bit" if device == "cuda" else "adamw_torch"
    return settings.optimizer if device == "cuda" else _UNPAGED.get(settings.optimizer, settings.optimizer)


def optimizer_note(settings: TrainSettings, device: str) -> str | None:
    """A line for the user where another optimizer is taken than was named; None where it is the one."""
    name = optimizer_name(settings, device)
    if settings.optimizer in ("auto", name):
        return None
    return f"{settings.optimizer} pages its state out of a GPU; on this CPU {name} takes the same steps"
