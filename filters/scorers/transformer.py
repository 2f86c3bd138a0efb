"""Scores texts with a classifier: tokenised once, in batches of similar length."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filters.scorers.batches import TOKENISED_AT_ONCE, batches_by_length, encode, one_ahead, padded
from filters.scorers.classifier import Classifier, activate
from filters.scorers.scorer import labelled, schema_of


class Engine(Protocol):
    """What runs the weights: `name` says how exactly, `budget` how many padded tokens go well into a batch."""

    @property
    def name(self) -> str: ...
    @property
    def budget(self) -> int: ...
    def logits(self, batches: Iterable[Mapping[str, Any]]) -> list[NDArray[np.float32]]:
        """Logits of each batch, shape (texts, labels)."""
        ...


class TransformerScorer:
    """A sequence classifier of transformers."""

    def __init__(self, classifier: Classifier, engine: Engine) -> None:
        self.key = f"{classifier.key}-{engine.name}"
        self.labels = classifier.labels
        self.schema = schema_of(classifier.labels)
        self._tokenizer, self._longest, self._activation = classifier.tokenizer, classifier.longest, classifier.activation
        self._engine = engine
        # A model without a token to pad with cannot tell where a text ends beside a longer one.
        self._budget = engine.budget if classifier.tokenizer.pad_token is not None else 1

    def score(self, texts: Sequence[str]) -> pl.DataFrame:
        """See `Scorer`. A text of which the tokenizer leaves nothing has no score."""
        parts = [texts[start : start + TOKENISED_AT_ONCE] for start in range(0, len(texts), TOKENISED_AT_ONCE)]
        scores = np.full((len(texts), len(self.labels)), np.nan, np.float32)
        start = 0
        for encoded in one_ahead(lambda part: encode(self._tokenizer, part, self._longest), parts):
            lengths = np.array([len(ids) for ids in encoded["input_ids"]])
            (filled,) = np.nonzero(lengths)
            batches = [filled[batch] for batch in batches_by_length(lengths[filled], self._budget)]
            found = self._engine.logits(padded(self._tokenizer, encoded, batch) for batch in batches)
            for batch, logits in zip(batches, found, strict=True):
                scores[batch + start] = activate(logits, self._activation)
            start += len(lengths)
        return labelled({label: pl.Series(scores[:, place]).fill_nan(None) for place, label in enumerate(self.labels)})


class Lazy:
    """A scorer that is loaded when it is first asked: the exact model is needed for a sample alone, and not in every run."""

    def __init__(self, key: str, labels: Sequence[str], load: Callable[[], TransformerScorer]) -> None:
        self.key = key
        self.schema = schema_of(labels)
        self._load = load

    def score(self, texts: Sequence[str]) -> pl.DataFrame:
        """See `Scorer`. The model is given up again after the call."""
        return self._load().score(texts)
