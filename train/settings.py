"""What can be set about a training, the decoding it ships and its evaluation: the `[train]`, `[decoding]` and `[eval]` of a recipe."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from train.presets import PRESETS


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class TrainSettings(_Settings):
    """How an adapter is trained. The defaults suit a small base model on a laptop without a GPU."""

    preset: Literal["tutorial", "qlora-paper", "small-gpu", "cpu-demo"] | None = Field(
        None, description="Settings under a name, which those written beside it replace."
    )
    base: str = Field("smollm2-135m", description="The base model: smollm2-135m, a Hub id, a local directory or a .gguf file.")
    quantisation: Literal["nf4", "int8", "none"] = Field(
        "nf4", description="nf4: the base in 4 bit with double quantisation; int8: in 8 bit; none: as it is."
    )
    rank: int = Field(16, ge=1, le=1024, description="Rank of the adapter's matrices.")
    alpha: float = Field(32.0, gt=0, description="Scale of the adapter: alpha / rank, or alpha / sqrt(rank) with rslora.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout on the adapter's input.")
    rslora: bool = Field(False, description="Scale by the square root of the rank, which keeps high ranks trainable.")
    dora: bool = Field(False, description="Learn the length of each weight's rows apart from their direction (DoRA).")
    init: Literal["default", "pissa", "loftq"] = Field(
        "default",
        description="Start of the adapter: default changes nothing; pissa: the weights' largest singular values, of an unquantised base; "
        "loftq: what quantising took away, of an nf4 base.",
    )
    target_modules: str | Annotated[tuple[str, ...], Field(strict=False)] = Field(
        "all-linear",
        description='Layers that get an adapter: "all-linear" (but the output matrix), or names such as ["q_proj", "v_proj"].',
    )
    learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate.")
    schedule: Literal["linear", "cosine", "constant", "constant_with_warmup"] = Field("cosine", description="Course of the learning rate.")
    warmup: float = Field(0.05, ge=0, lt=1, description="Share of the steps in which the learning rate rises to its peak.")
    epochs: float = Field(2.0, gt=0, description="Passes over the training samples.")
    max_steps: Literal[-1] | Annotated[int, Field(ge=1)] = Field(
        -1, description="Optimizer steps at most, in place of epochs; -1: as many as the epochs need."
    )
    batch: int = Field(8, ge=1, description="Samples per optimizer step.")
    max_tokens: int = Field(512, ge=16, description="Longest sample in tokens; longer ones are left out and counted, never cut.")
    tokens_per_batch: int = Field(
        4096, ge=16, description="Tokens that go through the model at once, at most: fewer need less memory, more need fewer passes."
    )
    stop_weight: float = Field(1.0, gt=0, le=100, description="Weight of the stop's tokens in the loss; the reply's own have 1.")
    train_stop: Literal["auto", "always", "never"] = Field(
        "auto",
        description="Whether the end token's own rows are trained with the adapter; auto: where the base never learned to put it out.",
    )
    optimizer: Literal["auto", "adamw_torch", "adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit"] = Field(
        "auto",
        description="Optimizer; the paged ones move their state out of a full GPU; auto: paged_adamw_32bit on a GPU, else adamw_torch.",
    )
    weight_decay: float = Field(0.0, ge=0, description="Decoupled weight decay of the adapter's matrices.")
    max_grad_norm: float = Field(1.0, gt=0, description="Gradients are scaled down to this norm.")
    neftune_alpha: float = Field(0.0, ge=0, description="Noise on the embeddings of the training (NEFTune); 0: none.")
    activation_checkpointing: bool = Field(
        False, description="Compute activations again in the backward pass: about a third slower, far less memory."
    )
    save_every: int = Field(50, ge=1, description="Steps between two checkpoints.")
    eval_every: int = Field(0, ge=0, description="Steps between two measurements of the loss on the validation split; 0: none.")
    eval_samples: int = Field(256, ge=1, description="Validation samples that such a measurement takes, at most.")
    patience: int = Field(
        0, ge=0, description="Stop after so many measurements in a row without a better loss; 0: never. Needs eval_every."
    )
    report_to: Annotated[tuple[Literal["tensorboard", "wandb", "trackio"], ...], Field(strict=False)] = Field(
        (), description="Where the course of the training is reported as well, beside the terminal."
    )
    seed: int = Field(0, ge=0, lt=1 << 32, description="Seed of the order of the samples, the adapter's start and its dropout.")

    @model_validator(mode="before")
    @classmethod
    def _lay_preset(cls, given: Any) -> Any:
        """Lays a preset beneath what is written beside it."""
        preset = PRESETS.get(str(given.get("preset"))) if isinstance(given, dict) else None
        return {**preset, **given} if preset else given

    @model_validator(mode="after")
    def _refuse_wrong_combinations(self) -> Self:
        if self.init == "pissa" and self.quantisation != "none":
            raise ValueError(
                f'init = "pissa" does not go with quantisation = "{self.quantisation}": the adapter would start from what is left of the '
                'weights after quantising, which nobody who loads it has; set quantisation = "none", or init = "loftq" with nf4'
            )
        if self.init == "loftq" and self.quantisation != "nf4":
            raise ValueError(
                f'init = "loftq" does not go with quantisation = "{self.quantisation}": it makes up for what 4 bits take away; '
                'set quantisation = "nf4", or leave init out'
            )
        if self.init != "default" and self.dora:
            raise ValueError(
                f'init = "{self.init}" does not go with dora = true: DoRA measures the weights\' lengths before such a start changes them; '
                "leave one of the two out"
            )
        if self.dora and self.quantisation == "int8":
            raise ValueError(
                'dora = true does not go with quantisation = "int8": evaluated between steps, PEFT\'s DoRA loses the 8-bit scales; '
                'set quantisation = "nf4" or "none", or leave dora out'
            )
        if not self.target_modules:
            raise ValueError('target_modules names no layer; name some, as in ["q_proj", "v_proj"], or leave it out for all linear layers')
        if self.patience and not self.eval_every:
            raise ValueError(
                f"patience = {self.patience} needs eval_every: without measurements nothing can say when to stop; "
                f"set eval_every, as in eval_every = {self.save_every}, or leave patience out"
            )
        return self


class DecodingSettings(_Settings):
    """How the adapter answers by default; shipped in its `generation_config.json`. A temperature of 0 is greedy decoding."""

    temperature: float = Field(0.8, ge=0, le=5, description="Below 1 prefers likely tokens; 0 always takes the likeliest.")
    top_p: float = Field(0.9, gt=0, le=1, description="Draw from the likeliest tokens that together have this probability.")
    top_k: int = Field(50, ge=0, description="Draw from this many likeliest tokens; 0: no limit.")
    repetition_penalty: float = Field(
        1.0, gt=0, le=3, description="Above 1 makes tokens less likely that stood before, in the prompt too; 1: off."
    )
    max_new_tokens: int = Field(128, ge=1, description="Longest answer in tokens.")


class EvalSettings(_Settings):
    """How an adapter is compared with its base on samples that were held out of the training."""

    prompts: int = Field(64, ge=1, description="Held-out prompts that are answered, greedily and as shipped.")
    max_new_tokens: int = Field(128, ge=1, description="Tokens within which an answer must stop.")
    shown: int = Field(
        6, ge=0, description="Prompts shown with the answers of base and adapter; one of them where the adapter copies most."
    )
    perplexity_samples: int = Field(64, ge=1, description="Held-out samples on whose replies the perplexity is measured, at most.")
    toxicity: str = Field(
        "lite",
        description='Scorer of the answers\' toxicity, named as for the rule toxicity: lite, detoxify:MODEL, ...; "none": not measured.',
    )
    seed: int = Field(0, ge=0, description="Seed of the choice of prompts, of sampling and of the intervals.")
