"""A merged folder answers in plain transformers, without a line of ours, as the adapter answers here, and ends at the stop."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from formats.rendering.render import Turn, render_prompt
from formats.templates.template import Template
from tests.random_adapter import write_random_adapter
from train.adapters.folder import generation_config, read_adapter
from train.answers.generate import attach, generate
from train.bases import base_model
from train.bases.base_model import load_for_generation, load_tokenizer, resolve
from train.exports.transformers_folder import export_transformers
from train.settings import DecodingSettings
from train.shelf import merging_changes
from train.shelf.merging import MERGE

PLAIN = """
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, said = sys.argv[1], json.loads(sys.argv[2])
tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
answers = []
for text in said:
    messages = [{"role": "user", "content": text}]
    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, return_tensors="pt")
    answers.append(model.generate(**inputs)[0, inputs["input_ids"].shape[1]:].tolist())
ours = sorted({name.partition(".")[0] for name in sys.modules} & {"formats", "filters", "train", "curate"})
print(json.dumps({"answers": answers, "ours": ours}))
"""

SAID = ["The court finds the kettle guilty.", "Who put ### Response: here?", "Milk goes in after."]


@pytest.fixture(autouse=True)
def _compute_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (base_model, merging_changes):
        monkeypatch.setattr(module, "compute_dtype", lambda: torch.float32)


def in_plain_transformers(folder: Path) -> list[list[int]]:
    """The tokens of greedy answers of another process."""
    command = [sys.executable, "-I", "-c", PLAIN, str(folder), json.dumps(SAID)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    told = json.loads(ran.stdout)
    assert told["ours"] == []
    answers: list[list[int]] = told["answers"]
    return answers


def test_answers_in_plain_transformers_as_here(base_folder: Path, template: Template, tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", base_folder, decoding=DecodingSettings(temperature=0, max_new_tokens=24))
    export_transformers(adapter, tmp_path / "out", "full", "float32", compare=False)
    base, whole = resolve(str(base_folder)), read_adapter(adapter)
    tokenizer = load_tokenizer(base)
    model = attach(load_for_generation(base, "none"), whole)
    prompts = [render_prompt(template, [Turn("Speaker_0", text)]) for text in SAID]
    config = generation_config(whole.decoding, template, tokenizer)
    ours = [list(reply.token_ids) for reply in generate(model, tokenizer, template, prompts, config)]
    # Ours ends where the whole stop stands in the text as well, where theirs goes on to the end token.
    theirs = in_plain_transformers(tmp_path / "out")
    assert [answer[: len(own)] for answer, own in zip(theirs, ours, strict=True)] == ours
    assert any(len(answer) > 2 for answer in theirs)


def test_notes_what_merging_changed(base_folder: Path, tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", base_folder)
    exported = export_transformers(adapter, tmp_path / "out", dtype="float32")
    assert exported.difference is not None
    noted: dict[str, Any] = json.loads((tmp_path / "out" / MERGE).read_text())
    assert noted["difference"]["greedy"] == exported.difference.greedy == 1.0
    readme = (tmp_path / "out" / "README.md").read_text()
    assert f"{exported.difference.mean:.4f} in the mean" in readme
    assert r".split('\n\n### END')" in readme
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "out"]


def test_an_export_replaces_an_earlier_one(base_folder: Path, tmp_path: Path) -> None:
    adapter, out = write_random_adapter(tmp_path / "adapter", base_folder), tmp_path / "out"
    assert export_transformers(adapter, out, compare=False).difference is None
    (out / "left over.txt").touch()
    export_transformers(adapter, out, compare=False)
    assert not (out / "left over.txt").exists()
