"""In which language a post is written: the rule, and the detector behind it."""

import importlib.metadata
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from filters.numbers import Number
from filters.rule import BOTH, NOBODY, Judges, RuleError, TextRule
from filters.scorers.scorer import Scorer

CODES = (
    "af", "am", "an", "ar", "as", "az", "ba", "be", "bg", "bn", "br", "bs", "ca", "cs", "cy", "da", "de", "dz", "el", "en", "eo", "es",
    "et", "eu", "fa", "fi", "fo", "fr", "fy", "ga", "gd", "gl", "gu", "ha", "he", "hi", "hr", "ht", "hu", "hy", "id", "ig", "is", "it",
    "ja", "jv", "ka", "kk", "km", "kn", "ko", "ku", "ky", "la", "lb", "lg", "ln", "lo", "lt", "lv", "mg", "mk", "ml", "mn", "mr", "ms",
    "mt", "my", "ne", "nl", "nn", "no", "oc", "om", "or", "pa", "pl", "ps", "pt", "qu", "ro", "ru", "rw", "sa", "se", "si", "sk", "sl",
    "sn", "so", "sq", "sr", "st", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl", "tr", "tt", "ug", "uk", "ur", "uz", "vi", "vo", "wa",
    "xh", "yo", "zh", "zu",
)  # fmt: skip
"""The languages that are told apart, by their codes of ISO 639-1."""

WORDLESS = "zxx"
"""ISO 639's code for what is no language: code, drawings, laughter."""

LEAST_LETTERS = 20
"""A text of no more letters, or signs of a script without letters, is too short to tell."""

ENOUGH = 200
"""Characters of a text that are looked at."""

_NO_LANGUAGE = re.compile(r"https?://\S+|www\.\S+|(?<!\w)/?[ru]/\w+|@\w+", re.IGNORECASE)
_NO_LETTER = re.compile(r"[\W\d_]+")


@dataclass(frozen=True)
class Language(TextRule):
    """Keep posts in the named `languages` (codes of ISO 639-1: `["en"]`); with none named, all are kept.

    Short posts of no more than 20 letters, links and names not counted, go with their thread: they are kept where at least half of its
    longer posts are in one of the languages. A longer post that is not told with a `confidence` of 0.6 is kept. Turns before a reply are
    judged too: an answer to what is said in another language makes no sense in this one. Where forums mix close relatives (`id` and
    `ms`, `no` and `nn`, `hr`, `bs` and `sr`), name them together.
    """

    languages: tuple[str, ...] = ()
    confidence: Number = 0.6
    judges: ClassVar[Judges] = BOTH

    def __post_init__(self) -> None:
        for code in self.languages:
            if code not in CODES:
                raise RuleError(f"language: unknown language {code!r} in languages; known codes of ISO 639-1: {', '.join(CODES)}")
        if not 0 <= self.confidence <= 1:
            raise RuleError(f"language: confidence is {self.confidence}; expected 0 to 1")

    def judging(self) -> Judges:
        return self.judges if self.languages else NOBODY

    def keeps(self) -> pl.Expr:
        """Over the struct column `language` with the fields of the scorer's schema."""
        code, sure = pl.col("language").struct.field("code"), pl.col("language").struct.field("confidence") >= self.confidence
        told = pl.when(sure & (code != WORDLESS)).then(code.is_in(self.languages))
        return pl.when(code.is_null()).then(told.mean().over("thread_id") >= 0.5).otherwise(told).fill_null(True)

    def load(self, cache: Path | None = None) -> Scorer:
        """Loads the detector, within a second.

        Raises:
            RuleError: the detector is not installed.
        """
        return LanguageScorer()


class LanguageScorer:
    """py3langid: naive Bayes on character n-grams (Lui and Baldwin 2012, langid.py), its weights in the package."""

    schema: ClassVar[dict[str, pl.DataType | type[pl.DataType]]] = {"code": pl.String, "confidence": pl.Float32}

    def __init__(self) -> None:
        try:
            self.key = f"py3langid-{importlib.metadata.version('py3langid')}"
            from py3langid.langid import MODEL_FILE, LanguageIdentifier
        except ImportError as error:
            raise RuleError(f"language: the detector needs the package py3langid ({error}); pip install it") from None
        self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        self._identifier.set_languages([*CODES, WORDLESS])

    def score(self, texts: Sequence[str]) -> pl.DataFrame:
        """See `Scorer`: `code`, null for a text too short to tell, and `confidence`, 0 for such a text."""
        return pl.DataFrame([self._told(text) for text in texts], schema=self.schema, orient="row")

    def _told(self, text: str) -> tuple[str | None, float]:
        words = _NO_LANGUAGE.sub(" ", text)[:ENOUGH]
        if len(_NO_LETTER.sub("", words)) <= LEAST_LETTERS:
            return None, 0.0
        code, confidence = self._identifier.classify(words)
        return code, confidence
