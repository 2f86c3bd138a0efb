"""Classifiers in ONNX Runtime, against the same in torch."""

import sys

import numpy as np
import pytest

from filters.rule import RuleError
from filters.scorers import onnx_model
from filters.scorers.batches import encode, padded
from filters.scorers.classifier import load_classifier
from filters.scorers.lite import LiteScorer
from filters.toxicity import Toxicity
from tests.filters.scorer_models import RUDE, VILE, write_detoxify, write_transformers

TEXTS = [f"the kettle is {RUDE}", "the kettle is warm", f"my {VILE} mug", "tea", "", "one thimble of jam in the mug " * 5]


def has_onnx():
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        return False
    return True


converts = pytest.mark.skipif(not has_onnx(), reason="needs the extra onnx")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_detoxify(tmp_path_factory.mktemp("detoxify"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def scores(checkpoint, cache, **settings):
    return Toxicity(f"detoxify:{checkpoint}", **settings).load(cache).score(TEXTS)


@converts
def test_float32_scores_are_those_of_torch(checkpoint, cache):
    found, exact = scores(checkpoint, cache, runtime="onnx"), scores(checkpoint, cache, precision="float32")
    assert found.schema == exact.schema
    difference = (found - exact).drop("obscene", "threat", "identity_attack", "sexual_explicit").to_numpy()
    assert np.abs(difference).max() < 1e-4
    assert found["toxicity"][0] > 0.9


@converts
def test_int8_scores_say_the_same_of_what_is_clear(checkpoint, cache):
    found = scores(checkpoint, cache, runtime="onnx-int8")
    assert (found["toxicity"] > 0.5).to_list() == [True, False, True, False, False, False]
    assert (found["severe_toxicity"] > 0.5).to_list() == [False, False, True, False, False, False]


@converts
def test_a_model_is_converted_once_and_kept_by_its_key(checkpoint, cache, monkeypatch, capfd):
    scorer = Toxicity(f"detoxify:{checkpoint}", runtime="onnx").load(cache)
    folders = sorted(path.name for path in (cache / "onnx").iterdir())
    assert scorer.key.endswith("-onnx")
    assert scorer.key in folders
    assert not any(name.startswith(".") for name in folders)
    monkeypatch.setattr(onnx_model, "_convert", lambda *_, **__: pytest.fail("converted again"))
    Toxicity(f"detoxify:{checkpoint}", runtime="onnx").load(cache)
    assert capfd.readouterr().out == ""


@converts
def test_without_a_cache_it_is_converted_for_this_run_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_model.tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "court"
    folder.mkdir()
    classifier = load_classifier(str(write_transformers(folder)))
    given = padded(classifier.tokenizer, encode(classifier.tokenizer, ["tea"], 9), [0])
    runner = onnx_model.OnnxModel(classifier, "onnx", None)
    assert [path.name for path in tmp_path.iterdir()] == ["court"]
    assert runner.logits([given])[0].shape == (1, 3)


@converts
def test_a_model_that_cannot_be_converted_is_refused_in_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def fails(*_):
        raise NotImplementedError("\x1b[96mno such operator\x1b[0m\nand a long story")

    folder = tmp_path / "court"
    folder.mkdir()
    classifier = load_classifier(str(write_transformers(folder)))
    monkeypatch.setattr(onnx_model, "_export", fails)
    with pytest.raises(RuleError) as refused:
        onnx_model.OnnxModel(classifier, "onnx", tmp_path)
    assert str(refused.value) == (f"toxicity: cannot convert {classifier.key} for ONNX Runtime (no such operator); leave runtime out")
    assert list((tmp_path / "onnx").iterdir()) == []


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_without_its_packages_the_rule_says_what_to_install(package, checkpoint, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RuleError) as refused:
        Toxicity(f"detoxify:{checkpoint}", runtime="onnx-int8").load(tmp_path)
    assert str(refused.value).startswith("toxicity: runtime onnx-int8 needs the packages onnx, onnxscript and onnxruntime (")
    assert str(refused.value).endswith("); pip install 'lorum[onnx]'")


def test_lite_needs_no_runtime():
    assert Toxicity("lite", runtime="onnx").load().key == LiteScorer().key
