import numpy as np
import pytest
import torch

from filters.rule import RuleError
from filters.scorers import torch_model
from filters.scorers.batches import CPU_BUDGET, GPU_BUDGET
from filters.scorers.torch_model import TorchModel, device_of, precision_of
from tests.filters.scorer_models import RUDE, config, tokenizer, trained


@pytest.fixture
def model():
    from transformers import BertForSequenceClassification

    made = BertForSequenceClassification(config())
    made.load_state_dict(trained())
    return made


def batches(*texts):
    return [tokenizer()(list(group), return_tensors="pt", padding=True) for group in texts]


def test_logits_come_back_batch_by_batch_in_float32_whatever_the_precision(model):
    given = batches(["tea", f"{RUDE} tea"], ["mug"])
    with torch.no_grad():
        expected = [model.eval()(**batch).logits.numpy() for batch in given]
    exact = TorchModel(model, "float32", "cpu").logits(iter(given))
    for found, wanted in zip(exact, expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    rounded = TorchModel(model, "bfloat16", "cpu").logits(iter(given))
    assert [logits.dtype for logits in (*exact, *rounded)] == [np.float32] * 4
    for found, wanted in zip(rounded, expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=0.2)
    assert not np.array_equal(rounded[0], exact[0])


def test_a_model_that_is_set_to_training_scores_without_dropout(model):
    given = batches([f"{RUDE} tea"])
    runner = TorchModel(model.train(), "float32", "cpu")
    assert runner.logits(given)[0].tolist() == runner.logits(given)[0].tolist()


def test_a_gpu_gets_larger_batches_pinned_and_without_waiting(monkeypatch):
    """With stand-ins for tensors and a model: what is done to them, in its order, until the logits are asked for."""
    done = []

    class Tensor:
        def __init__(self, name):
            self.name = name

        def pin_memory(self):
            done.append(f"pin {self.name}")
            return self

        def to(self, device, non_blocking):
            done.append(f"copy {self.name} to {device} {'and go on' if non_blocking else 'and wait'}")
            return self

        @property
        def logits(self):
            return self

        def float(self):
            return self

        def cpu(self):
            done.append(f"wait for {self.name}")
            return self

        def numpy(self):
            return self.name

    class Model:
        def to(self, device, dtype):
            done.append(f"model to {device} as {dtype}")
            return self

        def eval(self):
            return self

        def __call__(self, input_ids):
            done.append(f"run {input_ids.name}")
            return input_ids

    runner = TorchModel(Model(), "bfloat16", "cuda:0")
    assert (runner.budget, TorchModel(Model(), "float32", "cpu").budget) == (GPU_BUDGET, CPU_BUDGET)
    done.clear()
    assert runner.logits({"input_ids": Tensor(name)} for name in "ab") == ["a", "b"]
    assert done == [
        "pin a", "copy a to cuda:0 and go on", "run a", "pin b", "copy b to cuda:0 and go on", "run b", "wait for a", "wait for b",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "has"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 amx_tile\n", True),
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_vnni\n", False),
        ("Features\t: fp asimd bf16 i8mm\n", True),
        ("Features\t: fp asimd\n", False),
        ("", False),
    ],
)
def test_bfloat16_is_taken_where_the_processor_multiplies_it(lines, has, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(lines)
    assert torch_model._multiplies_bf16(tmp_path / "cpuinfo") == has
    monkeypatch.setattr(torch_model, "_multiplies_bf16", lambda _: has)
    assert precision_of("auto", "cpu") == ("bfloat16" if has else "float32")
    assert (precision_of("float32", "cpu"), precision_of("bfloat16", "cpu")) == ("float32", "bfloat16")
    assert precision_of("auto", "mps") == "float32"


def test_where_the_system_does_not_list_its_processors_it_is_float32(tmp_path):
    assert not torch_model._multiplies_bf16(tmp_path / "cpuinfo")


def test_a_gpu_with_bfloat16_uses_it(monkeypatch):
    for has in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, has=has: has and not including_emulation)
        assert precision_of("auto", "cuda") == ("bfloat16" if has else "float32")


def test_auto_is_a_gpu_where_there_is_one(monkeypatch):
    for cuda, mps, device in ((True, False, "cuda"), (True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert device_of("auto") == device
    assert device_of("cpu") == "cpu"


@pytest.mark.parametrize("device", ["gpu", "", "meta", "cuda:99", "cpu cuda"])
def test_a_device_that_is_not_there_is_refused_in_one_line(device):
    with pytest.raises(RuleError) as refused:
        device_of(device)
    assert str(refused.value).startswith(f"toxicity: no device {device!r} here (")
    assert str(refused.value).endswith("); expected auto, cpu, cuda, cuda:1 or mps")
    assert "\n" not in str(refused.value)
