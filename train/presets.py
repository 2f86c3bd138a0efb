"""Presets: settings of a training under a name, each with where it comes from."""

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "tutorial": {
        "quantisation": "nf4",
        "rank": 64,
        "alpha": 16.0,
        "dropout": 0.1,
        "target_modules": ("q_proj", "v_proj"),
        "learning_rate": 2e-4,
        "schedule": "constant",
        "warmup": 0.03,
        "epochs": 1.0,
        "batch": 7,
        "optimizer": "paged_adamw_32bit",
        "weight_decay": 0.001,
        "max_grad_norm": 0.3,
        "activation_checkpointing": True,
    },
    "qlora-paper": {
        "quantisation": "nf4",
        "rank": 64,
        "alpha": 16.0,
        "dropout": 0.1,
        "target_modules": "all-linear",
        "learning_rate": 2e-4,
        "schedule": "constant",
        "warmup": 0.0,
        "batch": 16,
        "optimizer": "paged_adamw_32bit",
        "weight_decay": 0.0,
        "max_grad_norm": 0.3,
        "activation_checkpointing": True,
    },
    "small-gpu": {
        "quantisation": "nf4",
        "rank": 16,
        "alpha": 32.0,
        "target_modules": "all-linear",
        "learning_rate": 2e-4,
        "warmup": 0.03,
        "batch": 16,
        "max_tokens": 512,
        "tokens_per_batch": 1024,
        "optimizer": "paged_adamw_8bit",
        "max_grad_norm": 0.3,
        "activation_checkpointing": True,
    },
    "cpu-demo": {
        "base": "smollm2-135m",
        "quantisation": "nf4",
        "rank": 16,
        "alpha": 32.0,
        "learning_rate": 1e-3,
        "batch": 8,
        "max_steps": 60,
        "max_tokens": 192,
        "tokens_per_batch": 1024,
        "optimizer": "adamw_torch",
    },
}
"""The values of each preset; what it does not name stays at its default.

`tutorial`: the widely copied notebook for Llama 2 in 4 bit, as used for bots of Reddit threads. Rank, alpha, dropout, NF4, learning rate,
max grad norm and the batch of 7 are from this project's collection of facts; optimizer, constant schedule (which knows no warmup, so its
0.03 does nothing), weight decay, one epoch and checkpointing are that notebook's usual values. `q_proj` and `v_proj` are what PEFT takes
for Llama where nothing is named; with rank 64 in float32 these are the 134 MB that such adapters have for a 7B model. It quantised
once, where `nf4` here quantises the constants as well: 0.37 bits a weight less, the same quality (Dettmers et al. 2023, section 3).

`qlora-paper`: Dettmers et al. 2023 (arXiv 2305.14314), appendix B, for 7B and 13B: NF4 with double quantisation, adapters on all linear
layers, Adam with beta2 0.999 (the default here), constant schedule, batch 16, paged optimizer. For 33B and 65B the paper has
dropout 0.05 and learning rate 1e-4: write these beside it.

`small-gpu`: for a 7B model on 8 to 12 GB: NF4, checkpointing, 1,024 tokens at once, the optimizer's state in 8 bit and paged. A choice of
this project; `lorum plan --preset small-gpu` says what it needs with a given base.

`cpu-demo`: what the sample forum's demonstration needs on two cores without a GPU in some minutes; `sample_data/recipe.toml` has the same.
"""
