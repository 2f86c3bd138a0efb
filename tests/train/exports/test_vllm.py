"""The command for vLLM is one that a shell reads as meant, with the flags of its documentation, and the stop goes with each request."""

import itertools
import json
import shlex
import subprocess
from pathlib import Path

import pytest
import torch

from formats.errors import UserError
from tests.random_adapter import write_random_adapter
from train.exports.vllm import RANKS, refused_by_vllm, write_vllm
from train.settings import DecodingSettings, TrainSettings

DOCUMENTED = {
    "--enable-lora", "--lora-modules", "--max-lora-rank", "--chat-template", "--chat-template-content-format", "--generation-config",
    "--quantization", "--served-model-name", "--host",
}  # fmt: skip
"""Of `vllm serve --help` that are used; see docs/export.md for where they are documented."""


def told(out: Path, *further: str) -> list[str]:
    """What serve.sh runs, with further arguments: a shell reads it, and `vllm` prints what it is given."""
    fake = out.parent / "bin"
    fake.mkdir(exist_ok=True)
    (fake / "vllm").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (fake / "vllm").chmod(0o755)
    environment = {"PATH": f"{fake}:/usr/bin:/bin"}
    ran = subprocess.run([out / "serve.sh", *further], capture_output=True, text=True, check=True, env=environment, cwd="/")
    return ran.stdout.splitlines()


def test_an_adapter_beside_its_base(base_folder: Path, tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", base_folder, TrainSettings(rank=12), decoding=DecodingSettings(temperature=0.4))
    out = tmp_path / "out of here"
    write_vllm(adapter, out, "court", "adapter")
    words = told(out, "--port", "8001")
    options = dict(itertools.pairwise(words))
    assert words[:2] == ["serve", str(base_folder)]
    assert {word for word in words if word.startswith("--")} - {"--port"} <= DOCUMENTED
    assert options["--lora-modules"] == "court=adapter"
    assert options["--max-lora-rank"] == "16"
    assert options["--host"] == "127.0.0.1"
    assert words[-2:] == ["--port", "8001"]
    assert "--quantization" not in words
    # Paths are relative to the script, which changes into its own folder.
    assert (out / options["--chat-template"]).read_text().startswith("{%- set boundaries")
    generation = json.loads((out / options["--generation-config"] / "generation_config.json").read_text())
    assert (generation["eos_token_id"], generation["temperature"]) == (1, 0.4)
    assert sorted(path.name for path in (out / "adapter").iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    asked = json.loads((out / "request.json").read_text())
    assert (asked["model"], asked["stop"]) == ("court", ["\n\n### END"])
    assert (out / "stop.json").read_bytes() == (adapter / "stop.json").read_bytes()


def test_a_base_in_4_bit_stays_one(base_folder: Path, tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", base_folder)
    settings = adapter / "settings.toml"
    settings.write_text(settings.read_text().replace('quantisation = "none"', 'quantisation = "nf4"'))
    write_vllm(adapter, tmp_path / "out", "court", "adapter")
    assert "--quantization bitsandbytes" in " ".join(told(tmp_path / "out"))


def test_a_merged_model(base_folder: Path, tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", base_folder)
    write_vllm(adapter, tmp_path / "out", "court", "merged")
    words = told(tmp_path / "out")
    assert words[:2] == ["serve", "model"]
    assert words[words.index("--served-model-name") + 1] == "court"
    assert {word for word in words if word.startswith("--")} <= DOCUMENTED


@pytest.mark.parametrize(
    ("settings", "stop_token", "says"),
    [
        (TrainSettings(rank=4, dora=True), None, "is a DoRA"),
        (TrainSettings(rank=4), 7, "trained rows"),
    ],
)
def test_what_vllm_does_not_take(settings: TrainSettings, stop_token: int | None, says: str, base_folder: Path, tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", base_folder, settings, stop_token=stop_token)
    assert says in str(refused_by_vllm(adapter))
    with pytest.raises(UserError, match=f"{says}.*--form merged"):
        write_vllm(adapter, tmp_path / "out", "court", "adapter")
    assert not (tmp_path / "out").exists()


def test_a_rank_beyond_what_vllm_knows(base_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    adapter = write_random_adapter(tmp_path / "adapter", base_folder)
    weights = load_file(adapter / "adapter_model.safetensors")
    wide = {name: torch.zeros((600, one.shape[1]) if "lora_A" in name else (one.shape[0], 600)) for name, one in weights.items()}
    save_file(wide, adapter / "adapter_model.safetensors")
    assert refused_by_vllm(adapter) == f"its rank 600 is above vLLM's {RANKS[-1]}"


def test_the_readme_says_what_the_request_says(base_folder: Path, tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", base_folder)
    write_vllm(adapter, tmp_path / "out", "court", "adapter")
    curl = next(line for line in (tmp_path / "out" / "README.md").read_text().splitlines() if line.startswith("curl"))
    assert shlex.split(curl)[-1] == "@request.json"
