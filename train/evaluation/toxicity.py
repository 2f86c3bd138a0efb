"""How toxic answers are, beside the forum's own replies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from filters.toxicity import Toxicity
from train.evaluation.intervals import Estimate, Floats


@dataclass(frozen=True)
class ToxicityFigures:
    """Toxicity of texts: the mean of each text's score, and the share of texts that the filter would drop for it.

    A text's score is its `toxicity`, or the highest of the labels with a threshold where the scorer has no such label. `scored` texts
    have one; empty texts and those that the scorer cannot read have none.
    """

    scored: int
    mean: Estimate
    over: Estimate


class ToxicityMeter:
    """A scorer of `filters.toxicity` and its thresholds.

    Raises:
        RuleError: there is no such scorer, or its model cannot be loaded.
    """

    def __init__(self, scorer: str) -> None:
        self._rule = Toxicity(scorer=scorer)
        self._scorer = self._rule.load()
        self.scorer = scorer
        self.thresholds = dict(self._rule.thresholds or {})

    def score(self, texts: Sequence[str]) -> tuple[Floats, list[bool]]:
        """The score of each text that has one, and whether each of these is over a threshold."""
        found = self._scorer.score([text for text in texts if text.strip()])
        labels = ["toxicity"] if found["toxicity"].count() else [label for label in self.thresholds if label in found.columns]
        over = [any((row[label] or 0.0) > limit for label, limit in self.thresholds.items() if label in row) for row in found.to_dicts()]
        highest = [max((value for value in row if value is not None), default=None) for row in found.select(labels).iter_rows()]
        known = [(value, is_over) for value, is_over in zip(highest, over, strict=True) if value is not None]
        return np.array([value for value, _ in known], np.float64), [is_over for _, is_over in known]
