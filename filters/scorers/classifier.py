"""Sequence classifiers of transformers, as loaded: weights, tokenizer, labels, and how logits become scores."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from filters.rule import RuleError
from filters.scorers.batches import longest_of

Activation = Literal["sigmoid", "softmax", "none"]

HUB_ANSWERS_S = 10.0
"""Seconds within which the Hub has to answer whether it has a model."""


@dataclass(frozen=True)
class Classifier:
    """A model with all that it takes to score a text.

    Attributes:
        key: names the weights.
        labels: what its outputs mean, in their order.
        longest: tokens at which a text is cut.
    """

    key: str
    model: Any
    tokenizer: Any
    labels: tuple[str, ...]
    activation: Activation
    longest: int


def load_classifier(name: str) -> Classifier:
    """A text-classification model of transformers: a folder, or a name on the Hub, which is downloaded once.

    Only weights in safetensors are read, and no code that comes with a model is run.

    Raises:
        RuleError: it cannot be loaded.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        safe: Mapping[str, Any] = {"trust_remote_code": False, "local_files_only": _is_at_hand(name)}
        with without_progress_bars():
            tokenizer = AutoTokenizer.from_pretrained(name, **safe)
            model, found = AutoModelForSequenceClassification.from_pretrained(name, use_safetensors=True, output_loading_info=True, **safe)
    except Exception as error:  # transformers and huggingface_hub raise a dozen kinds for a model that is not there
        hint = (
            "the folder needs config.json, model.safetensors and the tokenizer's files"
            if Path(name).is_dir()
            else f"fetch it once, where there is a network (hf download {name}), or name its folder: transformers:/path/to/folder"
        )
        raise RuleError(f"toxicity: cannot load transformers:{name} ({one_line(error)}); {hint}; or use the scorer lite") from error
    if missing := sorted(found["missing_keys"]):
        raise RuleError(
            f"toxicity: transformers:{name} is no trained classifier: it has no weights for {missing[0]}; name a model of the task "
            "text-classification"
        )
    config = model.config
    labels = tuple(str(config.id2label[place]) for place in range(config.num_labels))
    return Classifier(_key(name, config), model.eval(), tokenizer, labels, activation_of(config), longest_of(tokenizer, config))


def _is_at_hand(name: str) -> bool:
    """Whether a model is a folder or was downloaded before; where it was not, asks the Hub for it once.

    Without a network that question fails at once; a download would be tried for most of a minute first.
    """
    from huggingface_hub import model_info, try_to_load_from_cache

    weights = ("model.safetensors", "model.safetensors.index.json")
    if Path(name).is_dir() or any(isinstance(try_to_load_from_cache(name, file), str) for file in weights):
        return True
    model_info(name, timeout=HUB_ANSWERS_S)
    return False


def activation_of(config: Any) -> Activation:
    """How the scores come from the logits, as in transformers' own TextClassificationPipeline."""
    if config.problem_type == "regression":
        return "none"
    if config.problem_type == "multi_label_classification" or config.num_labels == 1:
        return "sigmoid"
    return "softmax"


def activate(logits: NDArray[np.float32], activation: Activation) -> NDArray[np.float32]:
    """Scores from logits, shape (texts, labels)."""
    if activation == "none":
        return logits
    if activation == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -80, 80))), np.float32)
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), np.float32)


def one_line(error: Exception) -> str:
    """The first line of what an error says, without colours."""
    said = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    return " ".join(said.strip().partition("\n")[0].split()) or type(error).__name__


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Transformers shows bars while it loads, in the midst of whatever else is shown."""
    from transformers.utils import logging

    bars: Any = logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


def _key(name: str, config: Any) -> str:
    folder = Path(name)
    if not folder.is_dir():
        return f"transformers-{name.replace('/', '--')}-{config._commit_hash}"
    content = sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json"), *folder.glob("*.txt"), *folder.glob("*.model")]):
        content.update(path.name.encode())
        with path.open("rb") as file:
            while block := file.read(1 << 24):
                content.update(block)
    return f"transformers-{folder.resolve().name}-{content.hexdigest()[:16]}"
