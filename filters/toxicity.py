"""The rule toxicity; the models behind it are in `filters.scorers`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from filters.rule import BOTH, CONTEXT, NOBODY, TARGET, Judges, RuleError, TextRule
from filters.scorers.classifier import Classifier, load_classifier
from filters.scorers.detoxify import DETOXIFY_MODELS, load_detoxify
from filters.scorers.lite import LiteScorer
from filters.scorers.onnx_model import OnnxModel, Runtime
from filters.scorers.sampling import SamplingScorer
from filters.scorers.scorer import LABELS, Scorer, known_of
from filters.scorers.torch_model import Precision, TorchModel, device_of, precision_of
from filters.scorers.transformer import Lazy, TransformerScorer

DEFAULTS = {"toxicity": 0.9, "severe_toxicity": 0.5, "threat": 0.5, "identity_attack": 0.5, "sexual_explicit": 0.5}
"""The thresholds that keep rude humour and drop hatred, for models with the labels of the Jigsaw data."""

LITE_DEFAULTS = {"toxicity": 0.8}
"""The same for `lite`. Of 25 abusive replies found among 51,500 it drops 9, and 272 others; at 0.5 it drops 14, and 863 others."""


@dataclass(frozen=True)
class Toxicity(TextRule):
    """Drop posts that a model scores above a threshold on any label; the defaults keep rude humour and drop hatred.

    `scorer` is `lite` (alt-profanity-check without plain swearing: small and fast, knows the label toxicity alone, and finds about a third
    of what is abusive: take a larger one where that matters); `detoxify:` with original, unbiased, multilingual, original-small or
    unbiased-small (downloads the model once), or with the path of a checkpoint; or `transformers:` with
    any text-classification model, by its name on the Hub or as a folder. `thresholds` are for replies to learn; unless
    named, they are toxicity 0.9, severe_toxicity, threat, identity_attack and sexual_explicit 0.5, and for `lite` toxicity 0.8; one of
    them is changed by `toxicity.threat = 0.4`. `context_thresholds` are for the turns before a reply, which are not judged unless you name
    a label there. The labels are toxicity, severe_toxicity, obscene, threat,
    insult, identity_attack and sexual_explicit, and with `transformers:` the model's own too; those that a scorer does not know never
    drop anything. Only posts that stand in a conversation are scored, each text once, and the scores are kept for other runs.

    `precision` is `float32`, `bfloat16`, or `auto`: bfloat16 where the processor or GPU has it, which is some three times as fast and
    changes few verdicts; the report says how many. `runtime` is `torch`, `onnx` (ONNX Runtime: twice as fast as torch in float32) or
    `onnx-int8` (faster still, and less exact), both on the processor alone. `device` is `auto` (a GPU where there is one), `cpu`, `cuda`
    or `mps`. With `cascade = true` a linear model, fitted to the first scores, lets clearly clean posts pass unscored, once it is shown
    that fewer than 1 % of the toxic ones pass with them; that takes hundreds of toxic posts, so it is for large forums.
    """

    scorer: str = "lite"
    thresholds: Mapping[str, float] | None = None
    context_thresholds: Mapping[str, float] = field(default_factory=dict)
    precision: Precision = "auto"
    runtime: Runtime = "torch"
    device: str = "auto"
    cascade: bool = False
    judges: ClassVar[Judges] = BOTH

    def __post_init__(self) -> None:
        kind = _kind(self.scorer)[0]
        if self.thresholds is None:
            object.__setattr__(self, "thresholds", _defaults(self.scorer))
        if not self.thresholds and not self.context_thresholds:
            raise RuleError(
                "toxicity: thresholds is empty, so nothing would be dropped; name a label, or leave the rule out: toxicity = false"
            )
        for setting in ("thresholds", "context_thresholds"):
            for label, threshold in getattr(self, setting).items():
                if label not in LABELS and kind != "transformers":
                    raise RuleError(f"toxicity: unknown label {label!r} in {setting}; known: {', '.join(LABELS)}")
                if not 0 <= threshold <= 1:
                    raise RuleError(f"toxicity: the threshold of {label} in {setting} is {threshold}; expected 0 to 1")
        if self.runtime != "torch" and self.precision == "bfloat16":
            raise RuleError(f"toxicity: precision is bfloat16 and runtime {self.runtime}, which has none; leave one of them out")
        if self.runtime != "torch" and self.device not in ("auto", "cpu"):
            raise RuleError(
                f"toxicity: device is {self.device} and runtime {self.runtime}, which is for the processor; leave one of them out"
            )
        if self.cascade and kind == "lite":
            raise RuleError(
                "toxicity: cascade saves nothing with the scorer lite, a linear model itself; leave it out, or take another scorer"
            )

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Rule`: a label that stands beside the settings changes its threshold and leaves the others."""
        labels = {name: value for name, value in written.items() if name in LABELS}
        thresholds = written.get("thresholds", _defaults(written.get("scorer", cls.scorer)))
        if not labels or not isinstance(thresholds, Mapping):
            return written
        return {**{name: value for name, value in written.items() if name not in labels}, "thresholds": {**thresholds, **labels}}

    def judging(self) -> Judges:
        """See `Rule`."""
        return (TARGET if self.thresholds else NOBODY) | (CONTEXT if self.context_thresholds else NOBODY)

    def keeps(self) -> pl.Expr:
        """Over the struct column `toxicity` of scores; a null score (not scored, or not known to the scorer) passes."""
        return _within(self.thresholds or {})

    def keeps_context(self) -> pl.Expr:
        """See `keeps`."""
        return _within(self.context_thresholds)

    def load(self, cache: Path | None = None) -> Scorer:
        """Loads the scorer, which is also a `Sampling`.

        Args:
            cache: the folder in which models that were converted for ONNX Runtime are kept; without it they are converted each time.

        Raises:
            RuleError: the model cannot be loaded, or does not know a label of the thresholds, or none, so that the rule would drop
                nothing.
        """
        kind, name = _kind(self.scorer)
        if kind == "lite":
            lite = LiteScorer()
            self._check(lite.labels)
            return SamplingScorer(lite, self._strictest(), exact=None, cascade=False)
        classifier = _classifier(kind, name)
        self._check(classifier.labels)
        key, device = classifier.key, device_of(self.device)
        if self.runtime == "torch":
            precision = precision_of(self.precision, device)
            scorer, is_exact = TransformerScorer(classifier, TorchModel(classifier.model, precision, device)), precision == "float32"
        else:
            scorer, is_exact = TransformerScorer(classifier, OnnxModel(classifier, self.runtime, cache)), self.runtime == "onnx"

        def in_float32() -> TransformerScorer:
            again = _classifier(kind, name)
            return TransformerScorer(again, TorchModel(again.model, "float32", device))

        exact = None if is_exact else Lazy(f"{key}-float32", classifier.labels, in_float32)
        return SamplingScorer(scorer, self._strictest(), exact, self.cascade)

    def _check(self, known: Sequence[str]) -> None:
        """That the thresholds name labels that a model can have, and one at least that it has."""
        asked = self._strictest()
        for label in asked:
            if label not in LABELS and label not in known:
                raise RuleError(f"toxicity: {self.scorer} does not know the label {label!r} in thresholds; it knows {', '.join(known)}")
        if not known_of(known) & set(asked):
            raise RuleError(
                f"toxicity: {self.scorer} knows {', '.join(known)} and none of the labels in thresholds, so it would drop nothing; name one"
            )

    def _strictest(self) -> dict[str, float]:
        """By label the threshold above which a post is dropped from anywhere."""
        target, context = self.thresholds or {}, self.context_thresholds
        return {label: min(target.get(label, 1.0), context.get(label, 1.0)) for label in {**target, **context}}


def _within(thresholds: Mapping[str, float]) -> pl.Expr:
    scores = pl.col("toxicity").struct
    return pl.all_horizontal(pl.lit(True), *(scores.field(label).fill_null(0.0) <= threshold for label, threshold in thresholds.items()))


def _defaults(scorer: object) -> dict[str, float]:
    return dict(LITE_DEFAULTS if scorer == "lite" else DEFAULTS)


def _classifier(kind: str, name: str) -> Classifier:
    return load_detoxify(name) if kind == "detoxify" else load_classifier(name)


def _kind(name: str) -> tuple[str, str]:
    kind, _, model = name.partition(":")
    if kind == "lite" and not model:
        return kind, model
    if kind == "detoxify" and (model in DETOXIFY_MODELS or Path(model).is_file()):
        return kind, model
    if kind == "transformers" and model.strip():
        return kind, model
    raise RuleError(
        f"toxicity: unknown scorer {name!r}; known: lite, detoxify:MODEL with {', '.join(DETOXIFY_MODELS)}, "
        "detoxify:FILE with an existing checkpoint, or transformers:MODEL with a name on the Hub or a folder"
    )
