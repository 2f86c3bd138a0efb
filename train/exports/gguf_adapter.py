"""Writes an adapter alone as GGUF: a LoRA that llama.cpp puts beside the base's own GGUF."""

from pathlib import Path

import gguf
import torch

from formats.errors import UserError
from train.adapters.folder import read_adapter
from train.adapters.matrices import read_matrices
from train.bases.base_model import resolve
from train.exports.gguf_model import Tensor, write_tensors
from train.exports.gguf_names import layout_of


def write_gguf_adapter(adapter_folder: Path, out: Path) -> None:
    """Writes an adapter's matrices as a GGUF file in float32, which appears whole or not at all.

    It goes with a GGUF of the adapter's base (`write_gguf` of the base's folder). The stop is not in it: that is the business of the
    base's file, of a Modelfile, or of who calls llama.cpp.

    Raises:
        UserError: the adapter has trained rows or is a DoRA, which a GGUF LoRA cannot hold; llama.cpp does not know its base; or its files
            are damaged.
    """
    adapter = read_adapter(adapter_folder)
    matrices = read_matrices(adapter_folder)
    merged = "write the merged model instead (lorum export --to gguf merges it)"
    if matrices.rows:
        raise UserError(f"{adapter_folder}: has trained rows of {', '.join(matrices.rows)}, for which a GGUF LoRA has no place; {merged}")
    if any(layer.magnitude is not None for layer in matrices.layers.values()):
        raise UserError(f"{adapter_folder}: is a DoRA, whose lengths a GGUF LoRA has no place for; {merged}")
    base = resolve(adapter.base)
    layout = layout_of(base.config)
    writer = gguf.GGUFWriter(None, gguf.MODEL_ARCH_NAMES[layout.family.architecture])
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_name(adapter_folder.resolve().name)
    writer.add_base_model_count(1)
    writer.add_base_model_name(0, base.published)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    # The matrices hold the adapter's scale, which with rsLoRA is no such quotient: alpha / rank is 1.
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(matrices.rank))
    tensors: list[Tensor] = []
    for name, layer in matrices.layers.items():
        place = layout.name(f"{name}.weight")
        tensors.append(_held(f"{place}.lora_a", layer.a))
        tensors.append(_held(f"{place}.lora_b", layout.arranged(f"{name}.weight", layer.b)))
    write_tensors(writer, out, tensors, gguf.GGMLQuantizationType.F32)


def _held(name: str, values: torch.Tensor) -> Tensor:
    return name, tuple(values.shape), lambda: values
