"""What a base's configuration alone says against a training's settings."""

from typing import Any

import pytest
from transformers import GPT2Config, LlamaConfig, PreTrainedConfig

from formats.errors import UserError
from train.bases.base_model import Base
from train.bases.fitting import check_fits
from train.settings import TrainSettings


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"rank": 33}, r"rank = 33: is more than the smaller side of model\.layers\.0\.self_attn\.k_proj of base .*, which is 32"),
        ({"rank": 65, "target_modules": ["q_proj", "o_proj"]}, r"rank = 65.*self_attn\.q_proj .*set rank = 64 or less"),
        (
            {"target_modules": ["q_proj", "kettle"]},
            "no linear layer 'kettle' .* it has q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down",
        ),
        ({"target_modules": "kettle"}, "no linear layer 'kettle'"),
        ({"target_modules": ["proj"]}, "no linear layer 'proj'"),
        ({"target_modules": ["lm_head"]}, "no linear layer 'lm_head' that an adapter goes on"),
        ({"target_modules": ["embed_tokens"]}, "no linear layer 'embed_tokens'"),
        ({"max_tokens": 513}, "max_tokens = 513: base .* knows 512 positions; set max_tokens = 512 or less"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(values: dict[str, Any], says: str, base: Base) -> None:
    with pytest.raises(UserError, match=says) as caught:
        check_fits(TrainSettings(base=base.name, **values), base.config)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [{"rank": 32, "max_tokens": 512}, {"rank": 64, "target_modules": ["q_proj", "layers.1.mlp.up_proj"]}, {"target_modules": "up_proj"}],
)
def test_what_fits_passes(values: dict[str, Any], base: Base) -> None:
    check_fits(TrainSettings(**values), base.config)


@pytest.mark.parametrize("preset", ["tutorial", "qlora-paper", "small-gpu"])
def test_every_preset_fits_a_llama_of_7b_and_65b(preset: Any) -> None:
    for config in (LlamaConfig(), LlamaConfig(hidden_size=8192, intermediate_size=22016, num_hidden_layers=80, num_attention_heads=64)):
        check_fits(TrainSettings(preset=preset), config)


def test_other_kinds_of_layers_count_too() -> None:
    check_fits(TrainSettings(target_modules=["c_attn"]), GPT2Config())
    with pytest.raises(UserError, match=r"no linear layer 'q_proj' .* it has c_attn, c_proj, c_fc"):
        check_fits(TrainSettings(preset="tutorial", max_tokens=512), GPT2Config())


class KettleConfig(PreTrainedConfig):
    model_type = "kettle"


def test_a_model_of_another_kind_is_refused() -> None:
    with pytest.raises(UserError, match="base kettle: transformers knows no causal language model of its kind"):
        check_fits(TrainSettings(base="kettle"), KettleConfig())


def test_a_base_that_is_quantised_already_is_refused_but_as_it_is() -> None:
    config: PreTrainedConfig = LlamaConfig(num_hidden_layers=1, quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(UserError, match=r'quantised already \(gptq\).*name the base they were made from, or set quantisation = "none"'):
        check_fits(TrainSettings(), config)
    check_fits(TrainSettings(quantisation="none"), config)
