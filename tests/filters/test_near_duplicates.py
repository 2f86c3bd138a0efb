import datetime
import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.near_duplicates import BANDS, LEAST_WORDS, MOST_SHINGLES, NearDuplicates, first_alike, sketch
from filters.rule import RuleError
from filters.selection import select, standing, wanted
from filters.tokens import tokenise

TIME = datetime.datetime(2024, 5, 17, tzinfo=datetime.UTC)
SPEECH = (
    "the court finds that the kettle was warm when the witness came in and that nobody poured the tea until the judge had heard both sides "
    "of the matter in full"
)


def table(posts, texts):
    return posts(
        *(
            {"id": f"t1_{place:05}", "created_at": TIME + datetime.timedelta(minutes=place), "text": text}
            for place, text in enumerate(texts)
        )
    )


def originals(posts, texts, rule):
    found = select([standing(table(posts, texts), wanted([rule]))], [rule])
    assert (found["dropped_by"].is_not_null() == found["duplicate_of"].is_not_null()).all()
    return [None if copied is None else int(copied[3:]) for copied in found["duplicate_of"]]


def test_a_small_change_makes_no_other_reply(posts):
    texts = [
        SPEECH,
        SPEECH.replace("tea", "coffee"),
        SPEECH.upper() + "!!!",
        "Edit: " + SPEECH,
        " ".join(reversed(SPEECH.split())),
        SPEECH.replace("kettle", "teapot").replace("judge", "clerk").replace("matter", "case").replace("witness", "cook"),
        "> " + SPEECH + "\n\nI object.",
    ]
    assert originals(posts, texts, NearDuplicates()) == [None, 0, 0, 0, None, None, None]


def test_what_repeats_a_repetition_goes_with_it(posts):
    words = SPEECH.split()
    texts = [SPEECH, " ".join([*words[:-2], "at", "last"]), " ".join(["a", "verdict", *words[2:-2], "at", "last"])]
    assert originals(posts, texts, NearDuplicates(threshold=0.85)) == [None, 0, 0]
    assert originals(posts, texts[::2], NearDuplicates(threshold=0.85)) == [None, None]


def test_the_threshold_is_the_share_of_common_pairs_of_words(posts):
    words = [f"word{number}" for number in range(21)]
    texts = [" ".join(words), " ".join([*words[:10], "other", *words[11:]])]  # 20 pairs each, 18 in common of 22
    assert originals(posts, texts, NearDuplicates(threshold=18 / 22)) == [None, 0]
    assert originals(posts, texts, NearDuplicates(threshold=0.82)) == [None, None]


def test_shorter_replies_are_not_judged(posts):
    words = SPEECH.split()
    texts = [" ".join(words[:19]), " ".join(words[:19]), " ".join(words[:20]), " ".join(words[:20])]
    assert originals(posts, texts, NearDuplicates()) == [None, None, None, 2]
    assert originals(posts, texts, NearDuplicates(words=19)) == [None, 0, 0, 0]
    assert originals(posts, [None, "", "?", None], NearDuplicates(words=LEAST_WORDS)) == [None] * 4


def test_long_texts_are_compared_by_a_sample_of_their_pairs(posts):
    words = [f"word{number}" for number in range(6_000)]
    texts = [" ".join(words), " ".join([*words[:5_900], "and", "more"]), " ".join(words[:3_000]), " ".join(words[2_000:])]
    assert originals(posts, texts, NearDuplicates()) == [None, 0, None, None]
    parts = [sketch(found) for found in tokenise(pl.Series(texts))]
    assert pl.concat(parts)["shingles"].list.len().to_list() == [MOST_SHINGLES] * 4


def test_a_text_with_nothing_in_reach_of_the_others_sample_is_not_alike():
    shingles = pl.Series([list(range(MOST_SHINGLES)), list(range(10_000, 10_000 + MOST_SHINGLES - 1))], dtype=pl.List(pl.UInt32))
    assert first_alike(np.zeros((2, BANDS), np.uint32), shingles, 0.8).tolist() == [0, 1]


def test_texts_of_one_repeated_word_are_alike(posts):
    assert originals(posts, ["tea " * 30, "tea " * 400, "kettle " * 30], NearDuplicates()) == [None, 0, None]


def test_thousands_of_near_copies_are_one_reply(posts):
    words = SPEECH.split()
    texts = [" ".join([*words, f"number{place}"]) for place in range(3_000)]
    assert originals(posts, texts, NearDuplicates()) == [None] + [0] * 2_999


def test_a_template_with_other_contents_is_no_copy(posts):
    texts = [" ".join([*SPEECH.split()[:12], *(f"word{place * 40 + word}" for word in range(12))]) for place in range(1_000)]
    assert originals(posts, texts, NearDuplicates()) == [None] * 1_000


@given(st.data())
def test_whatever_is_dropped_is_alike_and_whatever_is_alike_is_dropped(posts, data):
    base = data.draw(st.lists(st.sampled_from([f"word{number}" for number in range(60)]), min_size=20, max_size=60))
    places = st.lists(st.integers(0, len(base) - 1), max_size=8)
    texts = [base] + [
        ["other" if place in changed else word for place, word in enumerate(base)] for changed in data.draw(st.lists(places, max_size=4))
    ]

    def similarity(one, other):
        pairs, others = set(itertools.pairwise(one)), set(itertools.pairwise(other))
        return len(pairs & others) / len(pairs | others)

    found = originals(posts, [" ".join(words) for words in texts], NearDuplicates())
    for place, original in enumerate(found):
        alike = [before for before in range(place) if similarity(texts[place], texts[before]) >= 0.8]
        assert (original is not None) == bool(alike)


def test_sketches_are_a_row_for_each_text(posts):
    (words,) = tokenise(pl.Series(["short", SPEECH, None]))
    found = sketch(words)
    assert found["bands"].is_null().to_list() == found["shingles"].is_null().to_list() == [True, False, True]
    assert found["bands"].dtype == pl.Array(pl.UInt32, BANDS)
    assert found["shingles"][1].to_list() == sorted(set(found["shingles"][1].to_list()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 0.5}, "near_duplicates: threshold is 0.5; expected 0.7 to 1"),
        ({"threshold": 1.2}, "near_duplicates: threshold is 1.2; expected 0.7 to 1"),
        ({"words": 3}, "near_duplicates: words is 3; expected 10 or more: shorter texts are too much alike by chance"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(RuleError) as error:
        NearDuplicates(**settings)
    assert str(error.value) == message
