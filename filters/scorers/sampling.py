"""A model with what depends on the thresholds of a rule: the cascade before it, and the check of its precision."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import reduce
from operator import add
from typing import Any

import polars as pl

from filters.scorers.cascade import LinearSieve
from filters.scorers.fidelity import Fidelity, fidelity
from filters.scorers.scorer import Scorer


class SamplingScorer:
    """A scorer that keeps an eye on itself; see `Sampling`.

    Args:
        scorer: the model.
        thresholds: the scores above which a text is dropped, by label.
        exact: the same model in float32, where `scorer` is less exact.
        cascade: whether a linear model lets clearly clean texts pass.
    """

    def __init__(self, scorer: Scorer, thresholds: Mapping[str, float], exact: Scorer | None, cascade: bool) -> None:
        self.key, self.schema, self.score = scorer.key, scorer.schema, scorer.score
        self._thresholds, self._exact, self._cascade = thresholds, exact, cascade
        self._sieves: list[LinearSieve] = []
        self._fidelity: Fidelity | None = None

    def sieve(self) -> LinearSieve | None:
        """See `Sampling`."""
        if not self._cascade:
            return None
        self._sieves.append(LinearSieve(self._thresholds))
        return self._sieves[-1]

    def exact(self) -> Scorer | None:
        """See `Sampling`."""
        return self._exact if self._fidelity is None else None

    def compare(self, scores: pl.DataFrame, exact: pl.DataFrame) -> None:
        """See `Sampling`."""
        self._fidelity = fidelity(scores, exact, self._thresholds)

    def report(self) -> dict[str, Any]:
        """`scorer`; `precision` where it was compared with float32 (`Fidelity`, and its share); `cascade` (`Sifted.to_dict`)."""
        found: dict[str, Any] = {"scorer": self.key}
        if self._fidelity:
            found["precision"] = {**asdict(self._fidelity), "share": self._fidelity.share}
        if self._sieves:
            found["cascade"] = reduce(add, (sieve.sifted for sieve in self._sieves)).to_dict()
        return found
