"""An adapter, or its merged model, as vLLM serves it: files, and the command with the settings that make it stop."""

import json
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from formats.errors import UserError
from train.adapters.folder import Adapter, read_adapter
from train.adapters.lora import WEIGHTS
from train.adapters.matrices import Matrices, read_matrices
from train.bases.base_model import load_tokenizer, resolve
from train.exports.chat_template import jinja_of
from train.exports.transformers_folder import CHAT_TEMPLATE

Form = Literal["adapter", "merged"]
"""The adapter beside its base, which several adapters can share; or one model with the adapter merged in."""

ADAPTER, MODEL = "adapter", "model"
"""Folders within the exported one."""

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What `--max-lora-rank` takes (vLLM, vllm/config/lora.py, `MaxLoRARanks`)."""

_ALONG = ("generation_config.json", "stop.json")


def refused_by_vllm(adapter_folder: Path) -> str | None:
    """Why vLLM does not take an adapter beside its base; None where it does (vllm/lora/peft_helper.py).

    Raises:
        UserError: the adapter is damaged.
    """
    matrices = read_matrices(adapter_folder)
    if matrices.rows:
        return "it has trained rows of the stop's token, and vLLM loads no rows with a LoRA"
    if any(layer.magnitude is not None for layer in matrices.layers.values()):
        return "it is a DoRA, which vLLM does not support"
    return f"its rank {matrices.rank} is above vLLM's {RANKS[-1]}" if matrices.rank > RANKS[-1] else None


def write_vllm(adapter_folder: Path, out: Path, name: str, form: Form) -> None:
    """Writes the files for vLLM into a folder: serve.sh, request.json, README.md and, for an adapter, what goes beside its base.

    Args:
        name: by which requests choose the adapter.
        form: the merged model is expected in the folder `model` in `out`, as `export_transformers` writes it.

    Raises:
        UserError: vLLM takes no such adapter, or its files are damaged.
    """
    adapter = read_adapter(adapter_folder)
    reason = refused_by_vllm(adapter_folder) if form == "adapter" else None
    if reason:
        raise UserError(f"{adapter_folder}: vLLM does not take it beside its base: {reason}; export it with --form merged")
    out.mkdir(parents=True, exist_ok=True)
    if form == "adapter":
        (out / ADAPTER).mkdir(exist_ok=True)
        for file in ("adapter_config.json", WEIGHTS):
            shutil.copyfile(adapter_folder / file, out / ADAPTER / file)
        (out / CHAT_TEMPLATE).write_text(jinja_of(adapter.template, load_tokenizer(resolve(adapter.base))), encoding="utf-8")
        for file in _ALONG:
            shutil.copyfile(adapter_folder / file, out / file)
        command = lora_command(adapter, read_matrices(adapter_folder), name)
    else:
        shutil.copyfile(adapter_folder / "stop.json", out / "stop.json")
        command = merged_command(name)
    script = out / "serve.sh"
    script.write_text(_script(command), encoding="utf-8")
    script.chmod(0o755)
    (out / "request.json").write_text(json.dumps(request(adapter, name), indent=2) + "\n", encoding="utf-8")
    (out / "README.md").write_text(_readme(adapter, name), encoding="utf-8")


def lora_command(adapter: Adapter, matrices: Matrices, name: str) -> list[str]:
    """The command for an adapter beside its base.

    `--quantization bitsandbytes` quantises the base while loading as the training had it: NF4 with double quantisation.
    """
    rank = next(rank for rank in RANKS if rank >= matrices.rank)
    return [
        *("vllm", "serve", resolve(adapter.base).published),
        "--enable-lora",
        *("--lora-modules", f"{name}={ADAPTER}"),
        *("--max-lora-rank", str(rank)),
        *("--chat-template", CHAT_TEMPLATE),
        *("--chat-template-content-format", "string"),
        *("--generation-config", "."),
        *(["--quantization", "bitsandbytes"] if adapter.settings.quantisation == "nf4" else []),
        *("--host", "127.0.0.1"),
    ]


def merged_command(name: str) -> list[str]:
    """The command for a merged model, whose folder has its own chat template and generation_config.json."""
    return [
        *("vllm", "serve", MODEL),
        *("--served-model-name", name),
        *("--chat-template-content-format", "string"),
        *("--host", "127.0.0.1"),
    ]


def request(adapter: Adapter, name: str) -> dict[str, object]:
    """A request for the chat API; the stop that is text goes with each, as vLLM has no server-wide one."""
    return {"model": name, "messages": [{"role": "user", "content": "What somebody said."}], "stop": list(adapter.stop.strings)}


def _script(command: Sequence[str]) -> str:
    lines = " \\\n    ".join(shlex.join(part) for part in _by_option(command))
    return (
        f'#!/bin/sh\n# Further options of vLLM can be given behind this script\'s name.\ncd "$(dirname "$0")" || exit\nexec {lines} "$@"\n'
    )


def _by_option(command: Sequence[str]) -> list[list[str]]:
    """The command cut before each option."""
    parts: list[list[str]] = [[]]
    for word in command:
        if word.startswith("--"):
            parts.append([])
        parts[-1].append(word)
    return parts


def _readme(adapter: Adapter, name: str) -> str:
    stop = adapter.stop
    return f"""# {name} for vLLM

`./serve.sh` serves it on port 8000 of this computer. Ask with

```
curl http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' -d @request.json
```

Answers end at the token {stop.token}, which vLLM knows from generation_config.json, with the decoding settings. The stop in the text,
{stop.strings[0]!r}, goes with every request as "stop", as in request.json: vLLM has no such setting for a whole server. Without it answers
end at the same place, and the stop is left at their end.
"""
