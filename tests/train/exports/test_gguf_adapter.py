"""An adapter alone as GGUF: on the base's GGUF it is what the merged model's GGUF is."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from formats.errors import UserError
from tests.gguf_bases import write_base
from tests.random_adapter import write_random_adapter
from train.exports.gguf_adapter import write_gguf_adapter
from train.exports.gguf_model import write_gguf
from train.settings import TrainSettings


def tensors(file: Path) -> dict[str, Any]:
    return {tensor.name: np.array(tensor.data) for tensor in gguf.GGUFReader(file).tensors}


@pytest.mark.parametrize(
    ("family", "settings"), [("llama", {}), ("llama", {"rslora": True, "rank": 8}), ("qwen2", {"target_modules": ["q_proj", "down_proj"]})]
)
def test_on_the_base_it_is_the_merged_model(family: str, settings: dict[str, Any], tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", family)
    adapter = write_random_adapter(tmp_path / "adapter", base, TrainSettings(**{"rank": 4, **settings}))
    merged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(adapter)).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "merged")
    write_gguf(base, tmp_path / "base.gguf", "f32")
    write_gguf(tmp_path / "merged", tmp_path / "merged.gguf", "f32")
    write_gguf_adapter(adapter, tmp_path / "adapter.gguf")

    plain, added, whole = (tensors(tmp_path / f"{name}.gguf") for name in ("base", "adapter", "merged"))
    changed = {name.removesuffix(".lora_a") for name in added if name.endswith(".lora_a")}
    assert len(changed) == (4 if "target_modules" in settings else 14)
    assert len(added) == 2 * len(changed)
    for name, values in whole.items():
        expected = plain[name] + (added[f"{name}.lora_b"] @ added[f"{name}.lora_a"] if name in changed else 0)
        np.testing.assert_allclose(values, expected, atol=1e-5)


def test_it_says_what_it_is(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base")
    write_gguf_adapter(write_random_adapter(tmp_path / "kettle", base, TrainSettings(rank=4)), tmp_path / "adapter.gguf")
    told = {name: field.contents() for name, field in gguf.GGUFReader(tmp_path / "adapter.gguf").fields.items()}
    assert told["general.type"] == "adapter"
    assert told["general.architecture"] == "llama"
    assert told["general.name"] == "kettle"
    assert told["general.base_model.0.name"] == str(base)
    assert told["adapter.type"] == "lora"
    # llama.cpp multiplies by alpha / rank; the scale is in the matrices.
    assert told["adapter.lora.alpha"] == 4


def test_a_trained_stop_row_is_refused(tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", write_base(tmp_path / "base"), stop_token=1)
    with pytest.raises(UserError, match=r"has trained rows of .*embed_tokens, for which a GGUF LoRA has no place; write the merged model"):
        write_gguf_adapter(adapter, tmp_path / "adapter.gguf")
    assert not (tmp_path / "adapter.gguf").exists()


def test_a_dora_is_refused(tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", write_base(tmp_path / "base"), TrainSettings(rank=4, dora=True))
    with pytest.raises(UserError, match="is a DoRA, whose lengths a GGUF LoRA has no place for"):
        write_gguf_adapter(adapter, tmp_path / "adapter.gguf")


def test_an_output_matrix_that_is_the_embedding_has_no_adapter(tmp_path: Path) -> None:
    settings = TrainSettings(rank=4, target_modules=("lm_head",))
    adapter = write_random_adapter(tmp_path / "adapter", write_base(tmp_path / "base"), settings)
    with pytest.raises(UserError, match=r"lm_head\.weight: llama\.cpp has no such tensor in the family llama"):
        write_gguf_adapter(adapter, tmp_path / "adapter.gguf")
