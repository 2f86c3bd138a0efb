"""Each target's folder holds what its program needs, with the stop in it, and nothing of ours is overwritten by accident."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import pytest

from formats.errors import UserError
from tests.gguf_bases import write_base
from tests.random_adapter import write_random_adapter
from train.exports.targets import Wanted, export
from train.settings import TrainSettings

WANTED = Wanted("transformers", "court", compare=False)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base whose tokenizer llama.cpp knows."""
    return write_base(tmp_path_factory.mktemp("gguf") / "base")


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_adapter(tmp_path_factory.mktemp("targets") / "adapter", base)


@pytest.mark.parametrize(
    ("target", "form", "taken", "holds"),
    [
        ("transformers", None, "merged", {"model.safetensors", "chat_template.jinja", "generation_config.json", "stop.json", "merge.json"}),
        ("vllm", None, "adapter", {"adapter/adapter_model.safetensors", "chat_template.jinja", "serve.sh", "stop.json", "request.json"}),
        ("vllm", "merged", "merged", {"model/model.safetensors", "model/chat_template.jinja", "model/stop.json", "serve.sh"}),
        ("gguf", None, "merged", {"court-f16.gguf", "stop.json", "merge.json"}),
        ("gguf", "adapter", "adapter", {"court-lora.gguf", "stop.json"}),
        ("ollama", None, "merged", {"court-f16.gguf", "Modelfile", "stop.json"}),
        ("ollama", "adapter", "adapter", {"base-f16.gguf", "court-lora.gguf", "Modelfile", "stop.json"}),
    ],
)
def test_what_lies_in_each_folder(target: Any, form: Any, taken: str, holds: set[str], adapter: Path, tmp_path: Path) -> None:
    done = export(adapter, tmp_path / "out", replace(WANTED, target=target, form=form))
    assert done.form == taken
    assert holds <= set(done.files)
    assert {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()} == set(done.files)
    assert (done.exported is None) == (taken == "adapter")
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "nothing half done is left"


def test_a_gguf_has_the_stop_and_the_chat_template(adapter: Path, tmp_path: Path) -> None:
    export(adapter, tmp_path / "out", replace(WANTED, target="gguf", type="f32"))
    fields = gguf.GGUFReader(tmp_path / "out" / "court-f32.gguf").fields
    assert fields["tokenizer.ggml.eos_token_id"].contents() == json.loads((adapter / "stop.json").read_text())["token_id"]
    assert "### Response:" in fields["tokenizer.chat_template"].contents()


def test_a_modelfile_names_the_files_beside_it(adapter: Path, tmp_path: Path) -> None:
    export(adapter, tmp_path / "out", replace(WANTED, target="ollama", form="adapter"))
    lines = (tmp_path / "out" / "Modelfile").read_text().splitlines()
    named = [line.split()[1] for line in lines if line.startswith(("FROM", "ADAPTER"))]
    assert named == ["./base-f16.gguf", "./court-lora.gguf"]
    assert all((tmp_path / "out" / name).is_file() for name in named)


def test_an_adapter_that_vllm_does_not_take_is_merged(base: Path, tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", base, TrainSettings(rank=4, dora=True))
    assert export(adapter, tmp_path / "out", replace(WANTED, target="vllm")).form == "merged"


def test_an_export_replaces_one_and_nothing_else(adapter: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(adapter, out, replace(WANTED, target="vllm"))
    export(adapter, out, WANTED)
    assert not (out / "serve.sh").exists()
    export(adapter, out, replace(WANTED, target="vllm"))
    assert not (out / "model.safetensors").exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").touch()
    with pytest.raises(UserError, match="holds no merged or exported model"):
        export(adapter, other, WANTED)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"name": "kettle/court"}, "letters, digits"),
        ({"name": "--host"}, "letters, digits"),
        ({"target": "onnx"}, "target onnx: unknown; give gguf, ollama, vllm, transformers"),
        ({"form": "adapter"}, "loads with peft and transformers"),
    ],
)
def test_refuses_what_no_target_takes(changed: dict[str, Any], says: str, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=says):
        export(adapter, tmp_path / "out", replace(WANTED, **changed))
    assert not (tmp_path / "out").exists()
