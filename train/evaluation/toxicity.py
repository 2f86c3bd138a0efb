"""How toxic answers are, beside the forum's own replies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filters.toxicity import Toxicity
from train.evaluation.intervals import NOTHING, Estimate, Floats, Threads, mean, mean_difference, share


@dataclass(frozen=True)
class ToxicityFigures:
    """Toxicity of texts: the mean of each text's score, and the share of texts that the filter would drop for it.

    A text's score is its `toxicity`, or the highest of the labels with a threshold where the scorer has no such label. `scored` texts
    have one; empty texts and those that the scorer cannot read have none.
    """

    scored: int
    mean: Estimate
    over: Estimate


@dataclass(frozen=True)
class Scores:
    """What a scorer said of texts, shape (texts,): each one's score, NaN where it has none, and whether it is over a threshold."""

    values: Floats
    over: NDArray[np.bool_]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which texts have a score."""
        return ~np.isnan(self.values)


def toxicity(scores: Scores, seed: int, threads: Threads) -> ToxicityFigures:
    """The figures of texts, over those that have a score."""
    known = scores.known
    count = int(known.sum())
    return ToxicityFigures(count, mean(scores.values[known], seed, threads[known]), share(int(scores.over.sum()), count))


def toxicity_difference(adapter: Scores, base: Scores, seed: int, threads: Threads) -> Estimate:
    """How much more toxic the adapter's answers are, over the prompts at which both answers have a score."""
    both = adapter.known & base.known
    return mean_difference(adapter.values[both], base.values[both], seed, threads[both]) if both.any() else NOTHING


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

    def score(self, texts: Sequence[str]) -> Scores:
        """The score of each text; one without words, or one that the scorer cannot read, has none."""
        places = [place for place, text in enumerate(texts) if text.strip()]
        found = self._scorer.score([texts[place] for place in places])
        labels = ["toxicity"] if found["toxicity"].count() else [label for label in self.thresholds if label in found.columns]
        scores = Scores(np.full(len(texts), np.nan), np.zeros(len(texts), np.bool_))
        for place, row in zip(places, found.to_dicts(), strict=True):
            highest = max((row[label] for label in labels if row[label] is not None), default=None)
            if highest is not None:
                scores.values[place] = highest
                scores.over[place] = any((row[label] or 0.0) > limit for label, limit in self.thresholds.items() if label in row)
        return scores
