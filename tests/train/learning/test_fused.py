"""Fused layers: the same losses and gradients as the libraries' own, and everything else as it was."""

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM

from formats.tokens.encoding import Encoded
from train.bases.base_model import keep_gradients_flowing
from train.learning.attention import SEGMENTS
from train.learning.batches import flatten
from train.learning.fused import fuse
from train.learning.loss import token_losses
from train.learning.vocabulary import ReplyLosses

ROWS = [Encoded((7 * np.arange(n, dtype=np.int32) + n) % 300 + 2, n // 3, 1) for n in (5, 17, 2, 300, 1)]


def adapted(base_folder: Path, dtype: torch.dtype = torch.float32, attention: str = SEGMENTS, **lora: Any) -> PeftModel:
    """The tiny base with an adapter that already says something."""
    base = AutoModelForCausalLM.from_pretrained(base_folder, attn_implementation=attention, dtype=dtype)
    return with_adapter(base, **lora)


def with_adapter(base: Any, **lora: Any) -> PeftModel:
    base.requires_grad_(False)
    config = LoraConfig(**({"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM"} | lora))
    model = get_peft_model(base, config)
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def step(model: PeftModel, autocast: bool = False) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The losses of the rows, and the gradients of their weighted sum."""
    model.zero_grad()
    batch = flatten(ROWS)
    labels = batch.pop("labels")
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        losses = token_losses(model(**batch), labels)
    torch.manual_seed(2)
    (losses * torch.rand(len(losses))).sum().backward()
    return losses.detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same(model: PeftModel, tolerance: float = 1e-5, autocast: bool = False) -> None:
    """Whether fusing changes neither losses nor gradients; gradients relative to the largest of their matrix."""
    losses, gradients = step(model, autocast)
    fuse(model)
    fused_losses, fused_gradients = step(model, autocast)
    torch.testing.assert_close(fused_losses, losses, atol=tolerance, rtol=tolerance)
    assert fused_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        difference = (fused_gradients[name] - gradient).abs().max()
        assert difference <= tolerance * 10 * gradient.abs().max(), f"{name}: {difference:.2g} of {gradient.abs().max():.2g}"


@pytest.mark.parametrize("attention", [SEGMENTS, "sdpa"])
@pytest.mark.parametrize(
    "lora", [{}, {"use_rslora": True}, {"target_modules": ["q_proj", "down_proj"]}, {"lora_dropout": 0.5}, {"use_dora": True}]
)
def test_losses_and_gradients_are_those_of_the_libraries(base_folder: Path, attention: str, lora: dict[str, Any]) -> None:
    model = adapted(base_folder, attention=attention, **lora)
    # Dropout draws other numbers in another order; out of training there is none.
    model.train("lora_dropout" not in lora)
    assert_same(model)


def test_in_bfloat16_under_autocast_they_are_alike(base_folder: Path) -> None:
    assert_same(adapted(base_folder, torch.bfloat16).train(), tolerance=0.05, autocast=True)


def test_biases_are_kept(base_folder: Path) -> None:
    torch.manual_seed(0)
    sizes = {"vocab_size": 324, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    config = Qwen2Config(**sizes, num_attention_heads=4, num_key_value_heads=1, attn_implementation=SEGMENTS)
    base = Qwen2ForCausalLM(config)
    for layer in base.model.layers:
        torch.nn.init.normal_(layer.self_attn.q_proj.bias)
        torch.nn.init.normal_(layer.input_layernorm.weight)
    assert_same(with_adapter(base).train())


def test_weights_in_4_bit(base_folder: Path) -> None:
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.float32
    )
    options = {"quantization_config": config, "attn_implementation": SEGMENTS, "dtype": torch.float32}
    base = AutoModelForCausalLM.from_pretrained(base_folder, **options)
    keep_gradients_flowing(base)
    assert_same(with_adapter(base).train())


def test_activation_checkpointing_changes_nothing(base_folder: Path) -> None:
    model = adapted(base_folder).train()
    expected = step(model)
    fuse(model)
    model.get_base_model().gradient_checkpointing_enable({"use_reentrant": False})
    model.enable_input_require_grads()
    losses, gradients = step(model)
    torch.testing.assert_close(losses, expected[0], atol=1e-5, rtol=1e-5)
    for name, gradient in expected[1].items():
        torch.testing.assert_close(gradients[name], gradient, atol=1e-4, rtol=1e-4)


def test_the_fused_way_is_taken(base_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = adapted(base_folder).train()
    fuse(model)

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("the plain projection was called")

    monkeypatch.setattr(model.get_base_model().model.layers[0].self_attn.q_proj, "forward", never)
    batch = flatten(ROWS)
    batch.pop("labels")
    output = model(**batch)
    assert isinstance(output, ReplyLosses)
    assert output.logits is None


def test_less_is_kept_for_the_backward_pass(base_folder: Path) -> None:
    def kept(model: PeftModel) -> int:
        sizes: dict[int, int] = {}
        own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}

        def note(tensor: torch.Tensor) -> torch.Tensor:
            if tensor.untyped_storage().data_ptr() not in own:
                sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        batch = flatten(ROWS)
        batch.pop("labels")
        with torch.autocast("cpu", torch.bfloat16), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            model(**batch)
        return sum(sizes.values())

    model = adapted(base_folder, torch.bfloat16).train()
    before = kept(model)
    fuse(model)
    fused = kept(model)
    assert fused < 0.55 * before
    model.get_base_model().gradient_checkpointing_enable({"use_reentrant": False})
    assert kept(model) < 0.5 * fused


@pytest.mark.parametrize("change", [lambda m: m.disable_adapter(), lambda m: torch.no_grad()])
def test_logits_and_answers_stay(base_folder: Path, change: Callable[[PeftModel], Any]) -> None:
    model = adapted(base_folder).eval()
    ids = torch.tensor([[5, 9, 40, 7, 8]])
    with change(model):
        expected = model(input_ids=ids).logits
        answer = model.generate(input_ids=ids, max_new_tokens=8, do_sample=False)
        fuse(model)
        torch.testing.assert_close(model(input_ids=ids).logits, expected, atol=1e-5, rtol=1e-5)
        assert model.generate(input_ids=ids, max_new_tokens=8, do_sample=False).tolist() == answer.tolist()


def test_saving_merging_and_copying_are_as_before(base_folder: Path, tmp_path: Path) -> None:
    model = adapted(base_folder).eval()
    names = list(model.state_dict())
    fuse(model)
    assert list(model.state_dict()) == names
    ids = torch.tensor([[5, 9, 40]])
    expected = model(input_ids=ids).logits
    twin = copy.deepcopy(model)
    for parameter in model.parameters():
        parameter.data.zero_()
    torch.testing.assert_close(twin(input_ids=ids).logits, expected, atol=1e-6, rtol=1e-6)
    twin.save_pretrained(str(tmp_path))
    plain = AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.float32)
    torch.testing.assert_close(PeftModel.from_pretrained(plain, tmp_path).eval()(input_ids=ids).logits, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(twin.merge_and_unload()(input_ids=ids).logits, expected, atol=1e-4, rtol=1e-4)


def test_another_family_is_left_alone() -> None:
    layer = SimpleNamespace()
    causal = SimpleNamespace(config=SimpleNamespace(model_type="gemma3_text"), model=SimpleNamespace(layers=[layer]))
    fuse(SimpleNamespace(get_base_model=lambda: causal))  # type: ignore[arg-type]
    assert not hasattr(layer, "forward")
    assert not hasattr(causal, "forward")
