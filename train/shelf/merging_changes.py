"""What becomes of the weights of a base when an adapter is merged into them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers.pytorch_utils import Conv1D

from formats.errors import UserError
from train.adapters.folder import Adapter
from train.adapters.matrices import Matrices, Rows, read_matrices
from train.answers.beside import layer_shape
from train.bases.base_model import Base, Quantisation, compute_dtype, device
from train.memory.imagined_model import skeleton
from train.memory.quantised import bits, quantise

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_WEIGHT = ".weight"


@dataclass(frozen=True)
class Changes:
    """How an adapter and the quantisation of its training change the weights of a base, named as in the model: `lm_head.weight`.

    Args:
        shapes: of every weight of the model, one that is tied to another left out.
        quantisation: what `quantised` layers went through in the training; none where the base's own weights are merged.
        computed_in: the precision in which the training held the base; None where the base's own weights are merged.
        transposed: layers that hold their weights as (in, out), as GPT-2's do.
        rows: of embeddings and output matrices, by the names of their weights.
        tied: the embedding's weight and the output matrix', where the two are one.
    """

    matrices: Matrices
    shapes: Mapping[str, torch.Size]
    quantisation: Quantisation
    computed_in: torch.dtype | None
    quantised: frozenset[str]
    transposed: frozenset[str]
    rows: Mapping[str, Rows]
    tied: tuple[str, str] | None

    @property
    def names(self) -> frozenset[str]:
        """The weights that do not stay as they are."""
        layers = {f"{layer}{_WEIGHT}" for layer in (*self.matrices.layers, *self.quantised)}
        return frozenset(layers | set(self.rows))

    def made(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """What becomes of a weight; float32 where it changes, otherwise as it is."""
        layer = name.removesuffix(_WEIGHT)
        if self.computed_in is not None and tensor.is_floating_point():
            tensor = tensor.to(self.computed_in)
        if name not in self.names:
            return tensor
        turned = layer in self.transposed
        weight = tensor.T if turned else tensor
        if layer in self.quantised:
            weight = quantised_and_back(weight, self.quantisation)
        if layer in self.matrices.layers:
            weight = self.matrices.layers[layer].merged(weight)
        # A copy: what was read may be the file itself.
        weight = (weight.T if turned else weight).to(torch.float32, copy=True)
        if name in self.rows:
            weight[list(self.rows[name].tokens)] = self.rows[name].values
        return weight


def quantised_and_back(weight: torch.Tensor, quantisation: Quantisation) -> torch.Tensor:
    """A weight, (out, in), as a training computes with it once bitsandbytes has quantised it: in the precision that it came in.

    The parameters are those that transformers' loader makes (`Bnb4bitQuantize`, `Bnb8bitQuantize`), on the device where models run here.
    """
    from bitsandbytes.functional import dequantize_4bit, int8_vectorwise_dequant
    from bitsandbytes.nn.modules import Int8Params, Params4bit

    kinds: Any = {"nf4": Params4bit, "int8": Int8Params}
    if quantisation == "nf4":
        packed = kinds["nf4"](weight.to(device()), requires_grad=False, quant_type="nf4", compress_statistics=True).to(device())
        whole: torch.Tensor = dequantize_4bit(packed.data, packed.quant_state)
    else:
        # On the CPU at first: moving it from there is what quantises it.
        packed = kinds["int8"](weight.cpu(), requires_grad=False).to(device())
        whole = int8_vectorwise_dequant(packed.data, packed.SCB)
    return whole.to("cpu", weight.dtype)


def changes_of(adapter: Adapter, base: Base, exact: bool) -> Changes:
    """The changes that merging an adapter into its base makes; no weight of the base is read.

    Args:
        exact: into the base as the training computed with it, quantised and back; else into the base's own weights.

    Raises:
        UserError: the adapter's weights are damaged or do not fit the base.
    """
    matrices = read_matrices(adapter.folder)
    model = skeleton(base.config, torch.float32, "eager")
    modules: dict[str, Any] = dict(model.named_modules())
    transposed = frozenset(name for name, module in modules.items() if isinstance(module, Conv1D))
    _refuse_misfits(adapter, base, matrices, modules, transposed)
    tied = _tied(model)
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items() if not tied or name != tied[1]}
    rows = _rows(matrices, tied)
    quantisation: Quantisation = adapter.settings.quantisation if exact else "none"
    quantised: frozenset[str] = frozenset()
    if quantisation != "none":
        quantise(model, quantisation, torch.float32)
        quantised = frozenset(name for name, module in model.named_modules() if bits(module))
    return Changes(matrices, shapes, quantisation, compute_dtype() if exact else None, quantised, transposed, rows, tied)


def _tied(model: "PreTrainedModel") -> tuple[str, str] | None:
    """The names of the weights of embedding and output matrix where the two are one; None where they are two."""
    causal: Any = model
    outputs = causal.get_output_embeddings()
    if outputs is None or not getattr(model.config.get_text_config(), "tie_word_embeddings", False):
        return None
    names = {id(module): f"{name}{_WEIGHT}" for name, module in model.named_modules()}
    return names[id(causal.get_input_embeddings())], names[id(outputs)]


def _refuse_misfits(adapter: Adapter, base: Base, matrices: Matrices, modules: Mapping[str, Any], transposed: frozenset[str]) -> None:
    for layer, change in matrices.layers.items():
        fits = layer in modules and layer_shape(modules[layer], layer in transposed) == (len(change.b), change.a.shape[1])
        if not fits:
            what = f"{layer} has another shape" if layer in modules else f"there is no {layer}"
            raise UserError(f"{adapter.folder}: does not fit the base {base.name}, in which {what}; it was trained on {adapter.base}")
    for place, rows in matrices.rows.items():
        weight = getattr(modules.get(place), "weight", None)
        if weight is None or weight.shape[1] != rows.values.shape[1] or max(rows.tokens) >= len(weight):
            raise UserError(
                f"{adapter.folder}: does not fit the base {base.name}, in which {place} has no such rows; it was trained on another"
            )


def _rows(matrices: Matrices, tied: tuple[str, str] | None) -> dict[str, Rows]:
    """The trained rows by the names of weights; those of an embedding go into the output matrix too, where the two are one."""
    rows = {f"{place}{_WEIGHT}": one for place, one in matrices.rows.items()}
    return rows | {tied[1]: rows[tied[0]]} if tied and tied[0] in rows else rows
