"""What an evaluation found: the base's figures, the adapter's and the forum's own, what differs, and answers side by side."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from train.answers.reply import Ending
from train.evaluation.copying import NOTABLE, Overlap
from train.evaluation.diversity import Diversity
from train.evaluation.endings import Termination
from train.evaluation.intervals import CONFIDENCE, Estimate
from train.evaluation.lengths import Lengths
from train.evaluation.perplexity import Perplexity
from train.evaluation.style import Style
from train.evaluation.toxicity import ToxicityFigures

VERSION = 1
"""Of the keys of `Evaluation.to_dict`: raised when one of them changes its meaning or goes."""


@dataclass(frozen=True)
class Copying:
    """How much texts share with the training replies.

    Args:
        mean_words: of the longest run of words that a text shares with a training reply.
        notable: the share of texts with a run of `NOTABLE` words or more.
        longest: the longest run of all.
        words: the longest run of each text.
    """

    mean_words: Estimate
    notable: Estimate
    longest: int
    words: tuple[int, ...]


@dataclass(frozen=True)
class Wording:
    """What was measured of texts; None where it was not, for the reason in the evaluation's notes."""

    lengths: Lengths
    diversity: Diversity
    copying: Copying | None
    toxicity: ToxicityFigures | None


@dataclass(frozen=True)
class Figures:
    """What was measured of one model. `greedy` always takes the likeliest token; `shipped` decodes as the adapter's settings say, and
    `wording` and `style` are of those answers.
    """

    perplexity: Perplexity
    greedy: Termination
    shipped: Termination
    wording: Wording
    style: Style


@dataclass(frozen=True)
class Forum:
    """The forum's own replies to the same prompts, each cut at the limit of the answers; `whole` is the share that ends within it."""

    whole: Estimate
    wording: Wording


@dataclass(frozen=True)
class Example:
    """A held-out prompt, the forum's own reply, and both models' answers with the shipped decoding.

    Args:
        endings: why each answer ended.
        overlaps: what each of the three texts shares with a training reply, where that is `NOTABLE` words or more.
        copied_from: for these, by whose text it is, the `sample_key` of every training reply with that run of words.
    """

    prompt: str
    forum: str
    base: str
    adapter: str
    endings: dict[Literal["base", "adapter"], Ending]
    overlaps: dict[str, Overlap]
    copied_from: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Evaluation:
    """An adapter against its base.

    Args:
        about: what was evaluated and how: names, settings, sizes.
        differences: adapter less base, or as the name says.
        notes: what could not be measured, and why, in sentences.
    """

    about: dict[str, Any]
    base: Figures
    adapter: Figures
    forum: Forum
    differences: dict[str, Estimate]
    examples: tuple[Example, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: estimates as `{"value", "interval": [low, high]}`, None for what is not known."""
        plain: dict[str, Any] = _plain(self)
        return {"version": VERSION, "confidence": CONFIDENCE, "notable_words": NOTABLE, **plain}


def _plain(value: Any) -> Any:
    if isinstance(value, Termination):
        return _plain(value.to_dict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
