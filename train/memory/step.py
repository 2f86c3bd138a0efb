"""One step of the training, from the embedding to the optimizer, on tensors without memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from formats.tokens.encoding import Encoded
from train.learning.batches import flatten
from train.learning.fused import fuse
from train.learning.loss import weighted_loss
from train.learning.optimizer import optimizer_name
from train.memory.imagined import Imagination
from train.memory.imagined_model import imagined_model
from train.memory.quantised import bits, bytes_of_quantised
from train.settings import TrainSettings

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedConfig

FUSED_ROWS = 128
"""Tokens whose logits a fused loss has at once: `train.learning.vocabulary`."""

SMALL_STATE, STATE_BLOCK = 4096, 256
"""bitsandbytes keeps the optimizer's state in 8 bit with a float32 constant for each so many elements; of smaller tensors in float32."""


@dataclass(frozen=True)
class MicroBatch:
    """What goes through the model at once: samples of `lengths` tokens, and how many of these tokens carry loss in all."""

    lengths: tuple[int, ...]
    learned: int

    @property
    def tokens(self) -> int:
        """Tokens of all samples."""
        return sum(self.lengths)

    def samples(self) -> list[Encoded]:
        """Samples of that shape; their tokens are all the same."""
        left, made = self.learned, []
        for number, length in enumerate(self.lengths):
            own = min(length - 1, -(-left // (len(self.lengths) - number)))
            left -= own
            made.append(Encoded(np.zeros(length, np.int32), num_prompt=length - own, num_stop=min(1, own)))
        return made


@dataclass(frozen=True)
class Figures:
    """Bytes of a step, and numbers of parameters. All of them grow evenly with the number of layers.

    `kept` is what the forward pass leaves for the backward pass, `kept_logits` of it in float32, `logits` what a fused loss has at once.
    The peaks are of all that is alive but the optimizer's state: in the
    forward pass, in the first and the second half of the backward pass, and while the optimizer steps.
    """

    quantised: float
    plain: float
    adapter: float
    trainable: float
    total: float
    state: float
    gradients: float
    kept: float
    logits: float
    kept_logits: float
    forward: float
    early_backward: float
    late_backward: float
    optimizer: float

    def at(self, layers: int, own: int, other: "Figures", others: int) -> "Figures":
        """The figures of a model of so many layers, from these of `own` layers and those of `others`."""
        share = (layers - own) / (others - own)
        pairs = {field.name: (getattr(self, field.name), getattr(other, field.name)) for field in fields(self)}
        return Figures(**{name: mine + share * (theirs - mine) for name, (mine, theirs) in pairs.items()})


def imagined_step(
    config: "PreTrainedConfig",
    settings: TrainSettings,
    micro_batch: MicroBatch,
    accumulates: bool,
    dtype: torch.dtype,
    attention: str,
    device: str,
) -> Figures:
    """Runs a step of the trainer's own parts: model, adapter, fused layers, batch layout, loss and optimizer.

    Args:
        accumulates: whether gradients of an earlier micro-batch are there when this one comes.
        dtype: what matrices are multiplied in.
        device: `cpu` or `cuda`: which optimizer there is. The operations are those of a CPU for both; what a GPU's own kernels take
            beside their results is not seen.

    Raises:
        UserError: transformers cannot build the model from its config, or the adapter does not fit it.
    """
    imagination = Imagination()
    model = imagined_model(config, settings, dtype, attention, imagination)
    fuse(model)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if settings.activation_checkpointing:
        causal: Any = model.get_base_model()
        causal.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    still = imagination.live
    with imagination:
        if accumulates:
            for parameter in trained:
                parameter.grad = torch.empty_like(parameter)
        peaks = _passes(model, micro_batch, settings, dtype, imagination)
        imagination.mark()
        if optimizer_name(settings, device) == "adamw_torch":
            # Its own state is counted apart: it is there from the second step on.
            before = imagination.live
            steps = torch.optim.AdamW(trained, lr=1e-3, foreach=device == "cuda")
            steps.step()
            imagination.mark()
            state = imagination.live - before
            steps.step()
            peaks["optimizer"] = imagination.peak - state
        else:
            peaks["optimizer"] = imagination.peak
    frozen = [module for module in model.modules() if bits(module)]
    adapter = sum(_bytes(parameter) for parameter in trained)
    return Figures(
        quantised=sum(map(bytes_of_quantised, frozen)),
        plain=still - adapter - sum(map(bytes_of_quantised, frozen)),
        adapter=adapter,
        trainable=sum(parameter.numel() for parameter in trained),
        total=_parameters(model),
        state=sum(state_bytes(parameter.numel(), optimizer_name(settings, device)) for parameter in trained),
        gradients=adapter,
        **peaks,
    )


def state_bytes(elements: int, optimizer: str) -> int:
    """Bytes of Adam's two moments for a tensor of so many elements."""
    if "8bit" in optimizer and elements >= SMALL_STATE:
        return 2 * (elements + 4 * -(-elements // STATE_BLOCK))
    return 8 * elements


def _passes(
    model: "PeftModel", micro_batch: MicroBatch, settings: TrainSettings, dtype: torch.dtype, imagination: Imagination
) -> dict[str, float]:
    """Forward and backward pass: what is kept between them, and the peaks of each."""
    batch = flatten(micro_batch.samples())
    labels = batch.pop("labels")
    start = imagination.live
    imagination.mark()
    halves: dict[str, float] = {}

    def turned(_: torch.Tensor) -> None:
        halves["early_backward"] = imagination.peak
        imagination.mark()

    middle: Any = _middle(model)
    causal: Any = model.get_base_model()
    hook = middle.register_post_accumulate_grad_hook(turned)
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        outputs = model(**batch)
        loss = weighted_loss(settings.stop_weight)(outputs, labels, max(1, micro_batch.learned))
    fused = getattr(outputs, "token_losses", None) is not None
    del outputs
    row = torch.float32.itemsize * causal.config.get_text_config().vocab_size
    logits, kept_logits = (row * min(FUSED_ROWS, micro_batch.learned), 0) if fused else (0, row * micro_batch.learned)
    forward, kept = imagination.peak, imagination.live - start
    imagination.mark()
    loss.backward()  # type: ignore[no-untyped-call]
    hook.remove()
    return {
        "forward": forward,
        "kept": kept,
        "logits": logits,
        "kept_logits": kept_logits,
        "early_backward": halves.get("early_backward", 0),
        "late_backward": imagination.peak,
    }


def _middle(model: nn.Module) -> nn.Parameter:
    """A trained parameter halfway through the layers."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return trained[len(trained) // 2]


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _parameters(model: nn.Module) -> int:
    """How many numbers the model has, those of a quantised layer counted one by one."""
    packed: dict[int, int] = {id(module.weight): module.out_features * module.in_features for module in _quantised(model)}
    return sum(packed.get(id(parameter), parameter.numel()) for parameter in model.parameters())


def _quantised(model: nn.Module) -> Iterator[Any]:
    return (module for module in model.modules() if bits(module))


def micro_batch_of(tokens: int, longest: int, share: float) -> MicroBatch:
    """So many tokens in samples of at most `longest` that are alike; `share` of the tokens carry loss."""
    count = max(1, -(-tokens // max(1, longest)))
    lengths: Sequence[int] = [tokens // count + (number < tokens % count) for number in range(count)]
    lengths = tuple(max(2, length) for length in lengths)
    return MicroBatch(lengths, max(1, min(sum(lengths) - len(lengths), round(share * sum(lengths)))))
