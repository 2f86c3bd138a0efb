"""The scorer `lite`: no download, tens of thousands of texts a second."""

import importlib.metadata
from collections.abc import Sequence

import numpy as np
import polars as pl

from filters.rule import RuleError
from filters.scorers.scorer import labelled, schema_of


class LiteScorer:
    """alt-profanity-check: a linear model on words, its weights in the package; it knows the label toxicity alone."""

    labels = ("toxicity",)
    schema = schema_of(labels)

    def __init__(self) -> None:
        try:
            self.key = f"lite-{importlib.metadata.version('alt-profanity-check')}"
            from profanity_check import predict_prob
        except ImportError as error:
            raise RuleError(f"toxicity: the scorer lite needs the package alt-profanity-check ({error}); pip install it") from None
        self._predict = predict_prob

    def score(self, texts: Sequence[str]) -> pl.DataFrame:
        """See `Scorer`."""
        found = np.asarray(self._predict(list(texts)) if texts else [], np.float32)
        return labelled({"toxicity": pl.Series(found, dtype=pl.Float32)})
