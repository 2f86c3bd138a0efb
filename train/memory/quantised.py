"""Layers that bitsandbytes quantises, without memory: its own modules, whose own forward and backward passes then run."""

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BLOCK = 64
"""Weights that share a constant in NF4: the default of `bitsandbytes.functional.quantize_4bit`."""

NESTED_BLOCK = 256
"""Constants that share one of their own in double quantisation (the same)."""


def quantise(model: "PreTrainedModel", quantisation: str, dtype: torch.dtype) -> None:
    """Puts quantised layers where loading in 4 or 8 bit would; all on the meta device. `dtype` is what they compute in.

    Which layers those are is asked of transformers, as its loader does: all linear ones but the output matrix and what is tied to it.
    """
    from transformers import BitsAndBytesConfig
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear
    from transformers.quantizers.base import get_keys_to_not_convert

    config: Any = BitsAndBytesConfig
    eight = quantisation == "int8"
    how = {"load_in_8bit": True} if eight else {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
    replace_with_bnb_linear(model, get_keys_to_not_convert(model), config(bnb_4bit_compute_dtype=dtype, **how))
    model.requires_grad_(False)
    # What PEFT chooses its own layers by.
    setattr(model, "is_loaded_in_8bit" if eight else "is_loaded_in_4bit", True)


def imagine_weight(module: Any, dtype: torch.dtype) -> bool:
    """Gives a quantised layer of the meta device its weight in quantised form; says whether it is such a layer.

    Called while an `Imagination` is active.
    """
    shape = (module.out_features, module.in_features) if bits(module) else ()
    if bits(module) == 4:
        module.weight = _four_bits(shape, dtype)
        module.support_avx512bf16_for_cpu = False
    elif bits(module) == 8:
        module.weight = _eight_bits(module, shape)
    return bits(module) > 0


def bits(module: nn.Module) -> int:
    """4 or 8 for a layer that bitsandbytes quantised, 0 for others."""
    from bitsandbytes.nn.modules import Linear4bit, Linear8bitLt

    return 4 if isinstance(module, Linear4bit) else 8 if isinstance(module, Linear8bitLt) else 0


def bytes_of_quantised(module: Any) -> int:
    """Bytes of a quantised layer's weight with its constants, not of its bias.

    The tables of the 16 and 256 values that codes stand for are left out: where layers share them is the library's matter.
    """
    if bits(module) == 4:
        state = module.weight.quant_state
        tensors = [module.weight, state.absmax] + ([state.state2.absmax, state.offset] if state.nested else [])
    else:
        tensors = [module.weight, module.state.SCB if module.state.SCB is not None else module.weight.SCB]
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)


def _four_bits(shape: Sequence[int], dtype: torch.dtype) -> nn.Parameter:
    """A weight as `quantize_4bit` leaves it: two numbers a byte, with a constant a block; those in 8 bit, with constants of their own."""
    from bitsandbytes.functional import QuantState

    state: Any = QuantState
    blocks = ceil(shape[0] * shape[1] / BLOCK)
    packed: Any = nn.Parameter(torch.empty((ceil(shape[0] * shape[1] / 2), 1), dtype=torch.uint8), requires_grad=False)
    packed.quant_state = state(
        absmax=torch.empty(blocks, dtype=torch.uint8),
        shape=torch.Size(shape),
        code=torch.empty(16),
        blocksize=BLOCK,
        quant_type="nf4",
        dtype=dtype,
        offset=torch.empty(()),
        state2=state(absmax=torch.empty(ceil(blocks / NESTED_BLOCK)), code=torch.empty(256), blocksize=NESTED_BLOCK, dtype=torch.float32),
    )
    packed.compress_statistics, packed.quant_type, packed.blocksize, packed.bnb_quantized = True, "nf4", BLOCK, True
    weight: nn.Parameter = packed
    return weight


def _eight_bits(module: Any, shape: Sequence[int]) -> nn.Parameter:
    """A weight as `Int8Params` leaves it: a byte a number, with a constant a row."""
    weight: Any = nn.Parameter(torch.empty(tuple(shape), dtype=torch.int8), requires_grad=False)
    weight.CB, weight.SCB, weight.has_fp16_weights = None, None, False
    module.state.CB, module.state.SCB = weight.data, torch.empty(shape[0])
    parameter: nn.Parameter = weight
    return parameter
