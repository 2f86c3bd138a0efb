"""Whether answers read like the forum: how well a classifier tells real replies from generated ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.evaluation.intervals import FEWEST, NOTHING, Estimate, Floats, Threads, enough, percentiles, weights
from train.evaluation.words import spans

FOLDS = 5


@dataclass(frozen=True)
class Style:
    """How well real replies are told from generated ones to the same prompts.

    Args:
        auc: the probability that the classifier finds the generated one of a real and a generated reply: 0.5 is a coin, 1 never wrong.
        same_length_auc: the same for replies of which both to a prompt are cut to the words of the shorter one, without the marks behind
            them: what wording gives away where length cannot.
        length_auc: the same for the number of words alone, in the better of the two directions: what length gives away.
        prompts: with a real and a generated reply each.
    """

    auc: Estimate
    same_length_auc: Estimate
    length_auc: Estimate
    prompts: int


@dataclass(frozen=True)
class Told:
    """Out-of-fold scores, higher for what looks generated: of the real and the generated replies, shape (prompts,), and their folds."""

    real: Floats
    generated: Floats
    folds: NDArray[np.int64]


def tell_apart(real: Sequence[str], generated: Sequence[str], seed: int) -> Told | None:
    """Scores every reply by a classifier that saw neither it nor the other reply to its prompt.

    None with fewer than `FEWEST` prompts, or without a word.

    Logistic regression on TF-IDF of words and pairs of words and of runs of 2 to 4 characters within words. A text's features are scaled
    to length 1; its own length still shows in how evenly they are spread, which is what `same_length` is for.
    """
    if len(real) < FEWEST or not any(map(spans, (*real, *generated))):
        return None
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    folds = _folds(len(real), seed)
    texts = np.array([real, generated], dtype=object)
    scores = np.zeros(texts.shape)
    for fold in range(FOLDS):
        held_out, seen = folds == fold, folds != fold
        features = make_union(
            TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\w+|[^\w\s]", sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True),
        )
        classifier = make_pipeline(features, LogisticRegression(C=10.0, max_iter=1000))
        classifier.fit(texts[:, seen].ravel(), np.repeat([0, 1], int(seen.sum())))
        scores[:, held_out] = classifier.decision_function(texts[:, held_out].ravel()).reshape(2, -1)
    return Told(scores[0], scores[1], folds)


def same_length(real: Sequence[str], generated: Sequence[str]) -> tuple[list[str], list[str]]:
    """Both replies to each prompt, cut behind as many words as the shorter one has."""
    cut: tuple[list[str], list[str]] = ([], [])
    for pair in zip(real, generated, strict=True):
        places = [spans(text) for text in pair]
        count = min(map(len, places))
        for kept, text, place in zip(cut, pair, places, strict=True):
            kept.append(text[: place[count - 1][1]] if count else "")
    return cut


def style(real: Sequence[str], generated: Sequence[str], told: Told | None, seed: int, threads: Threads | None = None) -> Style:
    """The AUC of the classifier, on whole replies (`told`) and on such of equal length, and of the length alone.

    Intervals are by bootstrap over the prompts' threads.
    """
    even = tell_apart(*same_length(real, generated), seed)
    if told is None or even is None:
        return Style(NOTHING, NOTHING, NOTHING, len(real))
    whole, cut = (_estimate(resampled(one, seed, threads), threads) for one in (told, even))
    return Style(whole, cut, _length_auc(real, generated, seed, threads), len(real))


def difference(adapter: Told | None, base: Told | None, seed: int, threads: Threads | None = None) -> Estimate:
    """The AUC of the adapter's answers less that of the base's, by paired bootstrap: below 0, the adapter is nearer to the forum."""
    if adapter is None or base is None or len(adapter.real) != len(base.real):
        return NOTHING
    return _estimate(resampled(adapter, seed, threads) - resampled(base, seed, threads), threads)


def resampled(told: Told, seed: int, threads: Threads | None = None) -> Floats:
    """The AUC over pairs of a real and a generated reply of the same fold, whose scores come from one classifier.

    Returns:
        The AUC itself, then those of resamples of prompts, each with both its replies: the classifiers are not trained anew for them.
    """
    size = len(told.real)
    wins = (told.generated[None, :] > told.real[:, None]) + 0.5 * (told.generated[None, :] == told.real[:, None])
    same = (told.folds[:, None] == told.folds[None, :]).astype(np.float64)
    drawn = np.vstack([np.ones(size), weights(size, seed, threads=threads)])
    found: Floats = ((drawn @ (wins * same)) * drawn).sum(axis=1) / ((drawn @ same) * drawn).sum(axis=1)
    return found


def _length_auc(real: Sequence[str], generated: Sequence[str], seed: int, threads: Threads | None) -> Estimate:
    of_real, of_generated = (np.array([len(spans(text)) for text in texts], np.float64) for texts in (real, generated))
    found = resampled(Told(of_real, of_generated, np.zeros(len(real), np.int64)), seed, threads)
    return _estimate(found if found[0] >= 0.5 else 1 - found, threads)


def _estimate(found: Floats, threads: Threads | None) -> Estimate:
    # Of too few prompts there are no scores at all, so here only their threads may be too few.
    return Estimate(float(found[0]), percentiles(found[1:]) if threads is None or enough(len(threads), threads) else None)


def _folds(size: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(np.arange(size) % FOLDS)
