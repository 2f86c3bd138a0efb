"""Perplexity against a plain computation."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from formats.templates.template import Template
from formats.tokens.encoding import encode_samples
from tests.train.conftest import SENTENCES, sample
from train.bases.base_model import Base, load_tokenizer
from train.evaluation.perplexity import Losses, losses, perplexity, perplexity_ratio, stop_difference


def test_it_is_exp_of_the_mean_loss_of_a_plain_forward_pass(base: Base, base_folder: Path, template: Template) -> None:
    tokenizer = load_tokenizer(base)
    model = AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.float32).eval()
    rows = [sample(template, SENTENCES[place], SENTENCES[place - 3]) for place in range(8)]
    encoded = encode_samples(template, [row["prompt"] for row in rows], [row["completion"] for row in rows], tokenizer)
    reply, with_stop, stops = [], [], []
    for row in encoded:
        ids = torch.tensor(row.input_ids).long()[None]
        with torch.inference_mode():
            nats = -model(ids).logits[0, :-1].log_softmax(-1).gather(-1, ids[0, 1:, None]).flatten()
        last = len(row.input_ids) - 1
        reply += nats[row.num_prompt - 1 : last - row.num_stop].tolist()
        with_stop += nats[row.num_prompt - 1 :].tolist()
        stops.append(float((-nats[last - row.num_stop :].sum()).exp()))
    found = perplexity(losses(model, encoded), 0)
    assert found.reply.value == pytest.approx(np.exp(np.mean(reply)), rel=1e-4)
    assert found.with_stop.value == pytest.approx(np.exp(np.mean(with_stop)), rel=1e-4)
    assert found.stop_probability.value == pytest.approx(np.mean(stops), rel=1e-3)
    assert (found.samples, found.tokens) == (8, len(reply))
    assert found.reply.interval is None, "eight samples are too few"


def test_differences_are_of_the_same_samples() -> None:
    nats = np.random.default_rng(0).uniform(10, 90, 30)
    tokens, stop = np.full(30, 20.0), np.full(30, 3.0)
    base = Losses(nats, tokens, np.full(30, np.log(4)), stop)
    adapter = Losses(nats - 20 * np.log(2), tokens, np.zeros(30), stop)
    found = perplexity_ratio(adapter, base, 0)
    assert found.value == pytest.approx(0.5)
    assert found.interval == pytest.approx((0.5, 0.5))
    assert stop_difference(adapter, base, 0).value == pytest.approx(0.75)
