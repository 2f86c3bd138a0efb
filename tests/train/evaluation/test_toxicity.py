"""Toxicity of answers, by the scorer and the thresholds of the filter."""

import pytest

from filters.rule import RuleError
from train.evaluation.toxicity import ToxicityMeter


def test_lite_scores_every_text_that_has_words() -> None:
    meter = ToxicityMeter("lite")
    scores, over = meter.score(["Milk goes in after.", " ", "You are a pathetic moron, you idiot."])
    assert meter.thresholds == {"toxicity": 0.8}
    assert len(scores) == len(over) == 2
    assert scores[0] < 0.3 < scores[1]
    assert over == [bool(score > 0.8) for score in scores]
    assert meter.score([])[1] == []


def test_an_unknown_scorer_is_refused() -> None:
    with pytest.raises(RuleError, match="unknown scorer 'nose'"):
        ToxicityMeter("nose")
