"""What a training tells while it runs."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainProgress:
    """Where a training stands after an optimizer step: `loss` of that step (nats a token), `tokens` since the training's beginning.

    Tokens are real ones, there is no padding; `tokens_per_second` counts the last twenty steps, `seconds_left` is estimated from them.
    `validation_loss` is the last one measured on held-out samples, None where there is none yet.
    """

    step: int
    steps: int
    loss: float
    tokens: int
    tokens_per_second: float
    seconds_left: float
    validation_loss: float | None = None


OnProgress = Callable[[TrainProgress], None]


OnSay = Callable[[str], None]

OnStage = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def silent(progress: TrainProgress) -> None:
    """Shows nothing."""


def mute(line: str) -> None:
    """Says nothing."""
