"""The models of Detoxify. The checkpoint is trained here, in a second, on invented words."""

import json
import socket
import sys

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from filters.rule import RuleError
from filters.scorers import transformer
from filters.scorers.detoxify import load_detoxify
from filters.scorers.torch_model import TorchModel
from filters.scorers.transformer import TransformerScorer
from tests.filters.scorer_models import HARMLESS, POSITIONS, RUDE, VILE, trained, write_checkpoint, write_detoxify

KNOWN = ["toxicity", "severe_toxicity", "insult"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_detoxify(tmp_path_factory.mktemp("detoxify"))


@pytest.fixture
def no_network(monkeypatch):
    """Names the hosts that were looked up; every look-up fails as on a machine without a network."""
    hosts = []

    def refuse(host, *_, **__):
        hosts.append(host)
        raise socket.gaierror(f"no network in a test: {host}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return hosts


def opened(path):
    classifier = load_detoxify(str(path))
    return TransformerScorer(classifier, TorchModel(classifier.model, "float32", "cpu"))


@pytest.fixture(scope="module")
def scorer(checkpoint):
    return opened(checkpoint)


def refusal(name):
    with pytest.raises(RuleError) as refused:
        load_detoxify(str(name))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def rows(scores):
    return scores.select(KNOWN).rows()


def test_the_checkpoint_loads_without_a_network(checkpoint, no_network, capfd):
    classifier = load_detoxify(str(checkpoint))
    assert classifier.labels == tuple(KNOWN)
    assert (classifier.activation, classifier.longest) == ("sigmoid", POSITIONS)
    assert no_network == []
    assert "Loading weights" not in capfd.readouterr().err


def test_a_checkpoint_that_names_its_base_on_the_hub_takes_the_one_beside_it(checkpoint, scorer, no_network):
    """As all checkpoints of Detoxify's own releases do; looking it up would wait 20 s for a network that is not there."""
    named = opened(write_checkpoint(checkpoint.with_name("released.ckpt"), trained(), "bert-base-uncased"))
    assert no_network == []
    assert rows(named.score([RUDE, "tea"])) == rows(scorer.score([RUDE, "tea"]))


def test_the_key_names_the_file_its_content_and_the_precision(checkpoint, scorer):
    assert scorer.key.startswith("detoxify-court-")
    other = opened(write_checkpoint(checkpoint.with_name("other.ckpt"), {**trained(), "classifier.bias": torch.ones(3)}, checkpoint.parent))
    assert scorer.key.removeprefix("detoxify-court-") != other.key.removeprefix("detoxify-other-")
    assert scorer.key.endswith("-float32")
    assert len(scorer.key) == len("detoxify-court-") + 16 + len("-float32")


def test_a_rude_word_scores_above_the_threshold_and_a_harmless_one_below(scorer):
    scores = scorer.score([f"the kettle is {RUDE}", "the kettle is warm", f"my {VILE} mug", "tea", ""])
    assert (scores["toxicity"] > 0.9).to_list() == [True, False, True, False, False]
    assert (scores["toxicity"] < 0.1).to_list() == [False, True, False, True, True]
    assert (scores["severe_toxicity"] > 0.5).to_list() == [False, False, True, False, False]
    assert (scores["insult"] < 0.5).all()
    assert scores["threat"].to_list() == [None] * 5
    assert set(scores.dtypes) == {pl.Float32}


@given(st.lists(st.lists(st.sampled_from([*HARMLESS, RUDE, VILE, "unheard-of"]), max_size=60).map(" ".join), min_size=1, max_size=12))
def test_scores_are_those_of_detoxify_itself(checkpoint_peer, scorer, texts):
    expected = [checkpoint_peer.predict(text) for text in texts]
    for found, wanted in zip(rows(scorer.score(texts)), expected, strict=True):
        assert found == pytest.approx(tuple(wanted[label] for label in KNOWN), abs=1e-5)


@pytest.fixture(scope="module")
def checkpoint_peer(checkpoint):
    from detoxify import Detoxify

    peer = Detoxify(checkpoint=str(checkpoint), huggingface_config_path=str(checkpoint.parent))
    peer.tokenizer.model_max_length = POSITIONS
    return peer


@given(
    st.lists(st.lists(st.sampled_from([*HARMLESS, RUDE, VILE, "unheard-of"]), max_size=60).map(" ".join), max_size=12),
    st.sampled_from([1, 40, 200, 1024]),
    st.sampled_from([1, 2, 5, 100]),
)
def test_scores_keep_the_order_of_the_texts_and_one_alone_scores_the_same(scorer, texts, budget, together):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorer, "_budget", budget)
        patch.setattr(transformer, "TOKENISED_AT_ONCE", together)
        found = rows(scorer.score(texts))
    for row, text in zip(found, texts, strict=True):
        assert row == pytest.approx(rows(scorer.score([text]))[0], abs=1e-5)


def test_a_text_longer_than_the_model_is_cut_there(scorer):
    long = " ".join([RUDE, *["tea"] * 500])
    cut = " ".join(long.split()[: POSITIONS - 2])
    assert rows(scorer.score([long]))[0] == pytest.approx(rows(scorer.score([cut]))[0], abs=1e-6)


def test_a_tokenizer_that_knows_no_limit_takes_the_models(checkpoint, tmp_path):
    """As in a folder with `vocab.txt` alone, the files of Detoxify's time."""
    tokens = json.loads((checkpoint.parent / "tokenizer.json").read_text())["model"]["vocab"]
    (tmp_path / "vocab.txt").write_text("\n".join(sorted(tokens, key=tokens.get)))
    (tmp_path / "config.json").write_bytes((checkpoint.parent / "config.json").read_bytes())
    (tmp_path / "old.ckpt").write_bytes(checkpoint.read_bytes())
    scores = opened(tmp_path / "old.ckpt").score([" ".join([RUDE, *["tea"] * 500]), "tea"])
    assert (scores["toxicity"] > 0.5).to_list() == [True, False]


def test_no_texts_have_no_scores(scorer):
    scores = scorer.score([])
    assert (scores.height, scores.schema) == (0, scorer.schema)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no checkpoint but a shopping list\nmilk, tea\n", "invalid load key"),
        (b"", "Ran out of input"),
        (b"PK\x03\x04 a zip file that was cut off", "PytorchStreamReader failed reading zip archive"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused_in_one_line(content, reason, tmp_path, no_network):
    path = tmp_path / "list.ckpt"
    path.write_bytes(content)
    said = refusal(path)
    assert said.startswith(f"toxicity: cannot load detoxify:{path} (")
    assert reason in said
    assert said.endswith(
        "; it is no Detoxify checkpoint, or its base model's config.json and tokenizer are not beside it; or use the scorer lite"
    )
    assert no_network == []


@pytest.mark.parametrize("content", [{"weights": 1}, ["weights"], {"config": {}, "state_dict": {}}])
@pytest.mark.parametrize("beside", [False, True])
def test_a_torch_file_of_another_kind_is_refused_in_one_line(content, beside, checkpoint, tmp_path, no_network):
    if beside:
        (tmp_path / "config.json").write_bytes((checkpoint.parent / "config.json").read_bytes())
    torch.save(content, tmp_path / "other.ckpt")
    assert "is no Detoxify checkpoint" in refusal(tmp_path / "other.ckpt")
    assert no_network == []


def test_a_checkpoint_that_vanished_after_the_recipe_was_read_is_refused_in_one_line(tmp_path):
    path = tmp_path / "gone.ckpt"
    with pytest.raises(RuleError, match=rf"^toxicity: cannot load detoxify:{path} \(.*No such file.*\); it is no Detoxify checkpoint"):
        load_detoxify(str(path))


def test_a_named_model_without_its_download_says_which_file_to_fetch_and_where_to_put_it(tmp_path, monkeypatch, no_network):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    said = refusal("original")
    assert said.startswith("toxicity: cannot load detoxify:original (")
    assert said.endswith(
        "; it needs its download once: put https://github.com/unitaryai/detoxify/releases/download/v0.1-alpha/toxic_original-c1212f89.ckpt "
        f"into {tmp_path}/hub/checkpoints, or name a checkpoint: detoxify:/path/to/model.ckpt; or use the scorer lite"
    )
    assert no_network == ["github.com"]


def test_without_the_package_detoxify_the_rule_says_what_to_install(checkpoint, monkeypatch):
    monkeypatch.setitem(sys.modules, "detoxify", None)
    said = refusal(checkpoint)
    assert said.startswith("toxicity: the scorer detoxify needs the package detoxify (")
    assert said.endswith("); pip install it")
