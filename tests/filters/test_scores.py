import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters import scores
from filters.scorers import sidecar
from filters.scorers.lite import LiteScorer
from filters.scores import count_scores, drop_scores, hash_texts, score_texts


@dataclass
class Vowels:
    """A scorer that anybody can check by hand: the shares of `a` and of `e` in a text. Counts what it was asked."""

    key: str = "vowels-1"
    schema: dict = field(default_factory=lambda: dict.fromkeys(("toxicity", "insult"), pl.Float32))
    breaks_after: int = 10**9
    asked: list[str] = field(default_factory=list)

    def score(self, texts):
        if len(self.asked) + len(texts) > self.breaks_after:
            raise KeyboardInterrupt
        self.asked += texts
        shares = [[text.count(vowel) / max(1, len(text)) for text in texts] for vowel in "ae"]
        return pl.DataFrame(dict(zip(self.schema, shares, strict=True)), schema=self.schema)


@dataclass
class Languages:
    """A scorer with columns of other types; it cannot say anything of a text without letters."""

    key: str = "languages-1"
    schema: dict = field(default_factory=lambda: {"code": pl.String, "confidence": pl.Float32})
    asked: list[str] = field(default_factory=list)

    def score(self, texts):
        self.asked += texts
        codes = ["en" if "the" in text else "fr" if "le" in text else None for text in texts]
        return pl.DataFrame({"code": codes, "confidence": [0.75 if code else None for code in codes]}, schema=self.schema)


def series(*texts):
    return pl.Series("text", texts, pl.String)


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def one_by_one(monkeypatch):
    """Each text is a piece of its own, and saved by itself."""
    monkeypatch.setattr(scores, "FIRST_BYTES", 0)
    monkeypatch.setattr(scores, "SAVED_EACH", 0.0)


def test_scores_come_back_in_the_order_of_the_texts_one_column_a_label(tmp_path):
    found = score_texts(series("aa", "xe", "aa", "", "ab"), Vowels(), tmp_path)
    assert found.schema == {"toxicity": pl.Float32, "insult": pl.Float32}
    assert found.rows() == [(1.0, 0.0), (0.0, 0.5), (1.0, 0.0), (0.0, 0.0), (0.5, 0.0)]


def test_each_distinct_text_is_scored_once_in_this_run_and_in_the_next(tmp_path):
    first, second = Vowels(), Vowels()
    score_texts(series("aa", "ee", "aa"), first, tmp_path)
    again = score_texts(series("ee", "new", "aa", "ee"), second, tmp_path)
    assert sorted(first.asked) == ["aa", "ee"]
    assert second.asked == ["new"]
    assert again["insult"].to_list() == pytest.approx([1.0, 1 / 3, 0.0, 1.0])


def test_another_model_or_version_keeps_its_scores_apart(tmp_path):
    score_texts(series("aa"), Vowels(), tmp_path)
    other = Vowels(key="vowels-2", schema=dict.fromkeys(("threat", "toxicity"), pl.Float32))
    assert score_texts(series("aa"), other, tmp_path).columns == ["threat", "toxicity"]
    assert other.asked == ["aa"]
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["vowels-1", "vowels-2"]


def test_columns_may_be_of_any_type_and_what_could_not_be_scored_is_asked_again(tmp_path):
    texts = series("the mug", "123", "le bol", None)
    first, second = Languages(), Languages()
    expected = [("en", 0.75), (None, None), ("fr", 0.75), (None, None)]
    assert score_texts(texts, first, tmp_path).rows() == expected
    found = score_texts(texts, second, tmp_path)
    assert (found.rows(), found.schema) == (expected, {"code": pl.String, "confidence": pl.Float32})
    assert sorted(second.asked) == ["", "123"]


def test_scores_of_before_a_column_was_added_are_used_and_it_is_null(tmp_path):
    score_texts(series("aa"), Vowels(schema=dict.fromkeys(("toxicity", "insult"), pl.Float32)), tmp_path)
    wider = Vowels(schema=dict.fromkeys(("toxicity", "insult", "threat"), pl.Float32))
    assert score_texts(series("aa"), wider, tmp_path).rows() == [(1.0, 0.0, None)]
    assert wider.asked == []


def test_a_text_that_is_null_is_scored_as_an_empty_one(tmp_path):
    assert score_texts(series(None, "aa", ""), Vowels(), tmp_path)["toxicity"].to_list() == [0.0, 1.0, 0.0]


def test_texts_that_differ_in_one_blank_are_different_texts(tmp_path):
    scorer = Vowels()
    score_texts(series("a", "a ", "A", "a\0", "a\r\n", "a\n"), scorer, tmp_path)
    assert sorted(scorer.asked) == sorted(["a", "a ", "A", "a\0", "a\r\n", "a\n"])


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


def test_the_longest_of_a_chunk_are_scored_first_so_that_lengths_come_together(tmp_path):
    scorer = Vowels()
    score_texts(series("a", "a" * 900, "e" * 30, "a" * 30, "", "é" * 16), scorer, tmp_path)
    assert [len(text.encode()) for text in scorer.asked] == [900, 32, 30, 30, 1, 0]


def test_pieces_grow_until_they_take_as_long_as_between_two_saves(tmp_path, monkeypatch):
    now = [0.0]
    sizes = []

    class Slow(Vowels):
        def score(self, texts):
            sizes.append(len(texts))
            now[0] += 0.001 * sum(map(len, texts))
            return super().score(texts)

    monkeypatch.setattr(scores.time, "monotonic", lambda: now[0])
    score_texts(series(*(f"{number:0100}" for number in range(1000))), Slow(), tmp_path)
    assert sizes[0] == 40
    assert set(sizes[1:-1]) <= {29, 30}
    assert sum(sizes) == 1000


def test_a_run_that_is_stopped_keeps_what_it_saved_and_the_next_goes_on(tmp_path, monkeypatch):
    one_by_one(monkeypatch)
    texts = series(*(f"a{'e' * number}" for number in range(10)))
    stopped, next_one = Vowels(breaks_after=6), Vowels()
    with pytest.raises(KeyboardInterrupt):
        score_texts(texts, stopped, tmp_path)
    found = score_texts(texts, next_one, tmp_path)
    assert len(stopped.asked) == 6
    assert sorted(stopped.asked + next_one.asked) == sorted(texts)
    assert found["toxicity"].to_list() == pytest.approx([1 / (number + 1) for number in range(10)])


KILLED = """
import sys, time
from pathlib import Path
import polars as pl
from filters import scores

class Slow:
    key, schema = "slow", {"toxicity": pl.Float32}
    def score(self, texts):
        time.sleep(0.02 * len(texts))
        with open(sys.argv[1] + "/asked", "a") as asked:
            asked.writelines(text + "\\n" for text in texts)
        return pl.DataFrame({"toxicity": [float(text) / 1000 for text in texts]}, schema=self.schema)

scores.SAVED_EACH = 0.1
scores.FIRST_BYTES = 1
found = scores.score_texts(pl.Series([str(number) for number in range(60)]), Slow(), Path(sys.argv[1]) / "scores")
assert (found["toxicity"] * 1000).round().cast(int).to_list() == list(range(60))
"""


def test_a_killed_process_loses_one_piece_at_most(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    process = subprocess.Popen(command)
    while len(list(tmp_path.glob("scores/slow/*.parquet"))) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = (tmp_path / "asked").read_text().split()
    saved = sum(pl.read_parquet(part).height for part in tmp_path.glob("scores/slow/*.parquet"))
    assert 3 <= saved <= len(before) < 60
    assert len(before) - saved <= 20
    subprocess.run(command, check=True)
    assert len((tmp_path / "asked").read_text().split()) == 60 + len(before) - saved


def test_many_small_files_of_a_run_become_one(tmp_path, monkeypatch):
    one_by_one(monkeypatch)
    monkeypatch.setattr(sidecar, "MOST_PARTS", 4)
    most = []

    class Watching(Vowels):
        def score(self, texts):
            most.append(len(files(tmp_path)))
            return super().score(texts)

    texts = series(*(f"a{'e' * number}" for number in range(30)))
    score_texts(texts, Watching(), tmp_path)
    assert max(most) == 4 - 1
    (file,) = files(tmp_path)
    assert sorted(pl.read_parquet(file)["hash"].to_list()) == sorted(hash_texts(texts).to_list())


def test_files_of_others_are_left_as_they_are(tmp_path):
    score_texts(series("aa"), Vowels(), tmp_path)
    (theirs,) = files(tmp_path)
    score_texts(series("aa", "ee"), Vowels(), tmp_path)
    assert theirs in files(tmp_path)
    assert len(files(tmp_path)) == 2


def test_a_file_that_was_put_together_with_others_meanwhile_is_read_there(tmp_path, monkeypatch):
    score_texts(series("aa"), Vowels(), tmp_path)
    scan, attempts = pl.scan_parquet, []

    def vanished(*arguments, **settings):
        attempts.append(1)
        if len(attempts) == 1:
            raise FileNotFoundError
        return scan(*arguments, **settings)

    monkeypatch.setattr(sidecar.pl, "scan_parquet", vanished)
    scorer = Vowels()
    assert score_texts(series("aa"), scorer, tmp_path)["toxicity"].to_list() == [1.0]
    assert (scorer.asked, len(attempts)) == ([], 2)


def test_a_file_that_was_being_written_when_the_machine_died_is_passed_over(tmp_path):
    (tmp_path / "vowels-1").mkdir()
    (tmp_path / "vowels-1" / ".half.tmp").write_bytes(b"PAR1 and then nothing")
    assert score_texts(series("aa"), Vowels(), tmp_path)["toxicity"].to_list() == [1.0]


def test_progress_counts_distinct_texts_those_known_from_before_included(tmp_path, monkeypatch):
    score_texts(series("aa", "ee"), Vowels(), tmp_path)
    one_by_one(monkeypatch)
    told = []
    score_texts(series("ee", "x", "y", "z", "x"), Vowels(), tmp_path, lambda done, of: told.append((done, of)))
    assert told == [(2, 4), (3, 4), (4, 4)]
    score_texts(series("ee"), Vowels(), tmp_path, lambda *_: pytest.fail("nothing was scored"))


def test_scores_are_counted_and_dropped_by_their_texts_in_all_folders(tmp_path):
    texts = series("aa", "ee", "")
    score_texts(texts, Vowels(), tmp_path)
    score_texts(texts, Vowels(key="vowels-2"), tmp_path)
    gone = hash_texts(series("aa", "unknown"))
    assert count_scores(gone, tmp_path) == 2
    drop_scores(gone, tmp_path)
    assert (count_scores(gone, tmp_path), count_scores(hash_texts(texts), tmp_path)) == (0, 4)
    scorer = Vowels()
    score_texts(texts, scorer, tmp_path)
    assert scorer.asked == ["aa"]


def test_a_score_that_a_killed_run_left_twice_counts_once(tmp_path):
    score_texts(series("aa"), Vowels(), tmp_path)
    (file,) = files(tmp_path)
    (file.with_name("again.parquet")).write_bytes(file.read_bytes())
    assert count_scores(hash_texts(series("aa")), tmp_path) == 1
    drop_scores(hash_texts(series("aa")), tmp_path)
    assert count_scores(hash_texts(series("aa")), tmp_path) == 0


@given(st.lists(st.lists(st.one_of(st.none(), st.text("ae b", max_size=3)), max_size=8), min_size=1, max_size=4), st.booleans())
def test_whatever_was_scored_before_the_answer_is_the_same(tmp_path_factory, rounds, singly):
    folder = tmp_path_factory.mktemp("scores")
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        if singly:
            one_by_one(patch)
        for texts in rounds:
            scorer = Vowels()
            found = score_texts(series(*texts), scorer, folder)
            assert found.rows() == Vowels().score([text or "" for text in texts]).rows()
            asked += scorer.asked
    assert sorted(asked) == sorted({text or "" for texts in rounds for text in texts})


def test_with_the_real_small_model(tmp_path):
    texts = series("You absolute teaspoon, you dull damned idiot.", "The kettle is warm.", None)
    found = score_texts(texts, LiteScorer(), tmp_path)["toxicity"]
    assert found.to_list() == LiteScorer().score([text or "" for text in texts])["toxicity"].to_list()
    assert found[0] > 0.9 > 0.5 > found[1]
