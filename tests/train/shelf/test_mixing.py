"""Mixing adapters: the functions that come out are those of the methods, and the folder is whole."""

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import PeftModel
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from formats.errors import UserError
from formats.templates.template import load_template
from train.adapters.agreement import check_adapter
from train.adapters.folder import read_adapter
from train.adapters.matrices import LowRank, read_matrices
from train.answers.voices import Voices
from train.settings import DecodingSettings, TrainSettings
from train.shelf.mix_methods import Blend, Ingredient, Method, blended
from train.shelf.mixing import Part, mix_adapters

Write = Callable[..., Path]
IDS = torch.tensor([[5, 6, 7, 8, 9, 1], [9, 1, 7, 5, 5, 6]])
WEIGHTS = {"court": 0.7, "cooks": -0.4}


def parts_of(folders: Mapping[str, Path], weights: Mapping[str, float] | None = None) -> list[Part]:
    return [Part(name, folder, (weights or WEIGHTS)[name]) for name, folder in folders.items()]


def voices_logits(model: Any, folders: Mapping[str, Path], mix: Mapping[str, float]) -> torch.Tensor:
    """What `Voices` answers with the mix, computed on the adapters themselves."""
    voices = Voices(model)
    for name, folder in folders.items():
        voices.add(name, read_adapter(folder))
    with torch.inference_mode(), voices.speaking([mix]):
        logits: torch.Tensor = model(IDS).logits
    for name in folders:
        voices.remove(name)
    return logits


def mixed_logits(load: Callable[[], Any], folder: Path) -> torch.Tensor:
    """What PEFT makes of a mix's folder."""
    with torch.inference_mode():
        logits: torch.Tensor = PeftModel.from_pretrained(load(), str(folder)).eval()(IDS).logits
    return logits


@pytest.fixture(scope="module")
def load(base_folder: Path) -> Callable[[], Any]:
    return lambda: AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.float32).eval()


KINDS: dict[str, dict[str, Any]] = {
    "alike": {},
    "other rank": {"settings": TrainSettings(rank=2)},
    "rank-stabilised": {"settings": TrainSettings(rank=4, rslora=True)},
    "other layers": {"settings": TrainSettings(rank=4, target_modules=("q_proj", "down_proj"))},
    "trained stop": {"stop_token": 1},
}


@pytest.mark.parametrize("kind", KINDS)
def test_cat_is_exactly_the_weighted_sum(court: Path, write_adapter_of: Write, load: Callable[[], Any], tmp_path: Path, kind: str) -> None:
    folders = {"court": court, "cooks": write_adapter_of(f"cooks {kind}", seed=2, **KINDS[kind])}
    mixed = mix_adapters(parts_of(folders), tmp_path / "mix")
    expected = voices_logits(load(), folders, WEIGHTS)
    assert mixed.rank == sum(read_matrices(folder).rank for folder in folders.values())
    torch.testing.assert_close(mixed_logits(load, mixed.folder), expected, rtol=1e-4, atol=2e-5)
    plain = load()(IDS).logits
    assert (expected - plain).abs().max() > 0.1, "the mix changes something"
    again = voices_logits(load(), {"mix": mixed.folder}, {"mix": 1.0})
    torch.testing.assert_close(again, expected, rtol=1e-4, atol=2e-5)


def test_trained_stops_of_all_parts_mix_by_weight(write_adapter_of: Write, load: Callable[[], Any], tmp_path: Path) -> None:
    folders = {name: write_adapter_of(f"{name} stops", seed=seed, stop_token=1) for seed, name in enumerate(WEIGHTS)}
    mixed = mix_adapters(parts_of(folders), tmp_path / "mix")
    torch.testing.assert_close(mixed_logits(load, mixed.folder), voices_logits(load(), folders, WEIGHTS), rtol=1e-4, atol=2e-5)
    row, *_ = read_matrices(mixed.folder).rows.values()
    ones = [next(iter(read_matrices(folder).rows.values())).values for folder in folders.values()]
    base = load().get_input_embeddings().weight[[1]].detach()
    torch.testing.assert_close(row.values, base + 0.7 * (ones[0] - base) - 0.4 * (ones[1] - base))


def test_rows_of_weights_that_sum_to_one_need_no_base(write_adapter_of: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {name: write_adapter_of(f"{name} stops", seed=seed, stop_token=1) for seed, name in enumerate(WEIGHTS)}
    monkeypatch.setattr("train.shelf.mixing.resolve", lambda name: pytest.fail("looked for the base"))
    mixed = mix_adapters(parts_of(folders, {"court": 0.75, "cooks": 0.25}), tmp_path / "mix")
    row, *_ = read_matrices(mixed.folder).rows.values()
    ones = [next(iter(read_matrices(folder).rows.values())).values for folder in folders.values()]
    torch.testing.assert_close(row.values, 0.75 * ones[0] + 0.25 * ones[1])


def test_rows_of_untied_matrices_are_mixed_apart(write_adapter_of: Write, base_folder: Path, tmp_path: Path) -> None:
    import shutil

    from transformers import AutoConfig

    untied = tmp_path / "untied"
    shutil.copytree(base_folder, untied)
    config = AutoConfig.from_pretrained(untied)
    config.tie_word_embeddings = False
    torch.manual_seed(3)
    AutoModelForCausalLM.from_config(config).save_pretrained(untied)
    folders = {name: write_adapter_of(f"{name} untied", base=untied, seed=seed, stop_token=1) for seed, name in enumerate(WEIGHTS)}
    mixed = mix_adapters(parts_of(folders), tmp_path / "mix")
    assert set(read_matrices(mixed.folder).rows) == {"model.embed_tokens", "lm_head"}

    def load() -> Any:
        return AutoModelForCausalLM.from_pretrained(untied, dtype=torch.float32).eval()

    torch.testing.assert_close(mixed_logits(load, mixed.folder), voices_logits(load(), folders, WEIGHTS), rtol=1e-4, atol=2e-5)


def test_layers_that_hold_their_weights_transposed_are_mixed_too(write_adapter_of: Write, tmp_path: Path) -> None:
    def load() -> Any:
        torch.manual_seed(0)
        return GPT2LMHeadModel(GPT2Config(vocab_size=400, n_embd=32, n_layer=2, n_head=4, initializer_range=0.2)).eval()

    settings = TrainSettings(rank=4)
    folders = {name: write_adapter_of(f"{name} gpt2", settings, seed=seed, model=load()) for seed, name in enumerate(WEIGHTS)}
    expected = voices_logits(load(), folders, WEIGHTS)
    for blend in (Blend(), Blend("svd", rank=8)):
        mixed = mix_adapters(parts_of(folders), tmp_path / blend.method, blend)
        torch.testing.assert_close(mixed_logits(load, mixed.folder), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", ["cat", "linear", "svd", "ties", "magnitude_prune"])
def test_methods_are_those_of_peft(court: Path, cooks: Path, load: Callable[[], Any], tmp_path: Path, method: Method) -> None:
    model = PeftModel.from_pretrained(load(), str(court), adapter_name="court").eval()
    model.load_adapter(str(cooks), "cooks")
    tuner: Any = model.base_model
    tuner.add_weighted_adapter(list(WEIGHTS), list(WEIGHTS.values()), "mix", combination_type=method, density=0.6)
    model.set_adapter("mix")
    with torch.inference_mode():
        expected = model(IDS).logits
    mixed = mix_adapters(parts_of({"court": court, "cooks": cooks}), tmp_path / "mix", Blend(method, density=0.6))
    torch.testing.assert_close(mixed_logits(load, mixed.folder), expected, rtol=1e-3, atol=1e-4)


def test_svd_of_the_full_rank_is_the_sum_and_of_a_lower_one_the_nearest(court: Path, cooks: Path) -> None:
    parts = [
        Ingredient(name, read_matrices(folder).layers, 8.0, weight)
        for (name, weight), folder in zip(WEIGHTS.items(), (court, cooks), strict=True)
    ]
    name = "model.layers.0.self_attn.q_proj"
    whole = sum((part.weight * part.layers[name].b @ part.layers[name].a for part in parts), torch.zeros(64, 64))
    for rank in (8, 3):
        layer = blended(parts, Blend("svd", rank=rank))[name]
        assert layer.a.shape == (rank, 64)
        error = torch.linalg.norm(layer.b @ layer.a - whole)
        torch.testing.assert_close(error, torch.linalg.svdvals(whole)[rank:].square().sum().sqrt(), rtol=1e-3, atol=1e-4)


def test_svd_at_a_rank_beyond_a_narrow_layer_keeps_that_layer_whole() -> None:
    torch.manual_seed(0)
    layers = {"wide": LowRank(torch.randn(6, 16), torch.randn(16, 6)), "narrow": LowRank(torch.randn(6, 16), torch.randn(4, 6))}
    mixed = blended([Ingredient("court", layers, 1.0, 0.5)], Blend("svd"))
    for name, layer in mixed.items():
        assert (layer.a.shape, layer.b.shape) == (layers[name].a.shape, layers[name].b.shape)
        torch.testing.assert_close(layer.b @ layer.a, 0.5 * layers[name].b @ layers[name].a, rtol=1e-3, atol=1e-4)


def random_part(seed: int, rank: int, weight: float) -> Ingredient:
    torch.manual_seed(seed)
    sizes = {"model.layers.0.up": (6, 4), "model.layers.1.up": (5, 3)}
    return Ingredient(
        f"a{seed}", {name: LowRank(torch.randn(rank, i), torch.randn(o, rank)) for name, (o, i) in sizes.items()}, 2.0, weight
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    ranks=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    weights=st.lists(st.floats(-2, 2).filter(lambda weight: abs(weight) > 1e-3), min_size=3, max_size=3),
)
def test_cat_is_linear_in_the_weights_for_any_ranks(ranks: list[int], weights: list[float]) -> None:
    parts = [random_part(seed, rank, weight) for seed, (rank, weight) in enumerate(zip(ranks, weights, strict=False))]
    mixed = blended(parts, Blend())
    for name, layer in mixed.items():
        expected = sum((part.weight * (part.layers[name].b @ part.layers[name].a) for part in parts), torch.tensor(0.0))
        torch.testing.assert_close(layer.b @ layer.a, expected, rtol=1e-4, atol=1e-4)
        assert len(layer.a) == sum(ranks)


def test_a_layer_of_one_part_alone_is_mixed_with_nothing() -> None:
    one, other = random_part(0, 2, 0.5), random_part(1, 2, 0.5)
    lone = Ingredient(other.name, {"model.layers.1.up": other.layers["model.layers.1.up"]}, 2.0, 0.5)
    for method in ("cat", "linear", "svd"):
        mixed = blended([one, lone], Blend(method))
        layer = one.layers["model.layers.0.up"]
        product = mixed["model.layers.0.up"].b @ mixed["model.layers.0.up"].a
        torch.testing.assert_close(product, 0.5 * layer.b @ layer.a, rtol=1e-4, atol=1e-5)


def test_dare_draws_by_its_seed_and_leaves_torch_s_own_draws_alone() -> None:
    parts = [random_part(0, 3, 0.5), random_part(1, 3, 0.5)]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (blended(parts, Blend("dare_linear", 0.5, seed=seed))["model.layers.0.up"].a for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first == 0).any(), "half of the numbers are dropped"


def test_a_mix_is_a_whole_adapter(court: Path, cooks: Path, tmp_path: Path) -> None:
    mixed = mix_adapters(parts_of({"court": court, "cooks": cooks}), tmp_path / "shelf" / "mix", Blend("ties", 0.3))
    adapter = read_adapter(mixed.folder)
    first = read_adapter(court)
    assert (adapter.base, adapter.template, adapter.stop) == (first.base, first.template, first.stop)
    assert (adapter.settings.rank, adapter.settings.alpha, adapter.settings.quantisation) == (4, 4.0, "none")
    assert check_adapter(mixed.folder).holds
    record = json.loads((mixed.folder / "training.json").read_text())
    digests = [hashlib.sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest() for folder in (court, cooks)]
    assert record["mix"] == {
        "method": "ties",
        "density": 0.3,
        "parts": [
            {"name": name, "weight": weight, "sha256": digest} for (name, weight), digest in zip(WEIGHTS.items(), digests, strict=True)
        ],
    }
    card = (mixed.folder / "README.md").read_text()
    assert f"| court | 0.7 | `{digests[0]}` |" in card
    assert "the method ties, density 0.3; its rank is 4." in card
    assert card.startswith("---\nbase_model: ")
    config = json.loads((mixed.folder / "adapter_config.json").read_text())
    parent = json.loads((court / "adapter_config.json").read_text())
    assert sorted(config["target_modules"]) == sorted(parent["target_modules"])
    assert config["base_model_name_or_path"] == parent["base_model_name_or_path"]


def test_the_part_that_counts_most_gives_the_decoding_and_the_longest_samples_count(
    court: Path, write_adapter_of: Write, tmp_path: Path
) -> None:
    loud = write_adapter_of(
        "loud", TrainSettings(rank=4, max_tokens=640), seed=3, decoding=DecodingSettings(temperature=1.5, max_new_tokens=9)
    )
    parts = [Part("court", court, 0.5), Part("loud", loud, -0.8)]
    adapter = read_adapter(mix_adapters(parts, tmp_path / "mix").folder)
    assert adapter.decoding == DecodingSettings(temperature=1.5, max_new_tokens=9)
    assert adapter.settings.max_tokens == 640
    generation = json.loads((tmp_path / "mix" / "generation_config.json").read_text())
    assert (generation["temperature"], generation["max_new_tokens"]) == (1.5, 9)


def test_a_mix_of_mixes_and_of_itself_is_the_sum(court: Path, cooks: Path, load: Callable[[], Any], tmp_path: Path) -> None:
    first = mix_adapters(parts_of({"court": court, "cooks": cooks}), tmp_path / "first").folder
    both = mix_adapters([Part("first", first, 0.5), Part("court", court, 0.5)], tmp_path / "both").folder
    expected = voices_logits(load(), {"court": court, "cooks": cooks}, {"court": 0.85, "cooks": -0.2})
    torch.testing.assert_close(mixed_logits(load, both), expected, rtol=1e-3, atol=1e-4)


def test_one_adapter_can_be_made_stronger_or_weaker(court: Path, load: Callable[[], Any], tmp_path: Path) -> None:
    mixed = mix_adapters([Part("court", court, 0.5)], tmp_path / "half")
    assert mixed.rank == 4
    torch.testing.assert_close(
        mixed_logits(load, mixed.folder), voices_logits(load(), {"court": court}, {"court": 0.5}), rtol=1e-4, atol=2e-5
    )


def test_svd_makes_an_adapter_smaller(court: Path, tmp_path: Path) -> None:
    mixed = mix_adapters([Part("court", court, 1.0)], tmp_path / "small", Blend("svd", rank=2))
    assert (mixed.rank, read_matrices(mixed.folder).rank) == (2, 2)
    one, small = (read_matrices(folder).layers["model.layers.1.mlp.up_proj"] for folder in (court, mixed.folder))
    kept = torch.linalg.svdvals(small.b @ small.a)[:2]
    torch.testing.assert_close(kept, torch.linalg.svdvals(one.b @ one.a)[:2], rtol=1e-4, atol=1e-5)


def test_parts_that_do_not_go_together_are_refused_with_both_names(
    court: Path, cooks: Path, write_adapter_of: Write, base_folder: Path, tmp_path: Path
) -> None:
    import shutil

    other_base = tmp_path / "other-base"
    shutil.copytree(base_folder, other_base)
    chatty = write_adapter_of("chatty", template=load_template("speakers"))
    wide = write_adapter_of("wide", TrainSettings(rank=8))
    dora = write_adapter_of("dora", TrainSettings(rank=4, dora=True))
    elsewhere = write_adapter_of("elsewhere", base=other_base)
    for other, blend, says in (
        (elsewhere, Blend(), rf"^court was trained on the base {base_folder}, other on {other_base}: adapters of different bases"),
        (chatty, Blend(), r"^court was trained with the template comment-response, other with speakers: adapters of different templates"),
        (wide, Blend("ties"), r"^ties mixes adapters of equal rank, and court has 4, other has 8; take cat or svd$"),
        (dora, Blend(), r"^other: is a DoRA.*mix it while talking, with /mix"),
        (cooks, Blend("svd", rank=9), r"^rank 9: the sum of the adapters has at most 8 in some layer; take that or less$"),
        (wide, Blend("svd", rank=13), r"^rank 13: the sum of the adapters has at most 12"),
    ):
        with pytest.raises(UserError, match=says):
            mix_adapters([Part("court", court, 0.5), Part("other", other, 0.5)], tmp_path / "mix", blend)
        assert not (tmp_path / "mix").exists()


def test_a_template_of_the_same_name_and_other_text_is_another(court: Path, write_adapter_of: Write, tmp_path: Path) -> None:
    from dataclasses import replace

    changed = replace(load_template("comment-response"), stop="\n\n### STOP")
    with pytest.raises(UserError, match="comment-response, other with comment-response of other text: adapters of different templates"):
        mix_adapters([Part("court", court, 0.5), Part("other", write_adapter_of("changed", template=changed), 0.5)], tmp_path / "mix")


@pytest.mark.parametrize("weight", [0.0, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused(court: Path, tmp_path: Path, weight: float) -> None:
    with pytest.raises(UserError, match="counts as a number that is not 0"):
        mix_adapters([Part("court", court, weight)], tmp_path / "mix")


def test_settings_that_the_method_does_not_take_are_refused(court: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a rank goes with the method svd alone, not with cat"):
        Blend(rank=3)
    with pytest.raises(UserError, match="density 0: expected a share above 0"):
        Blend("ties", density=0)
    with pytest.raises(UserError, match="ties mixes two adapters or more, and court is one"):
        mix_adapters([Part("court", court, 1.0)], tmp_path / "mix", Blend("ties"))


def test_a_mix_replaces_a_mix_and_nothing_else(court: Path, cooks: Path, write_adapter_of: Write, tmp_path: Path) -> None:
    parts = parts_of({"court": court, "cooks": cooks})
    mix_adapters(parts, tmp_path / "mix")
    mix_adapters(parts[:1], tmp_path / "mix")
    assert tomllib.loads((tmp_path / "mix" / "settings.toml").read_text())["train"]["rank"] == 4
    with pytest.raises(UserError, match=r"court: is an adapter that was trained; name another folder for the mix$"):
        mix_adapters(parts, court)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    with pytest.raises(UserError, match="is there already"):
        mix_adapters(parts, tmp_path / "notes")
