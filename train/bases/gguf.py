"""Writes the model in a GGUF file as safetensors, once, into the cache."""

import hashlib
import re
import shutil
import tempfile
import time
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from formats.errors import UserError
from train.cache import cache_folder

_SAMPLE_BYTES = 1 << 20
_STALE_S = 3600


def converted(gguf: Path) -> Path:
    """The folder with the file's model in bfloat16, its tokenizer and its configuration; converts it if it is not in the cache.

    The conversion goes into a temporary folder that is renamed when it is whole: a killed one leaves nothing that could be taken for
    a model.

    Raises:
        UserError: the file is no GGUF, or holds a model that transformers cannot read.
    """
    folder = cache_folder() / "bases" / f"{re.sub(r'[^a-z0-9.]+', '-', gguf.stem.lower())}-{_identity(gguf)}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    for stale in folder.parent.glob(f"{folder.name}.partial-*"):
        if time.time() - stale.stat().st_mtime > _STALE_S:
            shutil.rmtree(stale, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.partial-", dir=folder.parent))
    try:
        _convert(gguf, partial)
        partial.chmod(0o755)
        try:
            partial.rename(folder)
        except OSError:
            # Another process was faster; its result is the same.
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _identity(gguf: Path) -> str:
    """A short hash of the file's size, beginning and end: the header is in the first, and reading 100 GB would take minutes."""
    size = gguf.stat().st_size
    with gguf.open("rb") as file:
        head = file.read(_SAMPLE_BYTES)
        file.seek(max(0, size - _SAMPLE_BYTES))
        tail = file.read()
    if head[:4] != b"GGUF":
        raise UserError(f"{gguf}: begins with {head[:4]!r}, expected b'GGUF'; give a .gguf file")
    return hashlib.sha256(b"%d" % size + head + tail).hexdigest()[:12]


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from huggingface_hub import save_torch_state_dict
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where, name = str(gguf.parent), gguf.name
    try:
        # The configuration is handed on: reading a GGUF's metadata takes transformers seconds each time.
        config = AutoConfig.from_pretrained(where, gguf_file=name)
        tokenizer = AutoTokenizer.from_pretrained(where, gguf_file=name, config=config)
        with redirect_stderr(StringIO()):  # transformers shows a bar here that its settings do not switch off
            model = AutoModelForCausalLM.from_pretrained(
                where, gguf_file=name, config=config, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
            )
    except (ValueError, KeyError, ImportError) as error:
        raise UserError(f"{gguf}: transformers cannot read this model ({' '.join(str(error).split())}); use its safetensors") from None
    save_torch_state_dict(model.state_dict(), folder)
    if hasattr(model.config, "quantization_config"):
        # The weights are plain now; a configuration that still names the GGUF would be read as a quantised model's.
        del model.config.quantization_config
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
