"""Text-classification models of transformers, against its own pipeline."""

import numpy as np
import pytest
import torch
from transformers import BertModel, GPT2Config, GPT2ForSequenceClassification, pipeline

from filters.rule import RuleError
from filters.scorers.classifier import Classifier, activate, load_classifier
from filters.scorers.scorer import LABELS
from filters.scorers.torch_model import TorchModel
from filters.scorers.transformer import TransformerScorer
from tests.filters.scorer_models import POSITIONS, RUDE, VILE, config, tokenizer, write_transformers

TEXTS = [f"the kettle is {RUDE}", "the kettle is warm", f"my {VILE} mug", "tea", "", "one thimble of jam in the mug with tea"]
COURT = {0: "toxic", 1: "VILE", 2: "BORED"}


def opened(folder):
    classifier = load_classifier(str(folder))
    return TransformerScorer(classifier, TorchModel(classifier.model, "float32", "cpu"))


@pytest.mark.parametrize(
    ("problem_type", "labels"),
    [
        ("multi_label_classification", COURT),
        ("single_label_classification", COURT),
        (None, COURT),
        ("regression", {0: "HEAT"}),
        (None, {0: "HEAT"}),
    ],
)
def test_scores_are_those_of_transformers_own_pipeline(problem_type, labels, tmp_path):
    torch.manual_seed(0)
    write_transformers(tmp_path, problem_type=problem_type, num_labels=len(labels), id2label=labels)
    scores = opened(tmp_path).score(TEXTS)
    peer = pipeline("text-classification", str(tmp_path), device="cpu")
    for row, text in zip(scores.iter_rows(named=True), TEXTS, strict=True):
        for found in peer(text, top_k=None):
            assert row[found["label"]] == pytest.approx(found["score"], abs=1e-5)
    unknown = [label for label in LABELS if label != "toxicity" or "toxic" not in labels.values()]
    assert scores.select(unknown).null_count().row(0) == (len(TEXTS),) * len(unknown)


def test_a_label_that_the_jigsaw_data_names_otherwise_is_known_by_both_names(tmp_path):
    write_transformers(tmp_path, problem_type="multi_label_classification", id2label={0: "TOXIC", 1: "severe_toxic", 2: "insult"})
    scores = opened(tmp_path).score(TEXTS)
    assert scores.columns == [*LABELS, "TOXIC", "severe_toxic"]
    assert scores["toxicity"].to_list() == scores["TOXIC"].to_list()
    assert scores["severe_toxicity"].to_list() == scores["severe_toxic"].to_list()
    assert (scores["toxicity"] > 0.9).to_list() == [True, False, True, False, False, False]


def test_the_key_names_the_folder_and_changes_with_the_weights_and_the_labels(tmp_path):
    keys = []
    for number, changes in enumerate([{}, {}, {"id2label": COURT}, {"num_labels": 2}]):
        folder = tmp_path / str(number) / "court"
        folder.mkdir(parents=True)
        keys.append(opened(write_transformers(folder, **changes)).key)
    assert all(key.startswith("transformers-court-") and key.endswith("-float32") for key in keys)
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_a_folder_with_pickled_weights_alone_is_refused(tmp_path):
    write_transformers(tmp_path)
    state = load_classifier(str(tmp_path)).model.state_dict()
    (tmp_path / "model.safetensors").unlink()
    torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(RuleError) as refused:
        load_classifier(str(tmp_path))
    assert str(refused.value).startswith(f"toxicity: cannot load transformers:{tmp_path} (")
    assert str(refused.value).endswith(
        "); the folder needs config.json, model.safetensors and the tokenizer's files; or use the scorer lite"
    )
    assert "\n" not in str(refused.value)


def test_code_that_comes_with_a_model_is_not_run(tmp_path):
    write_transformers(tmp_path, auto_map={"AutoModelForSequenceClassification": "evil.Evil"}, model_type="evil")
    text = (tmp_path / "config.json").read_text().replace('"model_type": "bert"', '"model_type": "evil"')
    (tmp_path / "config.json").write_text(text)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    with pytest.raises(RuleError, match=r"^toxicity: cannot load transformers:"):
        load_classifier(str(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_a_model_that_is_not_there_and_no_network_says_how_to_fetch_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(RuleError) as refused:
        load_classifier("kettle/court")
    assert str(refused.value).startswith("toxicity: cannot load transformers:kettle/court (")
    assert str(refused.value).endswith(
        "); fetch it once, where there is a network (hf download kettle/court), or name its folder: transformers:/path/to/folder; "
        "or use the scorer lite"
    )
    assert "\n" not in str(refused.value)


def test_a_model_without_a_trained_head_is_no_classifier(tmp_path):
    BertModel(config()).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    with pytest.raises(RuleError) as refused:
        load_classifier(str(tmp_path))
    assert str(refused.value) == (
        f"toxicity: transformers:{tmp_path} is no trained classifier: it has no weights for classifier.bias; name a model of the task "
        "text-classification"
    )


def test_a_model_that_cannot_pad_gets_its_texts_one_by_one_and_a_text_without_tokens_has_no_score():
    torch.manual_seed(0)
    words = tokenizer()
    shape = GPT2Config(vocab_size=len(words), n_embd=16, n_layer=1, n_head=2, n_positions=POSITIONS, num_labels=2, pad_token_id=None)
    words.pad_token = None
    words._tokenizer.post_processor = None
    words.model_input_names = ["input_ids", "attention_mask"]
    model = GPT2ForSequenceClassification(shape).eval()
    classifier = Classifier("gpt", model, words, ("toxicity", "calm"), "softmax", POSITIONS)
    texts = ["", *TEXTS]
    scores = TransformerScorer(classifier, TorchModel(model, "float32", "cpu")).score(texts)
    assert scores["toxicity"].is_null().to_list() == [text == "" for text in texts]
    alone = [model(**words(text, return_tensors="pt")).logits.detach().softmax(-1)[0, 0].item() for text in texts if text]
    assert scores["toxicity"].drop_nulls().to_list() == pytest.approx(alone, abs=1e-6)


def test_logits_become_scores_without_overflow():
    logits = np.array([[1e4, -1e4, 0.0]], np.float32)
    assert activate(logits, "sigmoid").tolist() == [[1.0, pytest.approx(0.0, abs=1e-30), 0.5]]
    assert activate(logits, "softmax").tolist() == [[1.0, 0.0, 0.0]]
    assert activate(logits, "none").tolist() == logits.tolist()
