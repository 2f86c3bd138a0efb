import sys

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.rule import RuleError
from filters.scorers.lite import LiteScorer
from filters.scorers.scorer import LABELS


@pytest.fixture(scope="module")
def lite():
    return LiteScorer()


def test_lite_knows_abuse_from_tea_and_no_other_label(lite):
    scores = lite.score(["You are a damned stupid idiot, shut the hell up.", "The court thanks you for the tea and the jam.", ""])
    assert scores.schema == dict.fromkeys(LABELS, pl.Float32)
    assert scores["toxicity"][0] > 0.9
    assert scores["toxicity"][1] < 0.1
    assert scores["toxicity"][2] < 0.1
    assert scores.drop("toxicity").null_count().row(0) == (3,) * (len(LABELS) - 1)


def test_swearing_alone_is_not_toxic_and_abuse_with_or_without_it_is(lite):
    texts = ["Holy shit, that is a damn good kettle.", "wtf, my bullshit toaster sucks ass", "Class passed in the grass, Mr Shitake."]
    abuse = ["You are a stupid idiot.", "You are a fucking stupid idiot."]
    scores = lite.score([*texts, *abuse])["toxicity"].to_list()
    assert max(scores[:3]) < 0.5 < 0.7 < min(scores[3:])


@given(st.lists(st.one_of(st.text(max_size=20), st.sampled_from(["you idiot", "what a lovely mug", "damn", "\0", "\u2028"])), max_size=6))
def test_lite_scores_each_text_by_itself_in_order(lite, texts):
    together = lite.score(texts)["toxicity"].to_list()
    assert all(0 <= score <= 1 for score in together)
    assert together == pytest.approx([lite.score([text])["toxicity"][0] for text in texts], abs=1e-6)


def test_its_key_names_the_version(lite):
    assert lite.key.startswith("lite-1.")


def test_without_its_package_lite_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "profanity_check", None)
    with pytest.raises(RuleError, match=r"^toxicity: the scorer lite needs the package alt-profanity-check \(.*\); pip install it$"):
        LiteScorer()
