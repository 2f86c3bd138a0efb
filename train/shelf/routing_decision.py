"""Which of some sets of vectors a vector belongs to, with honest shares, and whether it is like any of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STRENGTHS = (1e-4, 1e-3, 1e-2)
_FOLDS = 5

FLOOR = 0.01
"""Likeness below which a message is like no set."""

_NEAREST = 5
"""Vectors of a set by whose likeness a vector is like the set."""


@dataclass(frozen=True, eq=False)
class Decision:
    """Logistic regression on vectors that are centred and scaled feature by feature.

    Args:
        center: (width,), the mean of the sets' means.
        scale: (width,), one over the deviation.
        weights: (sets, width).
        offsets: (sets,).
        directions: by set, its vectors centred, scaled and of length 1.
        known: by set, sorted, how like the rest of the set each of its vectors is.
    """

    center: Floats
    scale: Floats
    weights: Floats
    offsets: Floats
    directions: tuple[Floats, ...]
    known: tuple[Floats, ...]

    def shares(self, vectors: Floats) -> Floats:
        """The probability of each set for each vector: (vectors, sets), rows of sum 1, each set being as likely beforehand."""
        return _softmax(self._centred(vectors) @ self.weights.T + self.offsets)

    def likeness(self, vectors: Floats) -> Floats:
        """The share of a set's own vectors that are less like it than this one, of the set where that is most: (vectors,), 0 to 1.

        A conformal p-value (Vovk et al. 2005): of vectors that are of a set, a share of at most p has a likeness below p.
        """
        directions = _directions(self._centred(vectors))
        found = [
            (1 + np.searchsorted(known, _nearness(directions @ own.T), side="right")) / (1 + len(known))
            for own, known in zip(self.directions, self.known, strict=True)
        ]
        best: Floats = np.max(found, axis=0)
        return best

    def _centred(self, vectors: Floats) -> Floats:
        centred: Floats = (np.asarray(vectors, np.float64) - self.center) * self.scale
        return centred


def decide(sets: Sequence[NDArray[Any]]) -> Decision:
    """Fits a decision between sets of vectors, each of shape (vectors, width).

    How strongly weights are held back, and how much the regression's certainty is taken back (its temperature, Guo et al. 2017), are
    chosen by the likelihood of vectors that it did not see, in five folds.
    """
    own = [np.asarray(one, np.float64) for one in sets]
    center = np.mean([one.mean(0) for one in own], axis=0)
    spread = np.sqrt(np.mean([((one - center) ** 2).mean(0) for one in own], axis=0))
    scale = 1 / np.maximum(spread, 1e-6)
    centred = [(one - center) * scale for one in own]
    weights, offsets = _regression(centred)
    directions = tuple(map(_directions, centred))
    known = tuple(np.sort(_nearness(one @ one.T - 2 * np.eye(len(one)))) for one in directions)
    return Decision(center, scale, weights, offsets, directions, known)


def _regression(sets: Sequence[Floats]) -> tuple[Floats, Floats]:
    """The weights, (sets, width), and offsets, (sets,), with the temperature in them."""
    if len(sets) == 1:
        return np.zeros((1, sets[0].shape[1])), np.zeros(1)
    from scipy.optimize import minimize_scalar

    features = np.concatenate(sets)
    labels = np.repeat(np.arange(len(sets)), [len(one) for one in sets])
    # Each set counts as much as any other, however many vectors it has.
    counts = 1 / np.bincount(labels)[labels]
    folds = np.arange(len(labels)) % _FOLDS

    def unseen(strength: float) -> Floats:
        """The logits of each vector by a regression that did not see its fold."""
        logits = np.zeros((len(features), len(sets)))
        for fold in np.unique(folds):
            weights, offsets = _fitted(features[folds != fold], labels[folds != fold], len(sets), strength)
            logits[folds == fold] = features[folds == fold] @ weights.T + offsets
        return logits

    def surprise(logits: Floats, coldness: float) -> float:
        chosen = _softmax(logits * coldness)[np.arange(len(labels)), labels]
        return float(-(np.log(np.maximum(chosen, 1e-12)) * counts).sum())

    found = []
    for strength in _STRENGTHS:
        logits = unseen(strength)
        coldness = float(minimize_scalar(lambda power, of=logits: surprise(of, np.exp(power)), bounds=(-4, 3), method="bounded").x)
        found.append((surprise(logits, np.exp(coldness)), strength, float(np.exp(coldness))))
    _, strength, coldness = min(found)
    weights, offsets = _fitted(features, labels, len(sets), strength)
    return weights * coldness, offsets * coldness


def _fitted(features: Floats, labels: NDArray[np.int64], sets: int, strength: float) -> tuple[Floats, Floats]:
    """A logistic regression's weights and offsets for each set; a fold may lack one of a single vector, which is then never chosen."""
    from sklearn.linear_model import LogisticRegression

    there = np.unique(labels)
    weights, offsets = np.zeros((sets, features.shape[1])), np.full(sets, -50.0)
    if len(there) == 1:
        offsets[there] = 0.0
        return weights, offsets
    regression = LogisticRegression(C=strength, class_weight="balanced", max_iter=500).fit(features, labels)
    if len(there) == 2:
        # scikit-learn gives the second's logit against the first's.
        weights[there[1]], offsets[there] = regression.coef_[0], (0.0, regression.intercept_[0])
    else:
        weights[there], offsets[there] = regression.coef_, regression.intercept_
    return weights, offsets


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _directions(vectors: Floats) -> Floats:
    directions: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return directions


def _nearness(cosines: Floats) -> Floats:
    """The mean of each row's highest cosines."""
    few = min(_NEAREST, cosines.shape[1])
    nearness: Floats = np.partition(cosines, -few, axis=1)[:, -few:].mean(axis=1)
    return nearness
