"""The imagined step beside the real one: weights, adapter, gradients, the optimizer's state and what is kept for the backward pass."""

from typing import Any

import pytest
import torch
from transformers import AutoConfig

from train.adapters.lora import add_adapter
from train.bases.base_model import Base, Quantisation, compute_dtype, load_for_training
from train.learning.attention import SEGMENTS
from train.learning.batches import flatten
from train.learning.fused import fuse
from train.learning.loss import weighted_loss
from train.memory.imagined_model import shortened
from train.memory.layers import enough
from train.memory.quantised import bits, bytes_of_quantised
from train.memory.step import Figures, MicroBatch, imagined_step, micro_batch_of, state_bytes
from train.settings import TrainSettings

BATCH = MicroBatch((40, 33, 27), 50)


def imagined(base: Base, settings: TrainSettings, batch: MicroBatch = BATCH, layers: int = 2, accumulates: bool = False) -> Figures:
    return imagined_step(shortened(base.config, layers), settings, batch, accumulates, compute_dtype(), SEGMENTS, "cpu")


def adapted(base: Base, settings: TrainSettings) -> Any:
    model = add_adapter(load_for_training(base, settings.quantisation), settings)
    fuse(model)
    return model.train()


def real_loss(model: Any, batch: MicroBatch = BATCH) -> torch.Tensor:
    inputs = flatten(batch.samples())
    labels = inputs.pop("labels")
    with torch.autocast("cpu", compute_dtype(), enabled=compute_dtype() != torch.float32):
        return weighted_loss(1.0)(model(**inputs), labels, batch.learned)


@pytest.mark.parametrize("quantisation", ["nf4", "int8", "none"])
def test_weights_and_adapter_are_as_large_as_real_ones(base: Base, quantisation: Quantisation) -> None:
    settings = TrainSettings(rank=4, quantisation=quantisation)
    figures, model = imagined(base, settings), adapted(base, settings)
    assert figures.quantised == sum(bytes_of_quantised(module) for module in model.modules() if bits(module))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert figures.adapter == sum(parameter.untyped_storage().nbytes() for parameter in trained)
    assert (figures.trainable, figures.total) == model.get_nb_trainable_parameters()
    held = {p.untyped_storage().data_ptr(): p for name, p in model.named_parameters() if "lora" not in name and p.dtype not in _PACKED}
    plain = sum(parameter.untyped_storage().nbytes() for parameter in held.values())
    # Beside the weights lie the tables of the codes' values and the rotary frequencies.
    assert 0 <= figures.plain - plain < 40_000


_PACKED = (torch.uint8, torch.int8)


def test_gradients_and_state_are_as_large_as_real_ones(base: Base) -> None:
    settings = TrainSettings(rank=4)
    figures, model = imagined(base, settings), adapted(base, settings)
    real_loss(model).backward()  # type: ignore[no-untyped-call]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert figures.gradients == sum(parameter.grad.untyped_storage().nbytes() for parameter in trained if parameter.grad is not None)
    optimizer = torch.optim.AdamW(trained)
    optimizer.step()
    moments = [value for state in optimizer.state.values() for value in state.values() if value.dim()]
    assert figures.state == sum(moment.untyped_storage().nbytes() for moment in moments)


@pytest.mark.parametrize("dropout", [0.0, 0.1], ids=["fused", "plain"])
@pytest.mark.parametrize("quantisation", ["nf4", "none"])
def test_what_is_kept_is_what_a_real_model_saves(base: Base, quantisation: Quantisation, dropout: float) -> None:
    settings = TrainSettings(rank=4, quantisation=quantisation, dropout=dropout)
    figures, model = imagined(base, settings), adapted(base, settings)
    weights = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    saved: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = real_loss(model)
    assert loss.isfinite()
    assert figures.kept == pytest.approx(sum(saved.values()), rel=0.02)


def test_every_layer_adds_the_same(base: Base) -> None:
    settings = TrainSettings(rank=4, dropout=0.1)
    two, four, six = (imagined(base, settings, layers=layers) for layers in (2, 4, 6))
    assert two.at(6, 2, four, 4) == six


def test_more_tokens_keep_more(base: Base) -> None:
    settings = TrainSettings(rank=4)
    kept = [imagined(base, settings, micro_batch_of(tokens, 64, 0.5)).kept for tokens in (16, 64, 256)]
    assert kept == sorted(kept)
    assert kept[-1] > 2 * kept[-2]


def test_checkpointing_keeps_less_and_accumulation_more(base: Base) -> None:
    settings = TrainSettings(rank=4, dropout=0.1)
    plain = imagined(base, settings, layers=4)
    assert imagined(base, settings.model_copy(update={"activation_checkpointing": True}), layers=4).kept < plain.kept / 2
    assert imagined(base, settings, layers=4, accumulates=True).forward == plain.forward + plain.gradients


def test_state_in_8_bit() -> None:
    assert state_bytes(4096, "adamw_8bit") == 2 * (4096 + 16 * 4)
    assert state_bytes(4095, "paged_adamw_8bit") == 8 * 4095, "small tensors stay in float32"
    assert state_bytes(10_000, "paged_adamw_32bit") == state_bytes(10_000, "adamw_torch") == 80_000


def test_a_micro_batch_has_its_tokens_and_its_loss() -> None:
    batch = micro_batch_of(1000, 300, 0.5)
    assert (len(batch.lengths), batch.tokens, batch.learned) == (4, 1000, 500)
    assert int(flatten(batch.samples())["logits_to_keep"].sum()) == 500
    assert micro_batch_of(1, 300, 1.0) == MicroBatch((2,), 1)


def test_layers_of_several_kinds_are_taken_in_their_order() -> None:
    config = AutoConfig.for_model("gemma3_text", num_hidden_layers=13)
    assert shortened(config, 6).layer_types == config.layer_types[:6]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("a" * 32, (2, 4)),
        ("d", (1, 1)),
        ("aaa", (3, 3)),
        ("dddmmmmmmmm", (4, 6)),
        ("ddmddmddmddm", (3, 6)),
        ("abcde", (5, 5)),
        ("sssssfsssssfsssssfss", (8, 14)),
    ],
)  # fmt: skip
def test_first_layers_of_their_own_and_those_that_come_again(kinds: str, expected: tuple[int, int]) -> None:
    assert enough(kinds) == expected
