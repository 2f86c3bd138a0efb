"""A merged model computes what the adapter beside its base computed in the training, for every kind of adapter and base."""

import json
import shutil
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from formats.errors import UserError
from tests.random_adapter import write_random_adapter
from tests.train.shelf.merged_bases import IDS, MakeModel, gpt2, llama, mixtral, says, trained_on, write_base
from train.adapters.folder import read_adapter
from train.answers.voices import Voices
from train.bases import base_model
from train.bases.base_model import load_for_generation, load_for_training, resolve
from train.settings import TrainSettings
from train.shelf import merging_changes, merging_files
from train.shelf.merging import MERGE, merge_adapter
from train.shelf.merging_changes import quantised_and_back


@pytest.fixture(autouse=True)
def _compute_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is compared differs by nothing but what merging does."""
    for module in (base_model, merging_changes):
        monkeypatch.setattr(module, "compute_dtype", lambda: torch.float32)


@pytest.mark.parametrize(
    ("make", "settings", "stop_token"),
    [
        (lambda: llama(tied=True), TrainSettings(rank=4), None),
        (lambda: llama(tied=True), TrainSettings(rank=4, rslora=True, target_modules="q_proj"), 7),
        (lambda: llama(tied=False), TrainSettings(rank=4), 7),
        (lambda: llama(tied=False), TrainSettings(rank=4, dora=True), 5),
        (gpt2, TrainSettings(rank=4), 7),
        (gpt2, TrainSettings(rank=4, dora=True), None),
        (mixtral, TrainSettings(rank=4, target_modules=("q_proj", "o_proj")), 7),
    ],
    ids=["biases", "rsLoRA, tied stop row", "untied stop row", "DoRA", "transposed, tied stop row", "transposed DoRA", "fused experts"],
)
@pytest.mark.parametrize("method", ["exact", "full"])
def test_says_what_peft_says(
    make: MakeModel, settings: TrainSettings, stop_token: int | None, method: Any, base_folder: Path, tmp_path: Path
) -> None:
    base = write_base(tmp_path / "base", base_folder, make())
    adapter = write_random_adapter(tmp_path / "adapter", base, settings, stop_token=stop_token)
    plain: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    with torch.no_grad():
        expected = PeftModel.from_pretrained(plain, str(adapter)).eval()(input_ids=IDS).logits
    merged = merge_adapter(adapter, tmp_path / "merged", method, "float32")
    assert merged.layer_by_layer == (make is not mixtral)
    assert not torch.allclose(says(base), expected, atol=1e-2)
    torch.testing.assert_close(says(tmp_path / "merged"), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("quantisation", ["nf4", "int8"])
@pytest.mark.parametrize("make", [lambda: llama(tied=True), gpt2], ids=["llama", "transposed"])
def test_exact_is_the_base_as_it_was_quantised(make: MakeModel, quantisation: Any, base_folder: Path, tmp_path: Path) -> None:
    folder = write_base(tmp_path / "base", base_folder, make())
    base = resolve(str(folder))
    adapter = write_random_adapter(tmp_path / "adapter", folder, TrainSettings(rank=4), model=load_for_training(base, quantisation))
    trained_on(adapter, quantisation)
    model: Any = load_for_generation(base, quantisation)
    voices = Voices(model)
    voices.add("court", read_adapter(adapter))
    with torch.no_grad(), voices.speaking([{"court": 1.0}]):
        expected = model(input_ids=IDS).logits
    for method in ("exact", "full"):
        merge_adapter(adapter, tmp_path / method, method, "float32")  # type: ignore[arg-type]
    exact, full = ((says(tmp_path / method) - expected).abs().mean() for method in ("exact", "full"))
    assert exact < 1e-4 < 1e-2 < full


@pytest.mark.parametrize("quantisation", ["nf4", "int8"])
def test_quantises_as_the_loader_does(quantisation: Any, base_folder: Path) -> None:
    loaded = load_for_generation(resolve(str(base_folder)), quantisation).state_dict()
    own = load_file(base_folder / "model.safetensors")
    for name in ("model.layers.0.self_attn.k_proj.weight", "model.layers.1.mlp.down_proj.weight"):
        assert torch.equal(quantised_and_back(own[name], quantisation), loaded[name])
        assert not torch.equal(own[name], loaded[name])


def test_layers_outside_the_adapter_are_quantised_too(base_folder: Path, tmp_path: Path) -> None:
    adapter = trained_on(write_random_adapter(tmp_path / "adapter", base_folder, TrainSettings(rank=4, target_modules="q_proj")), "nf4")
    merge_adapter(adapter, tmp_path / "merged", "exact", "float32")
    own, merged = load_file(base_folder / "model.safetensors"), load_file(tmp_path / "merged" / "model.safetensors")
    changed = {name for name in own if not torch.equal(own[name].float(), merged[name])}
    assert changed == {name for name in own if "proj" in name}


def test_the_precision_of_the_training_counts(base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A float32 base that was trained in bfloat16 was rounded before it was quantised, embeddings and norms too."""
    monkeypatch.setattr(merging_changes, "compute_dtype", lambda: torch.bfloat16)
    adapter = trained_on(write_random_adapter(tmp_path / "adapter", base_folder), "nf4")
    merge_adapter(adapter, tmp_path / "merged", "exact", "float32")
    embedding = load_file(tmp_path / "merged" / "model.safetensors")["model.embed_tokens.weight"]
    assert torch.equal(embedding, embedding.bfloat16().float())


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_stored_precisions(dtype: Any, base_folder: Path, tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", base_folder)
    merge_adapter(adapter, tmp_path / "half", "full", dtype)
    merge_adapter(adapter, tmp_path / "whole", "full", "float32")
    half, whole = (load_file(tmp_path / name / "model.safetensors") for name in ("half", "whole"))
    assert all(torch.equal(half[name], whole[name].to(getattr(torch, dtype))) for name in whole)
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "half", dtype="auto").dtype == getattr(torch, dtype)


def test_shards_hold_the_same_and_no_more_than_they_may(base_folder: Path, tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", base_folder)
    merge_adapter(adapter, tmp_path / "one", "full", "float32")
    merge_adapter(adapter, tmp_path / "many", "full", "float32", max_shard_size="110KB")
    index = json.loads((tmp_path / "many" / "model.safetensors.index.json").read_text())
    whole = load_file(tmp_path / "one" / "model.safetensors")
    shards = sorted((tmp_path / "many").glob("model-*.safetensors"))
    assert len(shards) > 2
    assert set(index["weight_map"]) == set(whole)
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in whole.values())
    for shard in shards:
        held = load_file(shard)
        assert sum(tensor.nbytes for tensor in held.values()) <= 110_000
        assert all(index["weight_map"][name] == shard.name and torch.equal(held[name], whole[name]) for name in held)
    assert torch.equal(says(tmp_path / "many"), says(tmp_path / "one"))


def test_one_weight_at_a_time_is_in_memory(base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = write_base(tmp_path / "base", base_folder, llama(tied=False, layers=6))
    adapter = trained_on(write_random_adapter(tmp_path / "adapter", base), "nf4")
    alive: list[weakref.ref[torch.Tensor]] = []
    most = []

    class Watched:
        def __init__(self, file: str, framework: str) -> None:
            self._opened: Any = safe_open(file, framework=framework)

        def __enter__(self) -> "Watched":
            self._held = self._opened.__enter__()
            return self

        def __exit__(self, *error: Any) -> None:
            self._opened.__exit__(*error)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._held, name)

        def get_tensor(self, name: str) -> torch.Tensor:
            tensor: torch.Tensor = self._held.get_tensor(name)
            alive.append(weakref.ref(tensor))
            most.append(sum(one() is not None for one in alive))
            return tensor

    monkeypatch.setattr(merging_files, "safe_open", Watched)
    merged = merge_adapter(adapter, tmp_path / "merged")
    assert len(most) == merged.weights > 50
    # The one before is let go of when the next has been read.
    assert max(most) <= 2


def test_files_that_leave_out_the_name_of_the_model(base_folder: Path, tmp_path: Path) -> None:
    """As GPT-2's do on the Hub: `h.0.attn.c_attn.weight`, with a mask of another kind of numbers."""
    base = write_base(tmp_path / "base", base_folder, gpt2())
    adapter = write_random_adapter(tmp_path / "adapter", base, stop_token=7)
    merge_adapter(adapter, tmp_path / "expected", "full", "bfloat16")
    shorter = {name.removeprefix("transformer."): tensor for name, tensor in load_file(base / "model.safetensors").items()}
    save_file({**shorter, "h.0.attn.bias": torch.ones(3, 5, dtype=torch.bool)}, base / "model.safetensors", {"format": "pt"})
    merged = merge_adapter(adapter, tmp_path / "merged", "full", "bfloat16")
    assert merged.layer_by_layer
    assert torch.equal(says(tmp_path / "merged"), says(tmp_path / "expected"))
    assert load_file(tmp_path / "merged" / "model.safetensors")["h.0.attn.bias"].dtype == torch.bool


def test_what_goes_along(base_folder: Path, tmp_path: Path) -> None:
    adapter, out = write_random_adapter(tmp_path / "adapter", base_folder), tmp_path / "merged"
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    tokenizer.chat_template = "{{ messages }}"
    tokenizer.save_pretrained(adapter)
    merge_adapter(adapter, out)
    for file in ("stop.json", "template.toml", "generation_config.json"):
        assert (out / file).read_bytes() == (adapter / file).read_bytes()
    assert AutoTokenizer.from_pretrained(out)("the kettle")["input_ids"] == tokenizer("the kettle")["input_ids"]
    assert AutoTokenizer.from_pretrained(out).chat_template is None, "the base's own is not what was trained"
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"
    assert json.loads((out / MERGE).read_text())["method"] == "exact"


def test_a_merged_model_is_replaced_and_anything_else_is_not(base_folder: Path, tmp_path: Path) -> None:
    adapter, out = write_random_adapter(tmp_path / "adapter", base_folder), tmp_path / "merged"
    merge_adapter(adapter, out)
    (out / "left over.txt").touch()
    merge_adapter(adapter, out, "full")
    assert not (out / "left over.txt").exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="holds no merged or exported model"):
        merge_adapter(adapter, other)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "merged", "other"], "nothing half done is left"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"method": "nearly"}, "method nearly: unknown; give exact or full"),
        ({"dtype": "int4"}, "dtype int4: unknown; give bfloat16, float16 or float32"),
        ({"max_shard_size": "some"}, "max-shard-size some"),
    ],
)
def test_refuses_what_it_does_not_know(options: dict[str, Any], says: str, base_folder: Path, tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", base_folder)
    with pytest.raises(UserError, match=says):
        merge_adapter(adapter, tmp_path / "merged", **options)
    assert not (tmp_path / "merged").exists()


def test_refuses_a_base_that_does_not_fit(base_folder: Path, tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", base_folder, llama(tied=False))
    adapter = write_random_adapter(tmp_path / "adapter", base, stop_token=7)
    shutil.rmtree(base)
    write_base(base, base_folder, gpt2())
    with pytest.raises(UserError, match=r"does not fit the base .* in which there is no model\.layers\.0"):
        merge_adapter(adapter, tmp_path / "merged")


def test_refuses_a_base_that_is_stored_quantised(base_folder: Path, tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", base_folder, llama(tied=False))
    adapter = write_random_adapter(tmp_path / "adapter", base)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}))
    with pytest.raises(UserError, match="is stored quantised"):
        merge_adapter(adapter, tmp_path / "merged")


def test_refuses_a_damaged_base(base_folder: Path, tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", base_folder, llama(tied=False))
    adapter = write_random_adapter(tmp_path / "adapter", base)
    (base / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0no safetensors")
    with pytest.raises(UserError, match="its weights are damaged"):
        merge_adapter(adapter, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_an_embedding_stored_as_the_output_matrix(base_folder: Path, tmp_path: Path) -> None:
    """Tied weights are stored once, by some under the other name; programs that skip a tied output matrix need the embedding's."""
    base = write_base(tmp_path / "base", base_folder, llama(tied=True))
    adapter = write_random_adapter(tmp_path / "adapter", base, stop_token=7)
    merge_adapter(adapter, tmp_path / "expected", "full", "float32")
    weights = load_file(base / "model.safetensors")
    weights["lm_head.weight"] = weights.pop("model.embed_tokens.weight")
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    assert merge_adapter(adapter, tmp_path / "merged", "full", "float32").layer_by_layer
    held = load_file(tmp_path / "merged" / "model.safetensors")
    assert "lm_head.weight" not in held
    assert torch.equal(
        held["model.embed_tokens.weight"], load_file(tmp_path / "expected" / "model.safetensors")["model.embed_tokens.weight"]
    )
    assert torch.equal(says(tmp_path / "merged"), says(tmp_path / "expected"))
