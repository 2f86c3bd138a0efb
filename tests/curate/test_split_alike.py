import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.splitting import alike
from curate.splitting.alike import NEAR, Index, WordPairs
from filters.tokens import tokenise

SPEECH = (
    "the court finds that the kettle was warm when the witness came in and that nobody poured the tea until the judge had heard both sides "
    "of the matter in full"
)


def pairs(texts: Sequence[str | None]) -> WordPairs:
    return WordPairs.concat([WordPairs.of(tokens) for tokens in tokenise(pl.Series(texts, dtype=pl.String))])


def near(held: Sequence[str | None], others: Sequence[str | None]) -> list[bool]:
    return Index(pairs(held)).near(pairs(others)).tolist()


def among(texts: Sequence[str | None], most: int) -> list[tuple[int, int]]:
    one, other = Index(pairs(texts)).among(most)
    return sorted(zip(one.tolist(), other.tolist(), strict=True))


def similarity(one: str, other: str) -> float:
    """The Jaccard similarity of two texts' pairs of words, for words without punctuation."""
    left, right = (set(itertools.pairwise(text.split())) for text in (one, other))
    return len(left & right) / len(left | right)


def test_a_small_change_makes_no_other_text() -> None:
    changed = [
        SPEECH.replace("tea", "coffee"),
        SPEECH.upper() + "!!!",
        "Edit: " + SPEECH,
        "> I saw it all.\n\n" + SPEECH,
        " ".join(reversed(SPEECH.split())),
        SPEECH.replace("kettle", "teapot").replace("judge", "clerk").replace("matter", "case").replace("witness", "cook"),
    ]
    assert [near([SPEECH], [text])[0] for text in changed] == [True, True, True, True, False, False]
    assert near(changed, [SPEECH]) == [True, True, True, True, False, False]


def test_the_threshold_is_that_of_the_rule() -> None:
    words = [f"word{number}" for number in range(46)]
    for changes, alike_yet in ((2, True), (3, False)):  # of 45 pairs, each change takes two: 41 / 49 and 39 / 51
        other = ["other" if place in range(5, 5 + 9 * changes, 9) else word for place, word in enumerate(words)]
        share = similarity(" ".join(words), " ".join(other))
        assert (share >= NEAR.threshold) == alike_yet
        assert near([" ".join(words)], [" ".join(other)]) == [alike_yet]
    exactly = [" ".join(words[:21]), " ".join(words[:25])]  # 20 of 24 pairs
    assert near(exactly[:1], exactly[1:]) == [True]
    assert near([" ".join(words[:21])], [" ".join(words[:26])]) == [True]  # 20 of 25 are 0.8
    assert near([" ".join(words[:21])], [" ".join(words[:27])]) == [False]


def test_texts_of_fewer_words_than_the_rule_asks_for_are_alike_to_none() -> None:
    words = SPEECH.split()
    short, long = " ".join(words[: NEAR.words - 1]), " ".join(words[: NEAR.words])
    assert near([short, long, None, ""], [short, long, None, ""]) == [False, True, False, False]


def test_where_there_is_nothing_nothing_is_alike() -> None:
    assert near([], []) == []
    assert near([], [SPEECH]) == []
    assert near([SPEECH], []) == [False]
    assert near(["a b", None], ["a b"]) == [False, False]


def test_texts_of_one_repeated_word_are_alike() -> None:
    assert near(["tea " * 30, "kettle " * 30], ["tea " * 400]) == [True, False]


def test_words_beyond_ascii_and_other_line_ends_are_compared_too() -> None:
    text = " ".join(f"чайник{number} 茶{number} thé{number}" for number in range(8))
    assert near([text], [text.upper().replace(" ", "\r\n")]) == [True]


def test_pairs_are_a_set_for_each_text() -> None:
    found = pairs(["short", SPEECH, None, SPEECH + " " + SPEECH])
    assert found.sizes.tolist() == [
        0,
        len(set(itertools.pairwise(SPEECH.split()))),
        0,
        len(set(itertools.pairwise((SPEECH + " " + SPEECH).split()))),
    ]
    for first, last in itertools.pairwise(found.bounds):
        assert (np.diff(found.hashes[first:last].astype(np.int64)) > 0).all()


@pytest.mark.parametrize("at_once", [1, 50, 2_000_000])
def test_however_few_pairs_are_compared_at_once_the_same_is_found(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(alike, "_MOST_PAIRS", at_once)
    words = SPEECH.split()
    held = [" ".join([*words, f"number{place}"]) for place in range(40)] + [f"{' '.join(words[:15])} {place} " * 4 for place in range(40)]
    others = [" ".join(["so", *words]), " ".join([*words, "at", "last"])] * 20
    assert near(held, others) == [True] * 40 + [False] * 40


def test_thousands_of_copies_and_a_form_with_other_contents_are_compared_in_a_moment() -> None:
    copies = [f"{SPEECH} number{place}" for place in range(3_000)]
    form = [" ".join([*SPEECH.split()[:12], *(f"word{place * 40 + word}" for word in range(12))]) for place in range(3_000)]
    assert near(copies + form, [SPEECH] * 2_000 + form[:10]) == [True] * 3_010 + [False] * 2_990


def test_among_texts_each_two_that_are_alike_are_told_once_but_not_of_a_form() -> None:
    texts = [
        "no copy of anything at all",
        SPEECH,
        None,
        SPEECH.replace("tea", "coffee"),
        " ".join(reversed(SPEECH.split())),
        SPEECH + " so",
    ]
    assert among(texts, 3) == [(1, 3), (1, 5), (3, 5)]
    assert among([f"{SPEECH} {number}" for number in range(4)], 4) == list(itertools.combinations(range(4), 2))
    assert among([f"{SPEECH} {number}" for number in range(4)], 3) == []
    assert among([], 3) == among([SPEECH], 3) == []


@given(st.data())
def test_all_that_is_alike_is_found_and_nothing_else(data: Any) -> None:
    vocabulary = [f"word{number}" for number in range(data.draw(st.sampled_from([3, 12, 60])))]
    base = data.draw(st.lists(st.sampled_from(vocabulary), min_size=20, max_size=60))
    changes = st.lists(st.tuples(st.integers(0, len(base) - 1), st.sampled_from([*vocabulary, "other"])), max_size=6)

    def changed() -> str:
        words = list(base)
        for place, word in data.draw(changes):
            words[place] = word
        return " ".join(words[: data.draw(st.integers(20, len(words)))])

    held, others = ([changed() for _ in range(data.draw(st.integers(0, 5)))] for _ in range(2))
    assert near(held, others) == [any(similarity(text, other) >= NEAR.threshold for other in others) for text in held]
    texts = held + others
    alike_two = [(one, other) for one, other in itertools.combinations(range(len(texts)), 2) if similarity(texts[one], texts[other]) >= 0.8]
    assert among(texts, len(texts)) == alike_two
