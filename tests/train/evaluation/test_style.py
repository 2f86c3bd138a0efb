"""Style: a coin for texts of one kind, almost never wrong for texts of two."""

import random

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from train.evaluation.intervals import NOTHING
from train.evaluation.style import FOLDS, Told, difference, resampled, same_length, style, tell_apart

COURT = ["court", "finds", "kettle", "guilty", "milk", "statute", "toast", "overruled", "buttered", "spoon", "sentence", "decaf"]
SHIP = ["fog", "trawler", "queue", "bishop", "window", "collar", "whistle", "path", "wardrobe", "moth", "shipping", "harbour"]


def texts(vocabulary: list[str], count: int, seed: int, least: int = 8) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(vocabulary, k=draw.randint(least, 16))) for _ in range(count)]


def test_texts_of_one_kind_are_told_apart_by_a_coin() -> None:
    real, generated = texts(COURT, 200, 1), texts(COURT, 200, 2)
    found = style(real, generated, tell_apart(real, generated, 0), 0)
    assert found.auc.value == pytest.approx(0.5, abs=0.08)
    assert found.auc.interval is not None
    assert found.auc.interval[0] < 0.5 < found.auc.interval[1]
    assert 0.5 <= (found.length_auc.value or 0) < 0.58


def test_texts_of_two_kinds_are_told_apart() -> None:
    real, generated = texts(COURT, 40, 1), texts(SHIP, 40, 2, least=15)
    found = style(real, generated, tell_apart(real, generated, 0), 0)
    assert (found.auc.value or 0) > 0.99
    assert (found.length_auc.value or 0) > 0.7, "generated ones are longer, and that is said"
    assert found.prompts == 40


def test_replies_of_equal_length_are_told_by_their_words_alone() -> None:
    draw = random.Random(0)
    real = [" ".join(draw.choices(COURT, k=draw.randint(8, 10))) + "." for _ in range(120)]
    generated = [" ".join(draw.choices(COURT, k=draw.randint(16, 20))) + "." for _ in range(120)]
    found = style(real, generated, tell_apart(real, generated, 0), 0)
    assert found.length_auc.value == 1.0
    assert (found.auc.value or 0) > 0.7, "evenly spread words give a length away"
    assert found.same_length_auc.value == pytest.approx(0.5, abs=0.1)


def test_both_replies_are_cut_behind_as_many_words() -> None:
    assert same_length(["Milk, then tea.", "Ha!", ""], ["Overruled – and buttered, too.", "No. No.", "So."]) == (
        ["Milk, then tea", "Ha", ""],
        ["Overruled – and buttered", "No", ""],
    )


def test_no_reply_is_judged_by_a_classifier_that_saw_its_prompt() -> None:
    told = tell_apart(texts(COURT, 23, 1), texts(SHIP, 23, 2), 0)
    assert told is not None
    assert sorted(np.bincount(told.folds, minlength=FOLDS).tolist()) == [4, 4, 5, 5, 5]
    assert len(told.real) == len(told.generated) == 23


def test_the_auc_is_that_of_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    real, generated = draw.normal(0, 1, 30).round(1), draw.normal(0.7, 1, 30).round(1)
    found = resampled(Told(real, generated, np.zeros(30, np.int64)), 0)
    assert found[0] == pytest.approx(roc_auc_score([0] * 30 + [1] * 30, [*real, *generated]))
    assert len(found) == 1001


def test_a_difference_is_of_the_same_prompts() -> None:
    real = texts(COURT, 40, 1)
    ship, court = tell_apart(real, texts(SHIP, 40, 2), 0), tell_apart(real, texts(COURT, 40, 3), 0)
    found = difference(court, ship, 0)
    assert found.interval is not None
    assert found.interval[0] < (found.value or 0) < found.interval[1] < 0
    assert difference(ship, ship, 0).interval == (0, 0)
    assert difference(None, ship, 0) == NOTHING


def test_few_prompts_tell_nothing() -> None:
    assert tell_apart(["tea"] * 9, ["milk"] * 9, 0) is None
    assert style(["tea"] * 9, ["milk"] * 9, None, 0).auc == NOTHING
    assert tell_apart([""] * 20, ["…"] * 20, 0) is None
