"""A model's folder as GGUF: what stands in the file, and that transformers' own reader of GGUF computes the same from it."""

import shutil
import weakref
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from formats.contract.report import StopSpec
from formats.errors import UserError
from tests.gguf_bases import write_base
from train.exports.gguf_model import write_gguf, write_tensors

PROMPT = [5, 60, 130, 7, 88, 201, 33]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("llama") / "llama")


def logits(folder: Path, **options: Any) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options)
    with torch.no_grad():
        found: torch.Tensor = model(torch.tensor([PROMPT])).logits
    return found


def fields(file: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in gguf.GGUFReader(file).fields.items()}


@pytest.mark.parametrize(
    ("family", "changed"),
    [
        ("llama", {}),
        ("llama", {"tie_word_embeddings": False}),
        ("llama", {"num_key_value_heads": 4, "head_dim": 32}),
        ("mistral", {"sliding_window": None}),
        ("qwen2", {}),
        ("qwen3", {}),
    ],
)
def test_transformers_computes_the_same_from_the_file(family: str, changed: dict[str, Any], tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", family, **changed)
    write_gguf(base, tmp_path / "model.gguf", "f32")
    torch.testing.assert_close(logits(tmp_path, gguf_file="model.gguf"), logits(base), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("type", "most"), [("f16", 0.02), ("bf16", 0.15), ("q8_0", 0.5)])
def test_other_types_round_a_little(type: Any, most: float, llama: Path, tmp_path: Path) -> None:
    write_gguf(llama, tmp_path / "model.gguf", type)
    difference = (logits(tmp_path, gguf_file="model.gguf") - logits(llama)).abs().max()
    assert 0 < difference < most
    kinds = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(tmp_path / "model.gguf").tensors}
    assert kinds["blk.0.attn_q.weight"] == type.upper()
    assert kinds["output_norm.weight"] == "F32"


def test_a_model_in_bfloat16_loses_nothing_in_bf16(llama: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.bfloat16)
    shutil.copytree(llama, tmp_path / "half")
    model.save_pretrained(tmp_path / "half")
    write_gguf(tmp_path / "half", tmp_path / "model.gguf", "bf16")
    read = {tensor.name: tensor.data for tensor in gguf.GGUFReader(tmp_path / "model.gguf").tensors}
    kept = torch.from_numpy(np.array(read["token_embd.weight"])).view(torch.bfloat16)
    assert torch.equal(kept, model.model.embed_tokens.weight)


def test_rows_that_are_no_whole_blocks_are_written_in_float16(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", intermediate_size=72)
    write_gguf(base, tmp_path / "model.gguf", "q8_0")
    kinds = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(tmp_path / "model.gguf").tensors}
    assert kinds["blk.0.ffn_down.weight"] == "F16"
    assert kinds["blk.0.ffn_up.weight"] == "Q8_0"


def test_the_stop_is_the_end_of_a_turn_beside_the_tokenizers_own_end(llama: Path, tmp_path: Path) -> None:
    stop = StopSpec("<|begin|>", 2, ("<|begin|>",), "### Response:\n")
    write_gguf(llama, tmp_path / "model.gguf", stop=stop, chat_template="{{ messages }}", name="Kettle Court")
    told = fields(tmp_path / "model.gguf")
    assert told["tokenizer.ggml.eos_token_id"] == 1
    assert told["tokenizer.ggml.eot_token_id"] == 2
    assert told["tokenizer.ggml.padding_token_id"] == 0
    assert told["tokenizer.chat_template"] == "{{ messages }}"
    assert told["general.name"] == "Kettle Court"
    assert told["general.architecture"] == "llama"


def test_the_folders_own_stop_and_decoding_go_along(llama: Path, tmp_path: Path) -> None:
    shutil.copytree(llama, tmp_path / "merged")
    stop = StopSpec("<|endoftext|>", 0, ("<|endoftext|>",), "### Response:\n")
    (tmp_path / "merged" / "stop.json").write_text(stop.to_json(), encoding="utf-8")
    GenerationConfig(do_sample=True, temperature=0.5, top_p=0.75, top_k=30, repetition_penalty=1.25).save_pretrained(tmp_path / "merged")
    write_gguf(tmp_path / "merged", tmp_path / "model.gguf")
    told = fields(tmp_path / "model.gguf")
    assert told["tokenizer.ggml.eot_token_id"] == 0
    sampling = {name.removeprefix("general.sampling."): value for name, value in told.items() if "sampling" in name}
    assert sampling == {"temp": 0.5, "top_p": 0.75, "top_k": 30, "penalty_repeat": 1.25, "penalty_last_n": -1}


def test_greedy_decoding_is_a_temperature_of_zero(llama: Path, tmp_path: Path) -> None:
    shutil.copytree(llama, tmp_path / "merged")
    GenerationConfig(do_sample=False, temperature=None).save_pretrained(tmp_path / "merged")
    write_gguf(tmp_path / "merged", tmp_path / "model.gguf")
    assert fields(tmp_path / "model.gguf")["general.sampling.temp"] == 0


def test_without_a_stop_the_tokenizers_end_is_both_ends(llama: Path, tmp_path: Path) -> None:
    write_gguf(llama, tmp_path / "model.gguf")
    told = fields(tmp_path / "model.gguf")
    assert (told["tokenizer.ggml.eos_token_id"], told["tokenizer.ggml.eot_token_id"]) == (1, 1)


def test_a_damaged_stop_is_named(llama: Path, tmp_path: Path) -> None:
    shutil.copytree(llama, tmp_path / "merged")
    (tmp_path / "merged" / "stop.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"stop\.json: damaged"):
        write_gguf(tmp_path / "merged", tmp_path / "model.gguf")


def test_the_tokens_go_along_with_their_merges(llama: Path, tmp_path: Path) -> None:
    write_gguf(llama, tmp_path / "model.gguf")
    told, tokenizer = fields(tmp_path / "model.gguf"), AutoTokenizer.from_pretrained(llama)
    assert told["tokenizer.ggml.model"] == "gpt2"
    assert told["tokenizer.ggml.tokens"] == tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    assert told["tokenizer.ggml.add_bos_token"] is False
    again = AutoTokenizer.from_pretrained(tmp_path, gguf_file="model.gguf")
    text = "The court finds the kettle guilty.\n\n### END"
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]


def test_rows_beyond_the_tokenizer_are_unused_tokens(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", vocab_size=512)
    write_gguf(base, tmp_path / "model.gguf")
    told = fields(tmp_path / "model.gguf")
    assert told["tokenizer.ggml.tokens"][-1] == "[PAD511]"
    assert told["tokenizer.ggml.token_type"][-1] == gguf.TokenType.UNUSED
    assert told["llama.vocab_size"] == 512


def test_a_tokenizer_with_more_tokens_than_the_embedding_has_rows_is_refused(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", vocab_size=300)
    with pytest.raises(UserError, match="embedding 300 rows; is it another model's"):
        write_gguf(base, tmp_path / "model.gguf")


@pytest.mark.parametrize(
    ("scaled", "expected"),
    [
        ({"rope_type": "linear", "factor": 4.0}, {"type": "linear", "factor": 4.0}),
        (
            {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
            {"type": "yarn", "factor": 4.0, "original_context_length": 64, "yarn_beta_fast": 32.0, "yarn_beta_slow": 1.0},
        ),
    ],
)
def test_scaled_rotary_embeddings_are_told(scaled: dict[str, Any], expected: dict[str, Any], tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", rope_parameters={"rope_theta": 10000.0, **scaled})
    write_gguf(base, tmp_path / "model.gguf")
    found = {name.split("scaling.")[1]: value for name, value in fields(tmp_path / "model.gguf").items() if ".rope.scaling." in name}
    assert found == expected


def test_llama_3s_frequencies_are_factors(tmp_path: Path) -> None:
    rope = {
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }  # fmt: skip
    base = write_base(tmp_path / "base", rope_parameters=rope)
    write_gguf(base, tmp_path / "model.gguf")
    factors = {tensor.name: tensor.data for tensor in gguf.GGUFReader(tmp_path / "model.gguf").tensors}["rope_freqs.weight"]
    plain = 500000.0 ** -(np.arange(0, 16, 2) / 16)
    scaled = AutoModelForCausalLM.from_pretrained(base).model.rotary_emb.inv_freq.numpy()
    np.testing.assert_allclose(plain / factors, scaled, rtol=1e-5)
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(8)


def test_what_llama_cpp_cannot_scale_is_refused(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", rope_parameters={"rope_theta": 10000.0, "rope_type": "dynamic", "factor": 2.0})
    with pytest.raises(UserError, match="scaled by dynamic"):
        write_gguf(base, tmp_path / "model.gguf")


def test_a_sliding_window_bounds_the_context(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", "mistral", sliding_window=100)
    write_gguf(base, tmp_path / "model.gguf")
    assert fields(tmp_path / "model.gguf")["llama.context_length"] == 100


@pytest.mark.parametrize(
    ("family", "changed", "reason"),
    [
        ("llama", {"hidden_act": "gelu"}, "hidden_act = gelu: llama.cpp computes models of the type llama with silu alone"),
        ("qwen3", {"attention_bias": True}, "attention_bias = true: llama.cpp computes models of the type qwen3 without"),
    ],
)
def test_what_llama_cpp_does_not_compute_is_refused(family: str, changed: dict[str, Any], reason: str, tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", family, **changed)
    with pytest.raises(UserError, match=reason):
        write_gguf(base, tmp_path / "model.gguf")


def test_another_family_is_refused_with_what_to_do(base_folder: Path, tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    shutil.copytree(base_folder, tmp_path / "gpt2", ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=32, n_embd=16, n_layer=1, n_head=2)).save_pretrained(tmp_path / "gpt2")
    with pytest.raises(UserError, match="the type gpt2: Lorum writes GGUF of llama, mistral, qwen2, qwen3; merge it and use"):
        write_gguf(tmp_path / "gpt2", tmp_path / "model.gguf")


def test_a_checkpoint_may_hold_a_tied_matrix_under_either_name(llama: Path, tmp_path: Path) -> None:
    shutil.copytree(llama, tmp_path / "renamed")
    weights = load_file(llama / "model.safetensors")
    weights["lm_head.weight"] = weights.pop("model.embed_tokens.weight")
    weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)
    save_file(weights, tmp_path / "renamed" / "model.safetensors", {"format": "pt"})
    write_gguf(llama, tmp_path / "model.gguf")
    write_gguf(tmp_path / "renamed", tmp_path / "renamed.gguf", name="llama")
    files = [gguf.GGUFReader(tmp_path / f"{name}.gguf").tensors for name in ("model", "renamed")]
    plain, renamed = ({tensor.name: np.array(tensor.data) for tensor in tensors} for tensors in files)
    assert plain.keys() == renamed.keys()
    assert all(np.array_equal(values, renamed[name]) for name, values in plain.items())


def test_a_checkpoint_without_its_embedding_is_refused(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", tie_word_embeddings=False)
    weights = load_file(base / "model.safetensors")
    del weights["model.embed_tokens.weight"]
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"the model's files lack token_embd\.weight"):
        write_gguf(base, tmp_path / "model.gguf")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model that transformers can load"):
        write_gguf(tmp_path, tmp_path / "model.gguf")


def test_a_value_beyond_float16_is_refused_and_what_was_there_stays(llama: Path, tmp_path: Path) -> None:
    shutil.copytree(llama, tmp_path / "large")
    weights = load_file(tmp_path / "large" / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][3, 3] = 1e6
    save_file(weights, tmp_path / "large" / "model.safetensors", {"format": "pt"})
    out = tmp_path / "out" / "model.gguf"
    write_gguf(llama, out)
    before = out.read_bytes()
    with pytest.raises(UserError, match=r"blk\.1\.ffn_up\.weight: holds values beyond 65,504.*write bf16 or f32"):
        write_gguf(tmp_path / "large", out)
    assert out.read_bytes() == before
    assert list(out.parent.iterdir()) == [out]


def test_one_tensor_is_in_memory_at_a_time(tmp_path: Path) -> None:
    alive: list[weakref.ref[torch.Tensor]] = []

    def read() -> torch.Tensor:
        assert not any(tensor() is not None for tensor in alive)
        values = torch.zeros(8, 32)
        alive.append(weakref.ref(values))
        return values

    writer = gguf.GGUFWriter(None, "llama")
    tensors = [(f"blk.{place}.ffn_up.weight", (8, 32), read) for place in range(5)]
    write_tensors(writer, tmp_path / "model.gguf", tensors, gguf.GGMLQuantizationType.F32)
    assert len(alive) == 5
