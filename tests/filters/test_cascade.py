"""The cascade, on invented posts in which one word is rude."""

import random
import sys
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from filters import scores
from filters.rule import RuleError
from filters.scorers import cascade
from filters.scorers.cascade import LinearSieve, Sifted, threshold_of, upper_bound
from filters.scorers.sampling import SamplingScorer
from filters.scorers.scorer import labelled, schema_of
from filters.scores import score_texts
from tests.filters.scorer_models import HARMLESS, RUDE

THRESHOLDS = {"toxicity": 0.9, "threat": 0.5}


def forum(count, rude, seed=0):
    """That many different posts, of which about a share is rude."""
    draw = random.Random(seed)
    return [
        " ".join([*draw.choices(HARMLESS, k=draw.randint(2, 8)), *([RUDE] if draw.random() < rude else []), str(number)])
        for number in range(count)
    ]


@dataclass
class Court:
    """Finds the rude word toxic at 0.97 and a kettle half so; counts what it was asked."""

    key: str = "court"
    schema: dict = field(default_factory=lambda: schema_of(("toxicity",)))
    asked: list[str] = field(default_factory=list)

    def score(self, texts):
        self.asked += texts
        found = [0.97 if RUDE in text else 0.4 if "kettle" in text else 0.001 for text in texts]
        return labelled({"toxicity": pl.Series(found, dtype=pl.Float32)})


@pytest.fixture
def small(monkeypatch):
    """Proportions for a small forum: a bound of 5 %, which 80 toxic posts of which none is missed can show at the first look."""
    for name, value in {"BOUND": 0.05, "FITTED": 400, "FIRST_LOOK": 80}.items():
        monkeypatch.setattr(cascade, name, value)
    monkeypatch.setattr(scores, "LESSON", 200)


def through(texts, folder, scorer=None, by_cascade=True):
    scorer = scorer or Court()
    sampling = SamplingScorer(scorer, THRESHOLDS, None, cascade=by_cascade)
    found = score_texts(pl.Series(texts), sampling, folder)["toxicity"]
    return found, scorer, sampling.report().get("cascade")


def test_clearly_clean_posts_pass_unscored_once_it_is_shown_that_no_toxic_ones_pass_with_them(small, tmp_path):
    texts = forum(3000, 0.2)
    found, court, report = through(texts, tmp_path)
    rude = pl.Series([RUDE in text for text in texts])
    assert found.filter(rude).to_list() == pytest.approx([0.97] * rude.sum())
    assert found.null_count() == report["passed"] == 3000 - len(court.asked)
    assert report["passed"] > 1000
    assert (report["fitted"], report["held_out_missed"], report["missed_share"]) == (400, 0, 0.0)
    assert report["calibrated_toxic"] >= 80
    assert report["held_out_toxic"] > 5
    assert 0 < report["missed_at_most"] < report["bound"] == 0.05
    assert report["passed_share"] == report["passed"] / report["asked"]
    assert report["says"].startswith(
        f"{report['passed']:,} of {report['asked']:,} texts passed unscored; of the toxic ones this misses at most"
    )
    assert report["says"].endswith(f"(95% confidence), 0 of {report['held_out_toxic']} on held-out scores")


def test_a_second_run_lets_the_same_posts_pass_and_scores_nothing(small, tmp_path):
    texts = forum(2500, 0.2)
    first, _, report = through(texts, tmp_path)
    second, court, again = through(texts[::-1], tmp_path)
    assert second.reverse().equals(first, null_equal=True)
    assert (court.asked, again) == ([], report)


def test_a_run_that_was_stopped_ends_as_one_that_was_not(small, tmp_path, monkeypatch):
    texts = forum(2500, 0.2)

    class Stops(Court):
        def score(self, given):
            if len(self.asked) > 900:
                raise KeyboardInterrupt
            return super().score(given)

    with monkeypatch.context() as patch:
        patch.setattr(scores, "SAVED_EACH", 0.0)
        stopped = Stops()
        with pytest.raises(KeyboardInterrupt):
            through(texts, tmp_path / "stopped", stopped)
    found, court, report = through(texts, tmp_path / "stopped")
    expected, unstopped, expected_report = through(texts, tmp_path / "whole")
    assert found.equals(expected, null_equal=True)
    assert report == expected_report
    assert sorted(stopped.asked + court.asked) == sorted(unstopped.asked)


def test_what_passed_was_not_scored_and_a_run_without_the_cascade_scores_it(small, tmp_path):
    texts = forum(2500, 0.2)
    found, _, report = through(texts, tmp_path)
    complete, court, none = through(texts, tmp_path, by_cascade=False)
    assert none is None
    assert len(court.asked) == found.null_count() == report["passed"]
    assert complete.null_count() == 0
    passed, court, _ = through(texts, tmp_path)
    assert passed.null_count() == 0
    assert court.asked == []


@pytest.mark.parametrize("rude", [0.0, 0.02])
def test_with_too_few_toxic_posts_nothing_passes_and_the_report_says_so(rude, small, tmp_path):
    found, court, report = through(forum(1500, rude), tmp_path)
    assert (found.null_count(), len(court.asked)) == (0, 1500)
    assert (report["passed"], report["asked"], report["missed_at_most"]) == (0, 0, 1.0)
    assert report["says"] == (
        f"nothing passed unscored: {report['calibrated_toxic']} toxic texts are too few to show that under 5% of them would be missed "
        "and much would pass"
    )


def test_where_words_say_nothing_of_the_scores_nothing_passes(small, tmp_path):
    class Dice(Court):
        def score(self, texts):
            self.asked += texts
            return labelled({"toxicity": pl.Series([0.97 if hash(text) % 5 == 0 else 0.001 for text in texts], dtype=pl.Float32)})

    _, dice, report = through(forum(3000, 0.2), tmp_path, Dice())
    assert len(dice.asked) > 2900
    assert report["passed"] < 100


def test_fewer_posts_than_the_linear_model_needs_are_all_scored(small, tmp_path):
    found, court, report = through(["tea", "a mug", "tea"], tmp_path)
    assert (found.null_count(), sorted(court.asked)) == (0, ["a mug", "tea"])
    assert report["fitted"] == 0
    assert through([], tmp_path)[0].len() == 0


def test_the_reports_of_several_collections_add_up():
    one = Sifted(fitted=4, calibrated=9, calibrated_toxic=5, missed_at_most=0.004, held_out=3, held_out_toxic=2, asked=100, passed=60)
    two = Sifted(
        fitted=4,
        calibrated=9,
        calibrated_toxic=6,
        missed_at_most=0.008,
        held_out=3,
        held_out_toxic=2,
        held_out_missed=1,
        asked=50,
        passed=40,
    )
    both = (one + two).to_dict()
    assert (both["asked"], both["passed"], both["passed_share"]) == (150, 100, 2 / 3)
    assert (both["missed_at_most"], both["missed_share"], both["calibrated_toxic"]) == (0.008, 0.25, 11)


# The threshold


def test_the_bound_is_that_of_clopper_and_pearson():
    assert upper_bound(0, 299, 0.05) == pytest.approx(1 - 0.05 ** (1 / 299))
    assert upper_bound(1, 558, 0.025) < 0.01 < upper_bound(1, 552, 0.025)
    assert upper_bound(1, cascade.FIRST_LOOK, cascade.DOUBT / 2) < cascade.BOUND
    assert upper_bound(3, 3, 0.05) == 1.0
    assert upper_bound(2, 100, 0.05) == pytest.approx(0.0616, abs=1e-4)


def test_the_threshold_lies_below_as_many_toxic_texts_as_the_bound_allows():
    predicted = np.linspace(0, 1, 10_001)
    toxic = np.zeros(10_001, bool)
    toxic[5_000:] = True
    below, at_most = threshold_of(predicted, toxic, 0.05)
    missed = int((predicted[toxic] < below).sum())
    assert at_most == upper_bound(missed, 5_001, 0.05) < 0.01
    assert 0.5 < below < 0.505
    assert upper_bound(missed + 60, 5_001, 0.05) > 0.01


def test_without_toxic_texts_there_is_no_threshold():
    assert threshold_of(np.linspace(0, 1, 100), np.zeros(100, bool), 0.05) == (-np.inf, 1.0)
    assert threshold_of(np.zeros(0), np.zeros(0, bool), 0.05) == (-np.inf, 1.0)


def test_the_true_share_is_above_the_bound_no_more_often_than_said():
    """Over draws with a known truth: toxic texts lie where clean ones do, a little higher."""
    draw = np.random.default_rng(0)
    above = 0
    for _ in range(100):
        toxic = draw.random(2000) < 0.4
        below, _ = threshold_of(draw.normal(toxic * 2.0), toxic, 0.05)
        above += norm.cdf(below, loc=2.0) >= 0.01
    assert 0 < above <= 10  # of 100, where 5 are expected at most


def test_any_label_above_its_threshold_makes_a_text_toxic_and_unknown_labels_do_not():
    found = labelled({"toxicity": pl.Series([0.95, 0.1, None, 0.89], dtype=pl.Float32), "threat": pl.Series([0.0, 0.6, None, 0.4])})
    margins = cascade._margins(found, THRESHOLDS)
    assert (margins > 0).tolist() == [True, True, False, False]
    assert margins[2] == -cascade.MARGIN
    assert margins[3] == pytest.approx(np.log(0.89 / 0.11) - np.log(9), abs=1e-5)


def test_without_scikit_learn_the_rule_says_what_to_install(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    sieve = LinearSieve(THRESHOLDS)
    with pytest.raises(RuleError, match=r"^toxicity: cascade needs the package scikit-learn \(.*\); pip install it$"):
        sieve.learn(forum(1500, 0.2), Court().score(forum(1500, 0.2)))
