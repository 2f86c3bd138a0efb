"""A cascade: a linear model on words lets clearly clean texts pass, so that the large model sees fewer.

It is fitted to scores of the large model on a random sample of the very texts at hand. Below which prediction a text passes is decided on
other texts of the sample by a fixed-sequence test (Angelopoulos et al., *Learn then Test*, 2021, section 3): from the lowest candidate up,
each is taken only while it can be said with confidence that it misses less than `BOUND` of the toxic texts. What it misses then is
measured on a third part. With too few toxic texts nothing can be said, and no text passes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filters.rule import RuleError
from filters.scorers.fidelity import drops

BOUND = 0.01
"""The share of the toxic texts that may be missed."""

DOUBT = 0.05
"""The probability that the bound does not hold all the same, over all looks at the sample together."""

FITTED = 8_000
"""Texts to which the linear model is fitted at the first look, and twice as many at each later one: from 4,000 to 8,000 and to 16,000 a
tenth to a fifth more texts were measured to pass."""

FIRST_LOOK = 560
"""Toxic texts that decide the threshold at first: with 558 of which one is missed, 1 % can be excluded at the first look's doubt. Each
later look waits for twice as many, with half the doubt."""

HELD_OUT = 8
"""One in so many of the texts beside the fitted ones is held out."""

WORTH_IT = 2 / 3
"""The share of the texts that has to pass, or the sample goes on: the others then take a third of the time."""

MARGIN = 7.0
"""Logits further than this from a threshold are all alike: the model is to learn what is near it."""

CANDIDATES = 200


@dataclass(frozen=True)
class Sifted:
    """What a cascade saw and did.

    Attributes:
        fitted, calibrated, held_out: scored texts to fit the linear model, to decide the threshold, and to measure what it misses.
        calibrated_toxic: those of the calibrated that the rule drops.
        missed_at_most: the bound on the missed share of toxic texts, with confidence 1 - `DOUBT`; 1 where nothing passes.
        held_out_toxic, held_out_missed: those of the held-out texts that the rule drops, and of these, those that would have passed.
        asked, passed: texts after the sample, and those of them that passed (none whose score was known before).
    """

    fitted: int = 0
    calibrated: int = 0
    calibrated_toxic: int = 0
    missed_at_most: float = 1.0
    held_out: int = 0
    held_out_toxic: int = 0
    held_out_missed: int = 0
    asked: int = 0
    passed: int = 0

    def __add__(self, other: "Sifted") -> "Sifted":
        """Of two collections of texts, each with its own cascade; the bound that holds for both."""
        sums = {name: value + getattr(other, name) for name, value in asdict(self).items()}
        return Sifted(**{**sums, "missed_at_most": max(self.missed_at_most, other.missed_at_most)})

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, with shares and a sentence."""
        found = {
            **asdict(self),
            "bound": BOUND,
            "missed_share": self.held_out_missed / self.held_out_toxic if self.held_out_toxic else None,
            "passed_share": self.passed / self.asked if self.asked else 0.0,
        }
        return {**found, "says": self._says()}

    def _says(self) -> str:
        if self.missed_at_most >= BOUND:
            return (
                f"nothing passed unscored: {self.calibrated_toxic:,} toxic texts are too few to show that under {BOUND:.0%} of them would "
                "be missed and much would pass"
            )
        return (
            f"{self.passed:,} of {self.asked:,} texts passed unscored; of the toxic ones this misses at most {self.missed_at_most:.2%} "
            f"({1 - DOUBT:.0%} confidence), {self.held_out_missed:,} of {self.held_out_toxic:,} on held-out scores"
        )


class LinearSieve:
    """The cascade's first stage for one collection of texts; see `Sieve`.

    Args:
        thresholds: by label; a text is toxic where a score is above its threshold.
    """

    def __init__(self, thresholds: Mapping[str, float]) -> None:
        self._thresholds = thresholds
        self._texts: list[str] = []
        self._margins: list[NDArray[np.float64]] = []
        self._toxic: list[NDArray[np.bool_]] = []
        self._linear: Any = None
        self._looks = 0
        self._below = -np.inf
        self.sifted = Sifted()

    @property
    def learning(self) -> bool:
        """See `Sieve`."""
        return self._below == -np.inf

    def learn(self, texts: Sequence[str], scores: pl.DataFrame) -> None:
        """See `Sieve`."""
        self._texts += texts
        self._margins.append(_margins(scores, self._thresholds))
        self._toxic.append(drops(scores, self._thresholds))
        fitted = FITTED << self._looks
        if len(self._texts) > fitted:
            self._look(fitted, np.concatenate(self._toxic)[fitted:])

    def passes(self, texts: Sequence[str], known: int) -> NDArray[np.bool_]:
        """See `Sieve`."""
        if self.learning:
            return np.zeros(len(texts), np.bool_)
        passing = self._linear.predict(texts) < self._below if texts else np.zeros(0, np.bool_)
        self.sifted = self.sifted + Sifted(missed_at_most=0, asked=known + len(texts), passed=int(passing.sum()))
        return np.asarray(passing, np.bool_)

    def _look(self, fitted: int, toxic: NDArray[np.bool_]) -> None:
        """Decides whether texts can pass, once there are toxic ones enough; those of the first `fitted` texts are not in `toxic`."""
        held_out = np.arange(len(toxic)) % HELD_OUT == HELD_OUT - 1
        count, held_out_toxic = int(toxic[~held_out].sum()), int(toxic[held_out].sum())
        missed, at_most = 0, 1.0
        if count >= FIRST_LOOK << self._looks:
            self._looks += 1
            self._linear = _Linear(self._texts[:fitted], np.concatenate(self._margins)[:fitted])
            predicted = self._linear.predict(self._texts[fitted:])
            below, at_most = threshold_of(predicted[~held_out], toxic[~held_out], DOUBT / 2**self._looks)
            missed = int((toxic & held_out & (predicted < below)).sum())
            if missed <= BOUND * max(1, held_out_toxic) and np.mean(predicted < below) >= WORTH_IT:
                self._below = below
        self.sifted = Sifted(
            fitted=fitted,
            calibrated=int((~held_out).sum()),
            calibrated_toxic=count,
            missed_at_most=1.0 if self.learning else at_most,
            held_out=int(held_out.sum()),
            held_out_toxic=held_out_toxic,
            held_out_missed=0 if self.learning else missed,
        )


def threshold_of(predicted: NDArray[np.float64], toxic: NDArray[np.bool_], doubt: float) -> tuple[float, float]:
    """The prediction below which texts can pass, and the upper bound on the share of toxic texts missed by it.

    Args:
        predicted: by the linear model, of texts that it was not fitted to; higher is more toxic.
        toxic: whether each is.
        doubt: the probability that the true share is at or above `BOUND` all the same.

    Returns:
        `-inf` and 1 where no threshold is safe.
    """
    found = (-np.inf, 1.0)
    count = int(toxic.sum())
    for candidate in np.quantile(predicted, np.linspace(0.02, 1, CANDIDATES)) if count else ():
        at_most = upper_bound(int((predicted[toxic] < candidate).sum()), count, doubt)
        if at_most >= BOUND:
            break
        found = (float(candidate), at_most)
    return found


def upper_bound(missed: int, count: int, doubt: float) -> float:
    """The upper limit of Clopper and Pearson (1934) on a share of which `missed` of `count` were seen, one-sided."""
    from scipy.stats import beta

    return 1.0 if missed >= count else float(beta.ppf(1 - doubt, missed + 1, count - missed))


class _Linear:
    """Ridge regression of the margin on hashed words, pairs of words and parts of words."""

    def __init__(self, texts: Sequence[str], margins: NDArray[np.float64]) -> None:
        try:
            from sklearn.feature_extraction.text import HashingVectorizer
            from sklearn.linear_model import Ridge
            from sklearn.pipeline import make_union
        except ImportError as error:
            raise RuleError(f"toxicity: cascade needs the package scikit-learn ({error}); pip install it") from None
        self._features = make_union(
            HashingVectorizer(ngram_range=(1, 2), n_features=1 << 18, alternate_sign=False, dtype=np.float32),
            HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), n_features=1 << 18, alternate_sign=False, dtype=np.float32),
        )
        self._ridge = Ridge(alpha=0.3, solver="sparse_cg").fit(self._features.transform(texts), margins)

    def predict(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return np.asarray(self._ridge.predict(self._features.transform(list(texts))), np.float64)


def _margins(scores: pl.DataFrame, thresholds: Mapping[str, float]) -> NDArray[np.float64]:
    """How far the nearest label is from its threshold, in logits: above 0 is toxic."""
    margins: NDArray[np.float64] = np.full(scores.height, -MARGIN)
    for label, threshold in thresholds.items():
        found = scores[label].cast(pl.Float64).fill_null(0.0).to_numpy()
        margins = np.maximum(margins, _logit(found) - _logit(np.asarray(threshold)))
    return margins.clip(-MARGIN, MARGIN)


def _logit(share: NDArray[np.float64]) -> NDArray[np.float64]:
    kept = np.clip(share, 1e-6, 1 - 1e-6)
    odds: NDArray[np.float64] = np.log(kept / (1 - kept))
    return odds
