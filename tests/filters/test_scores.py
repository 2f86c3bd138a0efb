from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters import scores
from filters.scores import score_texts
from filters.toxicity import LiteScorer


@dataclass
class Vowels:
    """A scorer that anybody can check by hand: the shares of `a` and of `e` in a text. Counts what it was asked."""

    key: str = "vowels-1"
    labels: tuple[str, ...] = ("toxicity", "insult")
    breaks_after: int = 10**9
    asked: list[str] = field(default_factory=list)

    def score(self, texts):
        if len(self.asked) >= self.breaks_after:
            raise KeyboardInterrupt
        self.asked += texts
        return np.array([[text.count(vowel) / max(1, len(text)) for vowel in "ae"] for text in texts], np.float32)


def series(*texts):
    return pl.Series("text", texts, pl.String)


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_scores_come_back_in_the_order_of_the_texts_one_column_a_label(tmp_path):
    found = score_texts(series("aa", "xe", "aa", "", "ab"), Vowels(), tmp_path)
    assert found.schema == {"toxicity": pl.Float32, "insult": pl.Float32}
    assert found.rows() == [(1.0, 0.0), (0.0, 0.5), (1.0, 0.0), (0.0, 0.0), (0.5, 0.0)]


def test_each_distinct_text_is_scored_once_in_this_run_and_in_the_next(tmp_path):
    first, second = Vowels(), Vowels()
    score_texts(series("aa", "ee", "aa"), first, tmp_path)
    again = score_texts(series("ee", "new", "aa", "ee"), second, tmp_path)
    assert first.asked == ["aa", "ee"]
    assert second.asked == ["new"]
    assert again["insult"].to_list() == pytest.approx([1.0, 1 / 3, 0.0, 1.0])


def test_another_model_or_version_keeps_its_scores_apart(tmp_path):
    score_texts(series("aa"), Vowels(), tmp_path)
    other = Vowels(key="vowels-2", labels=("threat", "toxicity"))
    assert score_texts(series("aa"), other, tmp_path).columns == ["threat", "toxicity"]
    assert other.asked == ["aa"]
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["vowels-1", "vowels-2"]


def test_a_text_that_is_null_is_scored_as_an_empty_one(tmp_path):
    assert score_texts(series(None, "aa", ""), Vowels(), tmp_path)["toxicity"].to_list() == [0.0, 1.0, 0.0]


def test_texts_that_differ_in_one_blank_are_different_texts(tmp_path):
    scorer = Vowels()
    score_texts(series("a", "a ", "A", "a\0"), scorer, tmp_path)
    assert scorer.asked == ["a", "a ", "A", "a\0"]


def test_without_texts_nothing_is_scored_and_nothing_written(tmp_path):
    scorer = Vowels()
    found = score_texts(series(), scorer, tmp_path)
    assert (found.height, found.schema) == (0, {"toxicity": pl.Float32, "insult": pl.Float32})
    assert (scorer.asked, files(tmp_path)) == ([], [])


def test_the_sidecar_holds_hashes_and_scores_and_never_a_text(tmp_path):
    score_texts(series("the secret recipe for scones"), Vowels(), tmp_path)
    (file,) = files(tmp_path)
    assert pl.read_parquet_schema(file) == {"hash": pl.Binary, "toxicity": pl.Float32, "insult": pl.Float32}
    assert b"scones" not in file.read_bytes()


def test_a_run_that_is_stopped_keeps_what_it_saved_and_the_next_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(scores, "SAVED_AT_ONCE", 3)
    texts = series(*(f"a{'e' * number}" for number in range(10)))
    stopped, next_one = Vowels(breaks_after=6), Vowels()
    with pytest.raises(KeyboardInterrupt):
        score_texts(texts, stopped, tmp_path)
    found = score_texts(texts, next_one, tmp_path)
    assert stopped.asked == texts[:6].to_list()
    assert next_one.asked == texts[6:].to_list()
    assert found["toxicity"].to_list() == pytest.approx([1 / (number + 1) for number in range(10)])


def test_a_file_that_was_being_written_when_the_machine_died_is_passed_over(tmp_path):
    (tmp_path / "vowels-1").mkdir()
    (tmp_path / "vowels-1" / ".half.tmp").write_bytes(b"PAR1 and then nothing")
    assert score_texts(series("aa"), Vowels(), tmp_path)["toxicity"].to_list() == [1.0]


def test_progress_counts_distinct_texts_those_known_from_before_included(tmp_path, monkeypatch):
    monkeypatch.setattr(scores, "SAVED_AT_ONCE", 2)
    score_texts(series("aa", "ee"), Vowels(), tmp_path)
    told = []
    score_texts(series("ee", "x", "y", "z", "x"), Vowels(), tmp_path, lambda done, of: told.append((done, of)))
    assert told == [(3, 4), (4, 4)]


@given(st.lists(st.lists(st.one_of(st.none(), st.text("ae b", max_size=3)), max_size=8), min_size=1, max_size=4))
def test_whatever_was_scored_before_the_answer_is_the_same(tmp_path_factory, rounds):
    folder = tmp_path_factory.mktemp("scores")
    asked = []
    for texts in rounds:
        scorer = Vowels()
        found = score_texts(series(*texts), scorer, folder)
        alone = Vowels().score([text or "" for text in texts])
        assert found.rows() == [tuple(row) for row in alone.tolist()]
        asked += scorer.asked
    assert sorted(asked) == sorted({text or "" for texts in rounds for text in texts})


def test_with_the_real_small_model(tmp_path):
    texts = series("You absolute teaspoon, you dull damned idiot.", "The kettle is warm.", None)
    found = score_texts(texts, LiteScorer(), tmp_path)["toxicity"]
    assert found.to_list() == LiteScorer().score([text or "" for text in texts])[:, 0].tolist()
    assert found[0] > 0.9 > 0.5 > found[1]
