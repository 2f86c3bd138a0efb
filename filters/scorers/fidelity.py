"""How far approximate scores go from exact ones, and how often a verdict differs for it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

SAMPLED = 256
"""Texts of a run that are scored exactly too: some ten seconds of BERT-base on two cores."""


@dataclass(frozen=True)
class Fidelity:
    """A sample of texts, scored both ways.

    Attributes:
        sampled: texts.
        dropped: texts that the exact scores drop.
        differing: texts on which the verdicts differ.
        largest_difference: of any score.
    """

    sampled: int
    dropped: int
    differing: int
    largest_difference: float

    @property
    def share(self) -> float:
        """Of the verdicts, that differ."""
        return self.differing / self.sampled if self.sampled else 0.0


def fidelity(scores: pl.DataFrame, exact: pl.DataFrame, thresholds: Mapping[str, float]) -> Fidelity:
    """Compares scores with exact ones, row by row, under the thresholds of a rule."""
    by_these, by_exact = drops(scores, thresholds), drops(exact, thresholds)
    difference = (scores - exact).to_numpy()
    return Fidelity(
        sampled=scores.height,
        dropped=int(by_exact.sum()),
        differing=int((by_these != by_exact).sum()),
        largest_difference=float(np.nanmax(np.abs(difference), initial=0.0)),
    )


def drops(scores: pl.DataFrame, thresholds: Mapping[str, float]) -> NDArray[np.bool_]:
    """The rows that are above the threshold of any label; an unknown score is not."""
    above = [(pl.col(label) > threshold).fill_null(False) for label, threshold in thresholds.items()]
    return scores.select(drops=pl.any_horizontal(above))["drops"].to_numpy()
