"""Reads a model's safetensors one weight at a time and writes others so: a model may be larger than the memory."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors import safe_open

from formats.errors import UserError
from train.bases.weights import INDEX

PLAIN = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""What safetensors calls the precisions of plain numbers."""

_WHOLE = {"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool}

_NAMES = {dtype: name for name, dtype in PLAIN.items()}


@dataclass(frozen=True)
class Stored:
    """A weight in a file of safetensors, its name there, and how it is stored: `F32`, `BF16`, `I64`, …"""

    file: Path
    name: str
    kind: str
    shape: tuple[int, ...]


def stored(files: Mapping[str, Path]) -> dict[str, Stored]:
    """How each weight is stored; only the headers of the files are read."""
    found = {}
    for file in dict.fromkeys(files.values()):
        with safe_open(str(file), framework="pt") as weights:
            for name in list(weights.keys()):
                held = weights.get_slice(name)
                found[name] = Stored(file, name, str(held.get_dtype()), tuple(held.get_shape()))
    return found


def write_changed(
    weights: Mapping[str, Stored],
    folder: Path,
    dtype: torch.dtype,
    max_shard_size: str,
    made: Callable[[str, torch.Tensor], torch.Tensor],
    progress: Callable[[int, int], None],
) -> None:
    """Writes weights under these names in shards of at most this size, with an index; in memory is one weight at a time.

    Args:
        dtype: of all weights that are plain numbers; others, as integers, stay as they are.
        made: what becomes of a weight, in the same shape.
        progress: hears how many weights are written, and how many there are.

    Raises:
        UserError: `max_shard_size` is no size, or a weight is stored quantised.
    """
    unknown = next((one for one in weights.values() if one.kind not in PLAIN | _WHOLE), None)
    if unknown:
        raise UserError(f"{unknown.file}: holds weights as {unknown.kind}, which are no plain numbers; give a base that is not quantised")
    kinds = {name: _NAMES[dtype] if one.kind in PLAIN else one.kind for name, one in weights.items()}
    blank = {name: torch.empty(one.shape, dtype=(PLAIN | _WHOLE)[kinds[name]], device="meta") for name, one in weights.items()}
    try:
        split = split_torch_state_dict_into_shards(blank, max_shard_size=max_shard_size)
    except (ValueError, TypeError) as error:
        raise UserError(f"max-shard-size {max_shard_size}: {' '.join(str(error).split())}; give a size such as 4GB or 500MB") from None
    done = 0
    for file, together in split.filename_to_tensors.items():
        # The widest first, so that each begins at a multiple of its own width.
        names = sorted(together, key=lambda name: -blank[name].itemsize)
        with (folder / file).open("wb") as out:
            _write_header(out, names, {name: (kinds[name], weights[name].shape, blank[name].nbytes) for name in names})
            for name in names:
                with safe_open(str(weights[name].file), framework="pt") as source:
                    tensor = made(name, source.get_tensor(weights[name].name))
                out.write(_bytes(tensor.to(blank[name].dtype)))
                done += 1
                progress(done, len(weights))
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _write_header(out: IO[bytes], names: Sequence[str], told: Mapping[str, tuple[str, tuple[int, ...], int]]) -> None:
    """The header of a safetensors file: its length in 8 bytes, then JSON, padded so that the data begin at a multiple of 8.

    The format: github.com/huggingface/safetensors, "Format". The library itself writes only what lies in memory as a whole.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name in names:
        kind, shape, size = told[name]
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [start, start + size]}
        start += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    out.write(len(text).to_bytes(8, "little") + text)


def _bytes(tensor: torch.Tensor) -> memoryview:
    flat: Any = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
    return memoryview(flat)
