"""An end token that the base never learned is learned with the adapter, on both sides, and stays learned when merged and loaded."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from formats.errors import UserError
from train.adapters.lora import add_adapter, save_adapter
from train.adapters.stop_row import rows_to_train, stop_to_train
from train.bases.base_model import Base, load_for_generation, load_for_training
from train.settings import TrainSettings

END, FELLOW = 1, 300
IDS = torch.tensor([[5, 9, 40, 41, 77, 3, 60, 61, 62, END]])


def probability(model: Any, token: int = END) -> float:
    """Of a token at the end of the reply."""
    model.train(False)
    with torch.no_grad():
        return float(model(input_ids=IDS).logits[0, -2].float().softmax(-1)[token])


def learn(model: Any, steps: int = 12) -> None:
    optimizer = torch.optim.AdamW([parameter for parameter in model.parameters() if parameter.requires_grad], lr=1e-2)
    model.train()
    for _ in range(steps):
        model(input_ids=IDS, labels=IDS, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def adapted(base: Base, settings: TrainSettings) -> PeftModel:
    torch.manual_seed(0)
    return add_adapter(load_for_training(base, settings.quantisation), settings, stop_token=stop_to_train(base, settings, END))


def test_which_base_has_its_end_token_trained(base: Base, untrained_base: Base) -> None:
    chosen = {
        setting: (
            stop_to_train(base, TrainSettings(train_stop=setting), END),
            stop_to_train(untrained_base, TrainSettings(train_stop=setting), END),
        )
        for setting in ("auto", "always", "never")
    }
    assert chosen == {"auto": (None, END), "always": (END, END), "never": (None, None)}


@pytest.mark.parametrize("setting", ["auto", "always"])
def test_a_token_without_a_row_cannot_be_trained(setting: Any, base: Base) -> None:
    with pytest.raises(
        UserError, match=r"token 5000 has no row in the embedding .*name another end token in the template, or another base"
    ):
        stop_to_train(base, TrainSettings(train_stop=setting), 5_000)
    assert stop_to_train(base, TrainSettings(train_stop="never"), 5_000) is None


def test_both_matrices_are_named_where_they_are_not_tied(untrained_base: Base) -> None:
    model = load_for_training(untrained_base, "nf4")
    tied = untrained_base.config.get_text_config().tie_word_embeddings
    assert rows_to_train(model, END) == ([END] if tied else {"model.embed_tokens": [END], "lm_head": [END]})


@pytest.mark.parametrize("quantisation", ["nf4", "none"])
def test_the_stop_is_learned_and_stays_so_when_merged_and_loaded(quantisation: Any, untrained_base: Base, tmp_path: Path) -> None:
    settings = TrainSettings(quantisation=quantisation, rank=4)
    model = adapted(untrained_base, settings)
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad and "token_adapter" in name}
    tied = untrained_base.config.get_text_config().tie_word_embeddings
    assert [tuple(parameter.shape) for parameter in trained.values()] == [(1, 64)] * (1 if tied else 2)
    assert {parameter.dtype for parameter in trained.values()} == {torch.float32}
    before = probability(model)
    assert before == pytest.approx(probability(model, FELLOW))
    learn(model)
    after = probability(model)
    assert after > 3 * before
    assert after > 3 * probability(model, FELLOW), "its row is its own now"

    save_adapter(model, tmp_path / "adapter")
    joined = PeftModel.from_pretrained(load_for_generation(untrained_base, quantisation), str(tmp_path / "adapter"))
    assert probability(joined) == pytest.approx(after, rel=0.05)
    merged: Any = joined.merge_and_unload()
    assert probability(merged) == pytest.approx(after, rel=0.05)
    merged.save_pretrained(tmp_path / "merged")
    assert probability(AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=merged.dtype)) == pytest.approx(after, rel=0.05)


def test_without_its_rows_the_stop_cannot_be_told_from_its_fellows(untrained_base: Base) -> None:
    model = adapted(untrained_base, TrainSettings(train_stop="never", rank=4))
    learn(model)
    assert probability(model) == probability(model, FELLOW) < 0.34


def test_adapters_that_are_switched_off_leave_the_base_as_it_was(untrained_base: Base) -> None:
    plain = probability(load_for_training(untrained_base, "none"))
    model = adapted(untrained_base, TrainSettings(quantisation="none", rank=4))
    learn(model)
    assert probability(model) != plain
    with model.disable_adapter():
        assert probability(model) == plain


def test_the_light_way_is_peft_s_function_with_its_gradients(untrained_base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32, so that another order of sums is all that can differ."""

    def measured() -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        torch.manual_seed(0)
        plain = AutoModelForCausalLM.from_pretrained(untrained_base.location, dtype=torch.float32)
        model = add_adapter(plain, TrainSettings(rank=4, quantisation="none"), stop_token=END)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_B" in name or "trainable_tokens" in name:
                    parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)) * 0.1)
        found = model(input_ids=IDS, labels=IDS)
        found.loss.backward()
        return (
            found.logits,
            found.loss,
            {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None},
        )

    logits, loss, gradients = measured()
    monkeypatch.setattr("train.adapters.lora.lighten", lambda model: None)
    of_peft, loss_of_peft, gradients_of_peft = measured()
    torch.testing.assert_close(logits, of_peft)
    torch.testing.assert_close(loss, loss_of_peft)
    assert gradients.keys() == gradients_of_peft.keys()
    assert any("trainable_tokens" in name for name in gradients)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, gradients_of_peft[name], atol=1e-5, rtol=1e-4)


def test_the_bias_of_an_output_matrix_stays() -> None:
    """Phi's output matrix has one; PEFT leaves it out."""
    from transformers import PhiConfig, PhiForCausalLM

    torch.manual_seed(0)
    config = PhiConfig(vocab_size=90, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
    plain = PhiForCausalLM(config)
    torch.nn.init.normal_(plain.lm_head.bias)
    plain.requires_grad_(False)
    with torch.no_grad():
        before = plain(input_ids=IDS).logits
        model = add_adapter(plain, TrainSettings(rank=2, quantisation="none"), stop_token=END)
        torch.testing.assert_close(model(input_ids=IDS).logits, before)


def test_an_embedding_that_scales_its_rows_scales_the_trained_one_too() -> None:
    """Gemma's does, by the root of its width."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=90, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=8
    )
    plain = Gemma3ForCausalLM(config).requires_grad_(False)
    ids = torch.tensor([[END, 5, END, 40]])
    with torch.no_grad():
        before = plain(input_ids=ids).logits
        model = add_adapter(plain, TrainSettings(rank=2, quantisation="none"), stop_token=END)
        torch.testing.assert_close(model(input_ids=ids).logits, before)


@pytest.mark.parametrize("values", [{}, {"dora": True}])
def test_what_is_trained_is_float32_on_a_base_in_half_precision(values: dict[str, Any], untrained_base: Base) -> None:
    """A scaler of gradients, which float16 needs, refuses gradients in float16."""
    plain = AutoModelForCausalLM.from_pretrained(untrained_base.location, dtype=torch.float16).requires_grad_(False)
    model = add_adapter(plain, TrainSettings(rank=4, quantisation="none", **values), stop_token=END)
    with torch.autocast("cpu", torch.float16):
        model(input_ids=IDS, labels=IDS, use_cache=False).loss.backward()
    found = {name: (parameter.dtype, parameter.grad is not None) for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert any("trainable_tokens" in name for name in found)
    assert set(found.values()) == {(torch.float32, True)}
