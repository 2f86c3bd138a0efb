"""Toxicity: the rule, and the models behind it."""

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import file_digest
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol

import numpy as np
import polars as pl

from filters.rule import TARGET, Judges, Rule, RuleError

DETOXIFY_MODELS = ("original", "unbiased", "multilingual", "original-small", "unbiased-small")
LABELS = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack", "sexual_explicit")
PADDED_TOKENS = 1024
"""Tokens of one batch on a CPU, padding included: measured best between 512 and 1,024 for texts of a forum's lengths."""


@dataclass(frozen=True)
class Toxicity(Rule):
    """Drop replies that a model scores above a threshold on any label; the defaults keep rude humour and drop hatred.

    `scorer` is `lite` (alt-profanity-check: small, knows the label toxicity alone), `detoxify:` with original, unbiased,
    multilingual, original-small or unbiased-small (downloads the model once), or `detoxify:` with the path of a checkpoint. Labels that
    a scorer does not know never drop anything. Only replies that still stand in a conversation are scored.
    """

    scorer: str = "lite"
    thresholds: Mapping[str, float] = field(
        default_factory=lambda: {"toxicity": 0.9, "severe_toxicity": 0.5, "threat": 0.5, "identity_attack": 0.5, "sexual_explicit": 0.5}
    )
    judges: ClassVar[Judges] = TARGET

    def __post_init__(self) -> None:
        if not self.thresholds:
            raise RuleError(
                "toxicity: thresholds is empty, so nothing would be dropped; name a label, or leave the rule out: toxicity = false"
            )
        for label, threshold in self.thresholds.items():
            if label not in LABELS:
                raise RuleError(f"toxicity: unknown label {label!r} in thresholds; known: {', '.join(LABELS)}")
            if not 0 <= threshold <= 1:
                raise RuleError(f"toxicity: the threshold of {label} is {threshold}; expected 0 to 1")
        _kind(self.scorer)

    def keeps(self) -> pl.Expr:
        """Over the score columns `toxicity.LABEL`; a null score (not scored, or not known to the scorer) passes."""
        return pl.all_horizontal(pl.col(f"toxicity.{label}").fill_null(0.0) <= threshold for label, threshold in self.thresholds.items())


class Scorer(Protocol):
    """A model that scores texts: `key` names the model and its version, `labels` what it knows."""

    @property
    def key(self) -> str: ...
    @property
    def labels(self) -> Sequence[str]: ...
    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Scores in [0, 1], float32, shape (texts, labels), in the order of the texts."""
        ...


def open_scorer(rule: Toxicity) -> Scorer:
    """Loads the scorer of a rule.

    Raises:
        RuleError: the model cannot be loaded, or knows none of the rule's labels, so that the rule would drop nothing.
    """
    kind, model = _kind(rule.scorer)
    scorer: Scorer = LiteScorer() if kind == "lite" else DetoxifyScorer(model)
    if not set(scorer.labels) & set(rule.thresholds):
        raise RuleError(
            f"toxicity: {rule.scorer} knows {', '.join(scorer.labels)} and none of the labels in thresholds, so it would drop nothing"
        )
    return scorer


class LiteScorer:
    """alt-profanity-check: a linear model on words, its weights in the package; 50 thousand texts a second and more."""

    labels = ("toxicity",)

    def __init__(self) -> None:
        try:
            self.key = f"lite-{importlib.metadata.version('alt-profanity-check')}"
            from profanity_check import predict_prob
        except ImportError as error:
            raise RuleError(f"toxicity: the scorer lite needs the package alt-profanity-check ({error}); pip install it") from None
        self._predict = predict_prob

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """See `Scorer`."""
        if not len(texts):
            return np.zeros((0, 1), np.float32)
        return np.asarray(self._predict(list(texts)), np.float32).reshape(-1, 1)


class DetoxifyScorer:
    """A model of Detoxify, by its name or from a checkpoint file, fed in batches of similar length.

    A checkpoint is a pickle, which can run code when it is opened: load none that you did not make or choose.
    """

    def __init__(self, model: str) -> None:
        try:
            from detoxify import Detoxify
        except ImportError as error:
            raise RuleError(f"toxicity: the scorer detoxify needs the package detoxify ({error}); pip install it") from None
        try:
            if model in DETOXIFY_MODELS:
                self.key = f"detoxify-{model}-{importlib.metadata.version('detoxify')}"
                self._model = Detoxify(model)
            else:
                path = Path(model)
                with path.open("rb") as file:
                    self.key = f"detoxify-{path.stem}-{file_digest(file, 'sha256').hexdigest()[:16]}"
                if (path.parent / "config.json").is_file():
                    self._model = Detoxify(checkpoint=_at_home(path), huggingface_config_path=str(path.parent))
                else:
                    self._model = Detoxify(checkpoint=str(path))
            _limit_length(self._model)
        except Exception as error:  # Detoxify, torch.hub and transformers raise a dozen kinds for a model that is not there
            hint = (
                "needs its download once, or a checkpoint: detoxify:/path/to/model.ckpt"
                if model in DETOXIFY_MODELS
                else "is no Detoxify checkpoint, or its base model's config.json and tokenizer are not beside it"
            )
            reason = " ".join(str(error).strip().partition("\n")[0].split()) or type(error).__name__
            raise RuleError(f"toxicity: cannot load detoxify:{model} ({reason}); it {hint}; or use the scorer lite") from error
        self.labels = tuple(self._model.class_names)

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """See `Scorer`."""
        scores = np.zeros((len(texts), len(self.labels)), np.float32)
        lengths = [len(ids) for ids in self._model.tokenizer(list(texts), truncation=True)["input_ids"]] if len(texts) else []
        for batch in batches_by_length(lengths, PADDED_TOKENS):
            found = self._model.predict([texts[index] for index in batch])
            scores[batch] = np.stack([np.atleast_1d(found[label]) for label in self.labels], axis=1)
        return scores


def _at_home(checkpoint: Path) -> BinaryIO:
    """The checkpoint with its own folder in place of its base model's name, which Detoxify would look up on the Hub (20 s offline)."""
    import torch

    loaded = torch.load(checkpoint, map_location="cpu", weights_only=False)
    if "config" in loaded:
        loaded["config"]["arch"]["args"]["model_type"] = str(checkpoint.parent)
    changed = BytesIO()
    torch.save(loaded, changed)
    changed.seek(0)
    return changed


def _limit_length(model: Any) -> None:
    """Cuts texts where the model's positions end: a tokenizer without its settings knows no limit, and a long text would then crash."""
    positions = model.model.config.max_position_embeddings
    if model.tokenizer.model_max_length > positions:
        model.tokenizer.model_max_length = positions - 2  # RoBERTa keeps two positions for itself


def batches_by_length(lengths: Sequence[int], budget: int) -> Iterable[list[int]]:
    """Indices in batches of similar length whose padded size stays within `budget` tokens (a longer text is alone)."""
    batch: list[int] = []
    for index in np.argsort(np.asarray(lengths, np.int64), kind="stable").tolist():
        if batch and (len(batch) + 1) * lengths[index] > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _kind(name: str) -> tuple[str, str]:
    kind, _, model = name.partition(":")
    if kind == "lite" and not model:
        return kind, model
    if kind == "detoxify" and (model in DETOXIFY_MODELS or Path(model).is_file()):
        return kind, model
    raise RuleError(
        f"toxicity: unknown scorer {name!r}; known: lite, detoxify:MODEL with {', '.join(DETOXIFY_MODELS)}, "
        "or detoxify:FILE with an existing checkpoint"
    )
