"""How varied the wording of answers is: distinct n-grams over all of them, and repetition within each."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from train.evaluation.intervals import FEWEST, NOTHING, Estimate, Threads, Z, mean

ORDERS = (1, 2, 3)
_PHRASE = 3


@dataclass(frozen=True)
class Diversity:
    """Variety of texts.

    Args:
        words: how many words `distinct` was measured on: more words repeat more, so that only figures on equally many compare.
        distinct: the share of different ones among all n-grams of words, for n = 1, 2, 3 (Li et al. 2016); an n-gram lies within one
            text.
        repetition: the mean share of a text's three-word phrases that it said before.
    """

    words: int
    distinct: tuple[Estimate, Estimate, Estimate]
    repetition: Estimate


def matched_size(*groups: Sequence[Sequence[str]]) -> int:
    """The number of words that the smallest of the groups of texts has: all are measured on so many."""
    return min(sum(map(len, texts)) for texts in groups)


def diversity(texts: Sequence[Sequence[str]], size: int, seed: int, threads: Threads | None = None) -> Diversity:
    """Measures texts, given as words: `distinct` on their first `size` words, in the order of the texts."""
    room = [max(0, size - before) for before in accumulate((len(text) for text in texts), initial=0)]
    first = [text[:left] for text, left in zip(texts, room, strict=False)]
    unigrams, bigrams, trigrams = (_distinct([_grams(text, order) for text in first], threads) for order in ORDERS)
    repeated = [repetition(text) for text in texts]
    return Diversity(min(size, sum(map(len, texts))), (unigrams, bigrams, trigrams), mean(np.array(repeated), seed, threads))


def repetition(text: Sequence[str]) -> float:
    """The share of a text's three-word phrases that it said before; 0 where it is shorter."""
    phrases = _grams(text, _PHRASE)
    return 1 - len(set(phrases)) / len(phrases) if phrases else 0.0


def _grams(text: Sequence[str], order: int) -> list[tuple[str, ...]]:
    return list(zip(*(text[start:] for start in range(order)), strict=False))


def _distinct(texts: Sequence[Sequence[tuple[str, ...]]], threads: Threads | None) -> Estimate:
    """Different n-grams over all, with an interval by the jackknife over texts, or over those of a thread together.

    Drawing with replacement would say the same n-grams twice, so that a bootstrap of it lies below the estimate; leaving one text out does
    not (Heltshe and Forrester 1983, on the number of species in samples).
    """
    of_thread: defaultdict[int, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for thread, text in zip(range(len(texts)) if threads is None else threads.tolist(), texts, strict=False):
        of_thread[thread].update(text)
    counts = [count for count in of_thread.values() if count]
    total: Counter[tuple[str, ...]] = Counter()
    for count in counts:
        total.update(count)
    size = total.total()
    if not size:
        return NOTHING
    value = len(total) / size
    sizes = np.array([count.total() for count in counts])
    own = np.array([sum(total[gram] == times for gram, times in count.items()) for count in counts])
    if len(counts) < FEWEST or bool(np.any(size == sizes)):
        return Estimate(value)
    left_out = (len(total) - own) / (size - sizes)
    error = float(np.sqrt((len(counts) - 1) / len(counts) * ((left_out - left_out.mean()) ** 2).sum()))
    return Estimate(value, (max(0.0, value - Z * error), min(1.0, value + Z * error)))
