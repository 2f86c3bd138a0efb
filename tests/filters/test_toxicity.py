"""Toxicity with both real scorers. The Detoxify checkpoint is trained here, in a second, on invented words."""

import json
import random
import socket
import sys

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from filters import toxicity
from filters.rule import RuleError
from filters.scores import score_texts
from filters.toxicity import LABELS, DetoxifyScorer, LiteScorer, Toxicity, batches_by_length, open_scorer
from filters.verdicts import judge

RUDE, VILE = "grumbleworth", "snarkface"
HARMLESS = ["the", "kettle", "is", "warm", "and", "my", "tea", "was", "in", "a", "mug", "with", "one", "thimble", "of", "jam"]
CLASSES = ["toxic", "severe_toxic", "insult"]
"""As the Jigsaw data names them; Detoxify renames them to toxicity, severe_toxicity, insult."""
POSITIONS = 48


def trained(tokenizer, config):
    """A tiny BERT that has learned that one word is rude and another rude and vile."""
    torch.manual_seed(0)
    draw = random.Random(0)
    model = BertForSequenceClassification(config)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(160):
        words = [draw.choices([*HARMLESS, *[RUDE, VILE] * 3], k=draw.randint(1, 8)) for _ in range(16)]
        wanted = torch.tensor([[float(RUDE in row or VILE in row), float(VILE in row), 0.0] for row in words])
        logits = model(**tokenizer([" ".join(row) for row in words], return_tensors="pt", padding=True)).logits
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted).backward()
        optimizer.step()
    return model.eval()


def write_checkpoint(path, state, base):
    """Detoxify's own format: what its trainer saves, reduced to what its loader reads."""
    args = {
        "model_type": str(base),
        "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizer",
        "num_classes": len(CLASSES),
    }
    torch.save({"config": {"arch": {"args": args}, "dataset": {"args": {"classes": CLASSES}}}, "state_dict": state}, path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A Detoxify checkpoint with its base model's config and tokenizer beside it."""
    folder = tmp_path_factory.mktemp("detoxify")
    vocabulary = {
        token: index for index, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted({*HARMLESS, RUDE, VILE})])
    }
    tokenizer = BertTokenizer(vocab=vocabulary, model_max_length=POSITIONS)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=POSITIONS,
        initializer_range=0.2,
        num_labels=len(CLASSES),
        attn_implementation="eager",
    )
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return write_checkpoint(folder / "court.ckpt", trained(tokenizer, config).state_dict(), folder)


@pytest.fixture
def no_network(monkeypatch):
    """Names the hosts that were looked up; every look-up fails as on a machine without a network."""
    hosts = []

    def refuse(host, *_, **__):
        hosts.append(host)
        raise socket.gaierror(f"no network in a test: {host}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return hosts


@pytest.fixture(scope="module")
def scorer(checkpoint):
    return open_scorer(Toxicity(f"detoxify:{checkpoint}"))


def refusal(name):
    with pytest.raises(RuleError) as refused:
        open_scorer(Toxicity(name))
    assert "\n" not in str(refused.value)
    return str(refused.value)


# The rule


def scored(**columns):
    height = len(next(iter(columns.values())))
    return pl.DataFrame(
        {f"toxicity.{label}": columns.get(label, [None] * height) for label in LABELS},
        schema_overrides=dict.fromkeys([f"toxicity.{label}" for label in LABELS], pl.Float32),
    )


def test_a_score_above_the_threshold_drops_and_the_threshold_itself_does_not():
    judged = judge(scored(toxicity=[0.9, 0.9001, 0.0, 1.0, None]), [Toxicity()])
    assert judged["target_reason"].to_list() == [None, "toxicity", None, "toxicity", None]


def test_only_replies_are_judged_context_may_be_rude():
    assert judge(scored(toxicity=[1.0]), [Toxicity()])["context_reason"].to_list() == [None]


def test_any_label_with_a_threshold_drops_and_the_others_do_not():
    table = scored(toxicity=[0.5, 0.5, 0.5, None], threat=[0.51, 0.5, None, 0.9], obscene=[0.0, 1.0, 1.0, None])
    assert judge(table, [Toxicity()])["target_reason"].to_list() == ["toxicity", None, None, "toxicity"]
    assert judge(table, [Toxicity(thresholds={"obscene": 0.2})])["target_reason"].to_list() == [None, "toxicity", "toxicity", None]


def test_the_defaults_keep_rude_humour_and_drop_hatred():
    table = scored(toxicity=[0.89, 0.89], insult=[1.0, 1.0], obscene=[1.0, 1.0], identity_attack=[0.1, 0.6])
    assert judge(table, [Toxicity()])["target_reason"].to_list() == [None, "toxicity"]


@pytest.mark.parametrize(
    "name", ["light", "lite:small", "detoxify", "detoxify:", "detoxify:originals", "Detoxify:original", "", "detoxify:/no/such/file.ckpt"]
)
def test_an_unknown_scorer_is_refused_when_the_recipe_is_read(name):
    with pytest.raises(RuleError) as refused:
        Toxicity(scorer=name)
    assert str(refused.value) == (
        f"toxicity: unknown scorer {name!r}; known: lite, detoxify:MODEL with original, unbiased, multilingual, original-small, "
        "unbiased-small, or detoxify:FILE with an existing checkpoint"
    )


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(RuleError, match="unknown scorer"):
        Toxicity(scorer=f"detoxify:{tmp_path}")


# Detoxify


def test_the_checkpoint_loads_without_a_network(checkpoint, no_network):
    scorer = DetoxifyScorer(str(checkpoint))
    assert scorer.labels == ("toxicity", "severe_toxicity", "insult")
    assert no_network == []


def test_a_checkpoint_that_names_its_base_on_the_hub_takes_the_one_beside_it(checkpoint, scorer, no_network):
    """As all checkpoints of Detoxify's own releases do; looking it up would wait 20 s for a network that is not there."""
    state = torch.load(checkpoint, weights_only=False)["state_dict"]
    named = DetoxifyScorer(str(write_checkpoint(checkpoint.with_name("released.ckpt"), state, "bert-base-uncased")))
    assert no_network == []
    assert named.score([RUDE, "tea"]).tolist() == scorer.score([RUDE, "tea"]).tolist()


def test_the_key_names_the_file_and_its_content(checkpoint, scorer):
    assert scorer.key.startswith("detoxify-court-")
    state = torch.load(checkpoint, weights_only=False)["state_dict"]
    state["classifier.bias"] += 1
    other = DetoxifyScorer(str(write_checkpoint(checkpoint.with_name("other.ckpt"), state, checkpoint.parent)))
    assert scorer.key.removeprefix("detoxify-court-") != other.key.removeprefix("detoxify-other-")
    assert len(scorer.key) == len("detoxify-court-") + 16


def test_a_rude_word_scores_above_the_threshold_and_a_harmless_one_below(scorer):
    scores = scorer.score([f"the kettle is {RUDE}", "the kettle is warm", f"my {VILE} mug", "tea", ""])
    assert scores.dtype == np.float32
    assert scores.shape == (5, 3)
    assert (scores[:, 0] > 0.9).tolist() == [True, False, True, False, False]
    assert (scores[:, 0] < 0.1).tolist() == [False, True, False, True, True]
    assert (scores[:, 1] > 0.5).tolist() == [False, False, True, False, False]
    assert (scores[:, 2] < 0.5).all()


def test_the_model_the_rule_and_the_sidecar_together_drop_what_is_rude(scorer, tmp_path):
    texts = pl.Series(["tea and jam", f"{RUDE} tea", "the mug", f"{RUDE} tea", VILE])
    found = score_texts(texts, scorer, tmp_path)
    table = found.select(**{f"toxicity.{label}": pl.col(label) if label in found.columns else pl.lit(None, pl.Float32) for label in LABELS})
    assert judge(table, [Toxicity()])["target_reason"].to_list() == [None, "toxicity", None, "toxicity", "toxicity"]
    assert judge(table, [Toxicity(thresholds={"severe_toxicity": 0.5})])["target_reason"].to_list() == [None, None, None, None, "toxicity"]


def test_one_text_is_the_score_of_detoxify_itself(scorer):
    text = f"{RUDE} and tea"
    expected = scorer._model.predict(text)
    assert scorer.score([text])[0].tolist() == pytest.approx([expected[label] for label in scorer.labels], abs=1e-6)


@given(
    st.lists(st.lists(st.sampled_from([*HARMLESS, RUDE, VILE, "unheard-of"]), max_size=60).map(" ".join), max_size=12),
    st.sampled_from([1, 40, 200, 1024]),
)
def test_scores_keep_the_order_of_the_texts_and_one_alone_scores_the_same(scorer, texts, budget):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toxicity, "PADDED_TOKENS", budget)
        together = scorer.score(texts)
    alone = np.array([scorer.score([text])[0] for text in texts], np.float32).reshape(len(texts), 3)
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_text_longer_than_the_model_is_cut_there(scorer):
    long = " ".join([RUDE, *["tea"] * 500])
    assert scorer.score([long])[0].tolist() == pytest.approx(scorer.score([" ".join(long.split()[: POSITIONS - 2])])[0].tolist(), abs=1e-6)


def test_a_tokenizer_that_knows_no_limit_takes_the_models(checkpoint, tmp_path):
    """As in a folder with `vocab.txt` alone, the files of Detoxify's time."""
    tokens = json.loads((checkpoint.parent / "tokenizer.json").read_text())["model"]["vocab"]
    (tmp_path / "vocab.txt").write_text("\n".join(sorted(tokens, key=tokens.get)))
    (tmp_path / "config.json").write_bytes((checkpoint.parent / "config.json").read_bytes())
    (tmp_path / "old.ckpt").write_bytes(checkpoint.read_bytes())
    scores = DetoxifyScorer(str(tmp_path / "old.ckpt")).score([" ".join([RUDE, *["tea"] * 500]), "tea"])
    assert (scores[:, 0] > 0.5).tolist() == [True, False]


def test_no_texts_have_no_scores(scorer):
    assert scorer.score([]).shape == (0, 3)


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
    said = refusal(f"detoxify:{path}")
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
    assert "is no Detoxify checkpoint" in refusal(f"detoxify:{tmp_path / 'other.ckpt'}")
    assert no_network == []


def test_a_checkpoint_that_vanished_after_the_recipe_was_read_is_refused_in_one_line(tmp_path):
    path = tmp_path / "gone.ckpt"
    with pytest.raises(RuleError, match=rf"^toxicity: cannot load detoxify:{path} \(.*No such file.*\); it is no Detoxify checkpoint"):
        DetoxifyScorer(str(path))


def test_a_named_model_without_its_download_says_what_to_do(tmp_path, monkeypatch, no_network):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    said = refusal("detoxify:original")
    assert said.startswith("toxicity: cannot load detoxify:original (")
    assert said.endswith("; it needs its download once, or a checkpoint: detoxify:/path/to/model.ckpt; or use the scorer lite")
    assert no_network == ["github.com"]


def test_without_the_package_detoxify_the_rule_says_what_to_install(checkpoint, monkeypatch):
    monkeypatch.setitem(sys.modules, "detoxify", None)
    said = refusal(f"detoxify:{checkpoint}")
    assert said.startswith("toxicity: the scorer detoxify needs the package detoxify (")
    assert said.endswith("); pip install it")


# Batches


@given(st.lists(st.integers(1, 600), max_size=60), st.integers(1, 1024))
def test_batches_hold_every_text_once_within_the_budget_and_short_ones_first(lengths, budget):
    batches = list(batches_by_length(lengths, budget))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= budget for batch in batches)
    in_order = [lengths[index] for batch in batches for index in batch]
    assert in_order == sorted(lengths)


def test_texts_of_one_length_fill_a_batch_to_its_budget():
    assert list(batches_by_length([10] * 5, 20)) == [[0, 1], [2, 3], [4]]
    assert list(batches_by_length([30, 5, 5], 10)) == [[1, 2], [0]]


# Lite


@pytest.fixture(scope="module")
def lite():
    return LiteScorer()


def test_lite_knows_abuse_from_tea(lite):
    scores = lite.score(["You are a damned stupid idiot, shut the hell up.", "The court thanks you for the tea and the jam.", ""])
    assert lite.labels == ("toxicity",)
    assert (scores.dtype, scores.shape) == (np.float32, (3, 1))
    assert scores[0, 0] > 0.9
    assert scores[1, 0] < 0.1
    assert scores[2, 0] < 0.1


@given(st.lists(st.one_of(st.text(max_size=20), st.sampled_from(["you idiot", "what a lovely mug", "damn", "\0", "\u2028"])), max_size=6))
def test_lite_scores_each_text_by_itself_in_order(lite, texts):
    together = lite.score(texts)
    assert together.shape == (len(texts), 1)
    assert ((together >= 0) & (together <= 1)).all()
    np.testing.assert_allclose(together[:, 0], [lite.score([text])[0, 0] for text in texts], atol=1e-6)


def test_lite_is_opened_by_name_and_its_key_names_the_version():
    assert open_scorer(Toxicity("lite")).key.startswith("lite-1.")


def test_without_its_package_lite_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "profanity_check", None)
    said = refusal("lite")
    assert said.startswith("toxicity: the scorer lite needs the package alt-profanity-check (")
    assert said.endswith("); pip install it")


def test_nothing_of_a_scorer_is_loaded_by_naming_it_in_a_recipe(monkeypatch, checkpoint):
    for module in ("detoxify", "profanity_check"):
        monkeypatch.setitem(sys.modules, module, None)
    assert [Toxicity(scorer=name).scorer for name in ("lite", "detoxify:original", f"detoxify:{checkpoint}")] == [
        "lite",
        "detoxify:original",
        f"detoxify:{checkpoint}",
    ]


def test_a_rule_whose_labels_the_scorer_does_not_know_is_refused():
    with pytest.raises(RuleError, match="lite knows toxicity and none of the labels in thresholds"):
        open_scorer(Toxicity("lite", {"threat": 0.5}))
