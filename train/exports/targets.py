"""Exports an adapter for a program: what lies in each target's folder."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from formats.errors import UserError
from train.adapters.folder import Adapter, beside, read_adapter
from train.bases.base_model import load_tokenizer, resolve
from train.exports.chat_template import jinja_of
from train.exports.gguf_adapter import write_gguf_adapter
from train.exports.gguf_model import GgufType, write_gguf
from train.exports.ollama import write_modelfile
from train.exports.transformers_folder import Exported, export_transformers
from train.exports.vllm import MODEL, Form, refused_by_vllm, write_vllm
from train.shelf.merging import MERGE, Method, Precision, refuse_other_files, replace_folder

Target = Literal["gguf", "ollama", "vllm", "transformers"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

_MARK = "export.txt"
"""Says that a folder was exported, so that it may be replaced."""

_OF_GGUF: dict[str, Precision] = {"f32": "float32", "f16": "float32", "bf16": "bfloat16", "q8_0": "float32"}
"""In what a model is merged before it is rounded to a type of GGUF: twice rounded is less exact."""


@dataclass(frozen=True)
class Wanted:
    """What is to be exported.

    Args:
        form: merged, or the adapter beside its base; None: what the target takes best, for vLLM the adapter where it takes it.
        type: of a GGUF.
        method, dtype, max_shard_size: of merging; the dtype of a GGUF is its type's.
        compare: whether a merged model is measured against the adapter as trained, on `samples` or built-in conversations.
    """

    target: Target
    name: str
    form: Form | None = None
    type: GgufType = "f16"
    method: Method = "exact"
    dtype: Precision = "bfloat16"
    max_shard_size: str = "4GB"
    compare: bool = True
    samples: Path | None = None


@dataclass(frozen=True)
class Export:
    """What was exported: in which form, the files, and what merging did; None where nothing was merged."""

    form: Form
    files: tuple[str, ...]
    exported: Exported | None


OnProgress = Callable[[str, int, int], None]


def export(adapter_folder: Path, out: Path, wanted: Wanted, progress: OnProgress = lambda what, done, of: None) -> Export:
    """Writes an adapter's folder for another program; it appears whole or not at all, and replaces an earlier export.

    Raises:
        UserError: the target cannot take this adapter, its files are damaged, or `out` holds something else.
    """
    refuse_other_files(out, _MARK)
    if not _NAME.fullmatch(wanted.name):
        raise UserError(f"name {wanted.name!r}: other programs take letters, digits, '.', '_' and '-' only; give another with --name")
    adapter = read_adapter(adapter_folder)
    form = _form(adapter_folder, wanted)
    partial = beside(out, "export")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        exported = _WRITERS[wanted.target](adapter, partial, wanted, form, progress)
        if wanted.target != "transformers":
            (partial / _MARK).write_text(f"lorum export --to {wanted.target} --form {form}\n", encoding="utf-8")
        files = tuple(sorted(str(file.relative_to(partial)) for file in partial.rglob("*") if file.is_file()))
        replace_folder(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Export(form, files, exported)


def _form(adapter_folder: Path, wanted: Wanted) -> Form:
    if wanted.target not in get_args(Target):
        raise UserError(f"target {wanted.target}: unknown; give {', '.join(get_args(Target))}")
    if wanted.form == "adapter" and wanted.target == "transformers":
        raise UserError("transformers: the adapter's folder itself loads with peft and transformers; leave --form out to merge it")
    if wanted.form is not None:
        return wanted.form
    return "adapter" if wanted.target == "vllm" and refused_by_vllm(adapter_folder) is None else "merged"


def _transformers(adapter: Adapter, out: Path, wanted: Wanted, form: Form, progress: OnProgress) -> Exported | None:
    return _merge(adapter, out, wanted, wanted.dtype, progress)


def _vllm(adapter: Adapter, out: Path, wanted: Wanted, form: Form, progress: OnProgress) -> Exported | None:
    exported = _merge(adapter, out / MODEL, wanted, wanted.dtype, progress) if form == "merged" else None
    write_vllm(adapter.folder, out, wanted.name, form)
    return exported


def _gguf(adapter: Adapter, out: Path, wanted: Wanted, form: Form, progress: OnProgress) -> Exported | None:
    shutil.copyfile(adapter.folder / "stop.json", out / "stop.json")
    if form == "adapter":
        write_gguf_adapter(adapter.folder, out / f"{wanted.name}-lora.gguf")
        return None
    merged = out / ".merged"
    exported = _merge(adapter, merged, wanted, _OF_GGUF[wanted.type], progress)
    write_gguf(merged, out / f"{wanted.name}-{wanted.type}.gguf", wanted.type, name=wanted.name)
    (merged / MERGE).rename(out / MERGE)
    shutil.rmtree(merged)
    return exported


def _ollama(adapter: Adapter, out: Path, wanted: Wanted, form: Form, progress: OnProgress) -> Exported | None:
    exported = _gguf(adapter, out, wanted, form, progress)
    model, lora = f"{wanted.name}-{wanted.type}.gguf", None
    if form == "adapter":
        base = resolve(adapter.base)
        model, lora = f"base-{wanted.type}.gguf", f"{wanted.name}-lora.gguf"
        chat_template = jinja_of(adapter.template, load_tokenizer(base))
        write_gguf(Path(base.location), out / model, wanted.type, stop=adapter.stop, chat_template=chat_template)
    write_modelfile(out / "Modelfile", adapter.template, adapter.stop, adapter.decoding, model, lora)
    return exported


def _merge(adapter: Adapter, out: Path, wanted: Wanted, dtype: Precision, progress: OnProgress) -> Exported:
    return export_transformers(
        adapter.folder,
        out,
        wanted.method,
        dtype,
        max_shard_size=wanted.max_shard_size,
        compare=wanted.compare,
        samples=wanted.samples,
        progress=progress,
    )


_WRITERS: dict[str, Callable[[Adapter, Path, Wanted, Form, OnProgress], Exported | None]] = {
    "transformers": _transformers,
    "vllm": _vllm,
    "gguf": _gguf,
    "ollama": _ollama,
}
