import polars as pl
import pytest

from filters.scorers.fidelity import Fidelity, drops, fidelity
from filters.scorers.sampling import SamplingScorer
from filters.scorers.scorer import labelled
from filters.scores import score_texts
from tests.filters.test_cascade import Court, forum

THRESHOLDS = {"toxicity": 0.9, "threat": 0.5}


def found(toxicity, threat=None):
    known = {"toxicity": pl.Series(toxicity, dtype=pl.Float32)}
    return labelled(known if threat is None else {**known, "threat": pl.Series(threat, dtype=pl.Float32)})


def test_a_row_is_dropped_above_any_threshold_and_what_is_unknown_is_not():
    assert drops(found([0.9, 0.91, None, 0.1], [0.5, None, None, 0.51]), THRESHOLDS).tolist() == [False, True, False, True]
    assert drops(found([0.91]), THRESHOLDS).tolist() == [True]


def test_verdicts_that_differ_are_counted_and_not_scores_that_do():
    exact = found([0.89, 0.95, 0.1, 0.95], [0.1, 0.1, 0.1, 0.9])
    rounded = found([0.91, 0.93, 0.2, 0.85], [0.1, 0.1, 0.1, 0.9])
    compared = fidelity(rounded, exact, THRESHOLDS)
    assert (compared.sampled, compared.dropped, compared.differing, compared.share) == (4, 2, 1, 0.25)
    assert compared.largest_difference == pytest.approx(0.1, abs=1e-6)


def test_of_nothing_nothing_differs():
    assert fidelity(found([]), found([]), THRESHOLDS) == Fidelity(0, 0, 0, 0.0)
    assert fidelity(found([None]), found([None]), THRESHOLDS).largest_difference == 0.0
    assert Fidelity(0, 0, 0, 0.0).share == 0.0


def test_a_run_compares_a_sample_of_its_own_texts(tmp_path, monkeypatch):
    class Rounded(Court):
        def score(self, texts):
            return super().score(texts).with_columns(pl.col("toxicity").round(0))

    monkeypatch.setattr("filters.scores.SAMPLED", 50)
    exact = Court(key="exact")
    scorer = SamplingScorer(Rounded(key="rounded"), {"toxicity": 0.98}, exact, cascade=False)
    texts = pl.Series(forum(400, 0.5))
    score_texts(texts, scorer, tmp_path)
    report = scorer.report()["precision"]
    assert len(exact.asked) == report["sampled"] == 50
    assert 10 < report["differing"] < 40
    assert (report["dropped"], report["share"]) == (0, report["differing"] / 50)
    score_texts(texts, scorer, tmp_path)
    assert len(exact.asked) == 50
