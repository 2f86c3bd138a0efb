"""Writes a model's folder as one GGUF file, tensor by tensor, with its tokenizer, its stop and its chat template."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import gguf
import numpy as np
import torch
from gguf.quants import quant_shape_to_byte_shape
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from formats.contract.report import StopSpec
from formats.errors import UserError
from train.bases.weights import tensor_files
from train.exports.gguf_config import ROPE_FACTORS, add_config, rope_factors
from train.exports.gguf_names import layout_of
from train.exports.gguf_tokenizer import add_vocabulary, vocabulary_of

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

GgufType = Literal["f32", "f16", "bf16", "q8_0"]
"""What matrices are written in; vectors are float32 in all of them."""

_KINDS = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "bf16": (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}
_Q8_0_BLOCK = 32
_LARGEST_F16 = 65504.0

Bytes = NDArray[np.uint8]
Tensor = tuple[str, tuple[int, ...], Callable[[], torch.Tensor]]
"""A tensor's name in GGUF, its shape, and what reads it."""


def write_gguf(
    model_folder: Path,
    out: Path,
    type: GgufType = "f16",
    *,
    stop: StopSpec | None = None,
    chat_template: str | None = None,
    name: str | None = None,
) -> None:
    """Writes the model in a folder of transformers as a GGUF file, which appears whole or not at all.

    llama.cpp then ends an answer at the stop's token by itself; GGUF has no place for a stop that is text. One tensor is in memory at a
    time.

    Args:
        type: f32, f16, bf16 or q8_0 (blocks of 32 values in 8 bit).
        stop: where answers stop; else the folder's stop.json; else its tokenizer's end token.
        chat_template: in Jinja, in place of the folder's own.
        name: of the model, for those who look into the file; else the folder's.

    Raises:
        UserError: llama.cpp has no such model or tokenizer, or the folder is not whole.
    """
    try:
        config = AutoConfig.from_pretrained(model_folder, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(model_folder, trust_remote_code=False)
        files = tensor_files(str(model_folder))
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise UserError(f"{model_folder}: no model that transformers can load ({' '.join(str(error).split())[:200]})") from None
    if not files:
        raise UserError(f"{model_folder}: no safetensors there; give the folder of a merged model")
    writer = _described(config, type, name or model_folder.resolve().name)
    tensors = _tensors(config, files)
    add_vocabulary(writer, vocabulary_of(tokenizer, config.vocab_size))
    _add_ends(writer, tokenizer, stop or _stop_of(model_folder))
    template = chat_template or tokenizer.chat_template
    if isinstance(template, str):
        writer.add_chat_template(template)
    _add_decoding(writer, model_folder)
    write_tensors(writer, out, tensors, _KINDS[type][0])


def write_tensors(writer: gguf.GGUFWriter, out: Path, tensors: list[Tensor], kind: gguf.GGMLQuantizationType) -> None:
    """Writes a file of what the writer knows and these tensors, one after the other.

    Raises:
        UserError: a value is larger than float16 can hold.
    """
    stored = [_stored_as(shape, kind) for _, shape, _ in tensors]
    for (tensor, shape, _), own in zip(tensors, stored, strict=True):
        size = quant_shape_to_byte_shape(shape, own)
        writer.add_tensor_info(tensor, size, np.dtype(np.uint8), math.prod(size), raw_dtype=own)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    try:
        writer.write_header_to_file(partial)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for (tensor, _, read), own in zip(tensors, stored, strict=True):
            writer.write_tensor_data(_as_bytes(read(), own, tensor))
        writer.close()
        partial.replace(out)
    finally:
        writer.close()
        partial.unlink(missing_ok=True)


def _described(config: "PreTrainedConfig", type: GgufType, name: str) -> gguf.GGUFWriter:
    """A writer that knows what the model is."""
    writer = gguf.GGUFWriter(None, gguf.MODEL_ARCH_NAMES[layout_of(config).family.architecture])
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    writer.add_file_type(_KINDS[type][1])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_config(writer, config)
    return writer


def _tensors(config: "PreTrainedConfig", files: dict[str, Path]) -> list[Tensor]:
    """The model's tensors, none of which is read yet."""
    layout = layout_of(config)

    def tensor(name: str, place: str) -> Tensor:
        def read() -> torch.Tensor:
            with safe_open(str(files[name]), framework="pt") as weights:
                return layout.arranged(name, weights.get_tensor(name))

        with safe_open(str(files[name]), framework="pt") as weights:
            return place, tuple(weights.get_slice(name).get_shape()), read

    found = [tensor(name, place) for name, place in layout.tensors(files).items()]
    factors = rope_factors(config)
    if factors is not None:
        found.append((ROPE_FACTORS, tuple(factors.shape), lambda: factors))
    names = {name for name, _, _ in found}
    for needed in ("token_embd.weight", "output_norm.weight", *([] if layout.tied else ["output.weight"])):
        if needed not in names:
            raise UserError(f"the model's files lack {needed} (as llama.cpp calls it); merge it again")
    return found


def _stored_as(shape: tuple[int, ...], kind: gguf.GGMLQuantizationType) -> gguf.GGMLQuantizationType:
    """How a tensor of this shape is written: vectors in float32, and rows that are no whole blocks in float16."""
    if len(shape) == 1:
        return gguf.GGMLQuantizationType.F32
    uneven = kind == gguf.GGMLQuantizationType.Q8_0 and shape[-1] % _Q8_0_BLOCK
    return gguf.GGMLQuantizationType.F16 if uneven else kind


def _as_bytes(values: torch.Tensor, kind: gguf.GGMLQuantizationType, name: str) -> Bytes:
    """The bytes of a tensor, row by row."""
    if kind == gguf.GGMLQuantizationType.Q8_0:
        packed: Bytes = gguf.quantize(values.float().numpy(), kind)
        return packed
    if kind == gguf.GGMLQuantizationType.F16 and float(values.abs().max()) > _LARGEST_F16:
        raise UserError(f"{name}: holds values beyond {_LARGEST_F16:,.0f}, the largest of float16; write bf16 or f32")
    dtype = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[kind.name]
    plain: Bytes = values.to(dtype).contiguous().view(torch.uint8).numpy()
    return plain


def _stop_of(folder: Path) -> StopSpec | None:
    """The folder's stop.json; None where it has none."""
    file = folder / "stop.json"
    try:
        return StopSpec.from_json(file.read_text(encoding="utf-8")) if file.is_file() else None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file}: damaged ({' '.join(str(error).split())})") from None


def _add_ends(writer: gguf.GGUFWriter, tokenizer: "PreTrainedTokenizerBase", stop: StopSpec | None) -> None:
    """Writes at which tokens an answer ends, and the other special tokens.

    The stop's token is the end of a turn, and the end of a sequence as well where the tokenizer has no other: llama.cpp ends at both.
    """
    own: Any = tokenizer
    end = own.eos_token_id if stop is None else stop.token_id
    for token, add in (
        (end if own.eos_token_id is None else own.eos_token_id, writer.add_eos_token_id),
        (end, writer.add_eot_token_id),
        (own.bos_token_id, writer.add_bos_token_id),
        (own.unk_token_id, writer.add_unk_token_id),
        (own.pad_token_id, writer.add_pad_token_id),
    ):
        if token is not None:
            add(int(token))


def _add_decoding(writer: gguf.GGUFWriter, folder: Path) -> None:
    """Writes the folder's decoding settings, which llama.cpp's own programs take where their user sets nothing else."""
    if not (folder / "generation_config.json").is_file():
        return
    told: Any = GenerationConfig.from_pretrained(folder)
    if told.do_sample:
        for value, add in (
            (told.temperature, writer.add_sampling_temp),
            (told.top_p, writer.add_sampling_top_p),
            (told.top_k, writer.add_sampling_top_k),
        ):
            if value is not None:
                add(value)
    elif told.do_sample is False:
        writer.add_sampling_temp(0.0)
    if told.repetition_penalty not in (None, 1.0):
        writer.add_sampling_penalty_repeat(told.repetition_penalty)
        # Of the whole text, as with transformers; llama.cpp's default are the last 64 tokens.
        writer.add_sampling_penalty_last_n(-1)
