"""What a scorer is: a model that says something of each text."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl
from numpy.typing import NDArray

LABELS = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack", "sexual_explicit")
"""What a scorer of toxicity may know; as Detoxify names them."""

ALIASES = {"toxic": "toxicity", "severe_toxic": "severe_toxicity", "identity_hate": "identity_attack"}
"""Names of the Jigsaw data for the same; Detoxify renames them likewise."""


class Scorer(Protocol):
    """A model that scores texts."""

    @property
    def key(self) -> str:
        """Names the model, its version and whatever else changes its scores, as the precision: the folder of its scores."""
        ...

    @property
    def schema(self) -> Mapping[str, pl.DataType | type[pl.DataType]]:
        """The columns that it gives. Those of a scorer of toxicity are `LABELS` and the model's own labels, Float32."""
        ...

    def score(self, texts: Sequence[str]) -> pl.DataFrame:
        """A row for each text, in their order, with the columns of `schema`.

        A label that the model does not know is null. A row of nulls is a text that the model cannot score; it is not kept, so that
        it is asked for again in another run.
        """
        ...


class Sieve(Protocol):
    """Learns from scores which of the texts to come need none."""

    @property
    def learning(self) -> bool:
        """Whether it still wants scores to learn from: those of a random sample, none of which it passed."""
        ...

    def learn(self, texts: Sequence[str], scores: pl.DataFrame) -> None:
        """Takes in the next texts of the sample and their scores."""
        ...

    def passes(self, texts: Sequence[str], known: int) -> NDArray[np.bool_]:
        """Which of the texts need no score; none, while it learns. `known`: how many others there are whose scores are known."""
        ...


@runtime_checkable
class Sampling(Scorer, Protocol):
    """A scorer that looks at a sample of the texts and their scores: to spare itself others, or to say how exact it is."""

    def sieve(self) -> Sieve | None:
        """A new sieve for a new collection of texts; None, where each of them is to be scored."""
        ...

    def exact(self) -> Scorer | None:
        """The same model in full precision, where a sample of its scores is still wanted for `compare`; else None."""
        ...

    def compare(self, scores: pl.DataFrame, exact: pl.DataFrame) -> None:
        """Takes in the scores of a sample and the exact ones, row by row."""
        ...

    def report(self) -> dict[str, Any]:
        """What was seen in samples so far, ready for JSON."""
        ...


def labelled(scores: Mapping[str, pl.Series]) -> pl.DataFrame:
    """The columns of a scorer of toxicity: `LABELS`, null where a model has neither the label nor an alias, and its own labels."""
    height = len(next(iter(scores.values())))
    renamed = {ALIASES.get(label.lower(), label): found for label, found in scores.items()}
    known = {label: renamed.get(label, pl.repeat(None, height, dtype=pl.Float32, eager=True)) for label in LABELS}
    return pl.DataFrame({**known, **scores}).cast(pl.Float32)


def schema_of(labels: Sequence[str]) -> dict[str, pl.DataType | type[pl.DataType]]:
    """The schema of `labelled` for a model with these labels."""
    return dict.fromkeys((*LABELS, *(label for label in labels if label not in LABELS)), pl.Float32)


def known_of(labels: Sequence[str]) -> set[str]:
    """The names by which a threshold may ask for the labels of a model: its own, and those that they are aliases of."""
    return {*labels, *(ALIASES[label.lower()] for label in labels if label.lower() in ALIASES)}
