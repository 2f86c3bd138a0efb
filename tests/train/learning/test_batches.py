"""Flattened batches: what they hold, that samples do not see each other, and what carries loss."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from formats.errors import UserError
from formats.templates.template import Template
from formats.tokens.encoding import Encoded, encode_sample
from train.bases.base_model import Base, load_tokenizer
from train.learning.attention import SEGMENTS, can_use_segments
from train.learning.batches import flatten, read_samples, stop_in_loss
from train.learning.loss import token_losses, weighted_loss

A = Encoded(input_ids=np.array([10, 11, 12, 13, 1], np.int32), num_prompt=2, num_stop=2)
B = Encoded(input_ids=np.array([20, 21, 1], np.int32), num_prompt=1, num_stop=1)


def test_flatten_holds_exactly_the_samples() -> None:
    batch = flatten([A, B])
    assert batch["input_ids"].tolist() == [[10, 11, 12, 13, 1, 20, 21, 1]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 4, 0, 1, 2]]
    assert batch["logits_to_keep"].tolist() == [[False, True, True, True, False, True, True, False]]
    assert batch["shift_labels"].tolist() == [12, 13, 1, 21, 1]
    assert batch["labels"].tolist() == [[12, 13, 1, 21, 1], [0, 1, 1, 0, 1]]
    assert batch["cu_seq_lens_q"].tolist() == [0, 5, 8]
    assert batch["use_cache"] is False
    assert "attention_mask" not in batch


@pytest.mark.parametrize("attention", ["sdpa", SEGMENTS])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_flattened_row_gives_the_logits_of_its_samples_alone(base_folder: Path, attention: str, dtype: torch.dtype) -> None:
    model = AutoModelForCausalLM.from_pretrained(base_folder, attn_implementation=attention, dtype=dtype)
    alone = AutoModelForCausalLM.from_pretrained(base_folder, attn_implementation="eager", dtype=dtype)
    lengths = (5, 17, 1, 40)
    rows = [Encoded((7 * np.arange(n, dtype=np.int32) + n) % 300 + 2, 1 if n > 1 else 0, 1) for n in lengths]
    batch = flatten(rows)
    together = model(**{k: v for k, v in batch.items() if k not in ("labels", "shift_labels", "logits_to_keep")}).logits[0]
    tolerance = 1e-5 if dtype == torch.float32 else 0.25
    for row, got in zip(rows, together.split(list(lengths)), strict=True):
        expected = alone(input_ids=torch.from_numpy(row.input_ids).long()[None]).logits[0]
        torch.testing.assert_close(got, expected, atol=tolerance, rtol=tolerance)


def test_segments_give_the_gradients_of_sdpa(base_folder: Path) -> None:
    gradients = []
    for attention in ("sdpa", SEGMENTS):
        model = AutoModelForCausalLM.from_pretrained(base_folder, attn_implementation=attention, dtype=torch.float32)
        batch = flatten([A, B, A])
        labels = batch.pop("labels")
        token_losses(model(**batch), labels).sum().backward()
        gradients.append(model.model.layers[0].self_attn.k_proj.weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-5, rtol=1e-4)


def test_segments_are_for_plain_causal_attention_only() -> None:
    assert can_use_segments(LlamaConfig())
    assert not can_use_segments(SimpleNamespace(model_type="mistral", sliding_window=4096))  # type: ignore[arg-type]
    assert not can_use_segments(SimpleNamespace(model_type="gemma3_text"))  # type: ignore[arg-type]


def test_loss_is_on_reply_and_stop_and_nothing_else(base: Base, template: Template) -> None:
    tokenizer = load_tokenizer(base)
    row = encode_sample(template, "### Comment:\nWhy?\n\n### Response:\n", "Overruled, and buttered.\n\n### END", tokenizer)
    labels = flatten([row])["labels"]
    reply = tokenizer("Overruled, and buttered.")["input_ids"]
    stop = tokenizer("\n\n### END")["input_ids"]
    assert labels[0].tolist() == [*reply, *stop, tokenizer.eos_token_id]
    assert labels[1].tolist() == [0] * len(reply) + [1] * (len(stop) + 1)


def test_stop_weight_counts_the_stop_that_often() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 5, 30)
    labels = torch.tensor([[12, 13, 1, 21, 1], [0, 1, 1, 0, 1]])
    each = torch.nn.functional.cross_entropy(logits[0], labels[0], reduction="none")
    outputs = SimpleNamespace(logits=logits)
    torch.testing.assert_close(weighted_loss(1.0)(outputs, labels), each.mean())
    torch.testing.assert_close(weighted_loss(1.0)(outputs, labels, num_items_in_batch=10), each.sum() / 10)
    torch.testing.assert_close(weighted_loss(3.0)(outputs, labels), (each + 2 * each * labels[1]).sum() / 5)


def test_too_long_rows_are_dropped_and_counted(base: Base, samples: Path) -> None:
    data = read_samples(samples, "train", load_tokenizer(base), max_tokens=128)
    assert (len(data.rows), data.dropped) == (23, 1)
    assert data.longest <= 128
    with pytest.raises(UserError, match=r"each of its 24 rows is longer than max_tokens = 4"):
        read_samples(samples, "train", load_tokenizer(base), max_tokens=4)


def test_a_completion_without_the_stop_shows_in_the_share(base: Base, template: Template) -> None:
    tokenizer = load_tokenizer(base)
    prompt = "### Comment:\nWhy?\n\n### Response:\n"
    rows = [encode_sample(template, prompt, completion, tokenizer) for completion in ("Ha.\n\n### END", "Ha.", "No.\n\n### END", "No.")]
    assert stop_in_loss(rows, template, tokenizer) == 0.5


def test_a_missing_split_is_named(base: Base, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.parquet: no such file"):
        read_samples(tmp_path, "train", load_tokenizer(base), max_tokens=128)


def test_losses_in_pieces_are_the_losses_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 5, 30, requires_grad=True)
    labels = torch.tensor([[12, 13, 1, 21, 1], [0, 1, 1, 0, 1]])
    whole = torch.nn.functional.cross_entropy(logits[0], labels[0], reduction="none")
    (expected,) = torch.autograd.grad(whole.square().sum(), logits)
    monkeypatch.setattr("train.learning.loss._LOGITS_TOGETHER", 60)
    losses = token_losses(SimpleNamespace(logits=logits), labels)
    torch.testing.assert_close(losses, whole)
    torch.testing.assert_close(torch.autograd.grad(losses.square().sum(), logits)[0], expected)
