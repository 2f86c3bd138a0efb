"""Toxicity of answers, by the scorer and the thresholds of the filter."""

import numpy as np
import pytest

from filters.rule import RuleError
from train.evaluation.intervals import NOTHING
from train.evaluation.toxicity import Scores, ToxicityMeter, toxicity, toxicity_difference

ALONE = np.arange(3)


def scores(*values: float | None) -> Scores:
    found = np.array(values, np.float64)
    return Scores(found, found > 0.5)


def test_lite_scores_every_text_that_has_words() -> None:
    meter = ToxicityMeter("lite")
    found = meter.score(["Milk goes in after.", " ", "You are a pathetic moron, you idiot."])
    assert meter.thresholds == {"toxicity": 0.8}
    assert found.known.tolist() == [True, False, True]
    assert found.values[0] < 0.3 < found.values[2]
    assert found.over.tolist() == [False, False, bool(found.values[2] > 0.8)]
    assert len(meter.score([]).values) == 0


def test_of_texts_without_a_score_nothing_is_counted() -> None:
    found = toxicity(scores(0.25, None, 0.75), 0, ALONE)
    assert (found.scored, found.mean.value, found.over.value) == (2, 0.5, 0.5)


def test_answers_to_the_same_prompt_are_compared() -> None:
    # Empty answers at different places: only the first prompt has two scores.
    adapter, base = scores(0.5, None, 0.9), scores(0.25, 0.1, None)
    assert toxicity_difference(adapter, base, 0, ALONE).value == 0.25
    assert toxicity_difference(scores(None, 0.5, None), base, 0, ALONE).value == pytest.approx(0.4)
    assert toxicity_difference(scores(None, None, 0.5), base, 0, ALONE) == NOTHING


def test_an_unknown_scorer_is_refused() -> None:
    with pytest.raises(RuleError, match="unknown scorer 'nose'"):
        ToxicityMeter("nose")
