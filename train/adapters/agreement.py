"""Whether the parts of a finished adapter agree on where a reply stops: generating is told by its own file, not by what was trained."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from formats.contract.report import Point, StopSpec, problems_of, stop_spec
from formats.errors import UserError
from formats.templates.template import Template
from train.adapters.folder import read_adapter

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

GENERATION = "generation_config.json"
_AGAIN = "train it again, or restore the adapter's folder as `lorum train` wrote it"


@dataclass(frozen=True)
class AgreementReport:
    """What an adapter's stop.json says, and whether the other files say the same."""

    stop: StopSpec
    points: tuple[Point, ...]

    @property
    def holds(self) -> bool:
        """Whether no point fails."""
        return not self.problems

    @property
    def problems(self) -> tuple[str, ...]:
        """A line for each point that fails."""
        return problems_of(self.points)


def check_adapter(folder: Path) -> AgreementReport:
    """Compares an adapter's stop.json with its template, its tokenizer and its generation_config.json.

    Raises:
        UserError: the folder holds no adapter of ours, or a file of it is missing or damaged.
    """
    adapter = read_adapter(folder)
    tokenizer = _tokenizer(folder)
    ends = _ends(folder)
    stop, derived = adapter.stop, stop_spec(adapter.template, tokenizer)
    shown = f"{stop.token} ({stop.token_id})"
    points = (
        _texts(stop, adapter.template),
        _point(
            "the tokenizer has its token",
            tokenizer.convert_ids_to_tokens(stop.token_id) == stop.token and derived.token_id == stop.token_id,
            f"stop.json, template and tokenizer name the same end token, {shown}",
            f"stop.json ends replies with {shown}, its template and tokenizer with {derived.token} ({derived.token_id})",
            _AGAIN,
        ),
        _point(
            "generating ends at it",
            stop.token_id in ends,
            f"{GENERATION} ends at {shown}",
            f"{GENERATION} ends at {_named(ends, tokenizer)}, not at {shown} that the adapter learned: generate() runs past every stop",
            f'set "eos_token_id" to [{stop.token_id}] there',
        ),
        _early(ends, stop, tokenizer),
        _point(
            "the stop was learned",
            None if stop.trained_share is None else stop.trained_share == 1.0,
            "the stop carried loss in every sample of the training",
            "not judged: stop.json does not say"
            if stop.trained_share is None
            else f"the stop carried loss in {stop.trained_share:.1%} only",
            "check the samples with `lorum check`, and train again",
        ),
    )
    return AgreementReport(stop, points)


def _texts(stop: StopSpec, template: Template) -> Point:
    ours, theirs = (stop.strings, stop.reply_opens_with), ((template.stop,), template.reply_opening())
    return _point(
        "the template has its texts",
        ours == theirs,
        "stop.json and template.toml have the same stop and opening of a reply",
        f"stop.json has the stop {ours[0]!r} and the opening {ours[1]!r}, template.toml {theirs[0]!r} and {theirs[1]!r}",
        _AGAIN,
    )


def _early(ends: list[int], stop: StopSpec, tokenizer: "PreTrainedTokenizerBase") -> Point:
    """Other tokens at which generating ends must be end tokens too, not words that stand in replies."""
    known = {*tokenizer.all_special_ids, stop.token_id}
    words = [token for token in ends if token not in known]
    return _point(
        "generating ends at nothing else",
        not words,
        "generating ends at no token that stands in replies",
        f"{GENERATION} ends at {_named(words, tokenizer)} too, which stand in replies: these are cut there",
        f'set "eos_token_id" to [{stop.token_id}] there',
    )


def _point(name: str, holds: bool | None, good: str, bad: str, mend: str) -> Point:
    if holds:
        return Point(name, True, 1, 1, good)
    return Point(name, holds, 0, 0 if holds is None else 1, bad, None, None if holds is None else mend)


def _named(ids: list[int], tokenizer: "PreTrainedTokenizerBase") -> str:
    return ", ".join(f"{tokenizer.convert_ids_to_tokens(token)} ({token})" for token in ids) or "no token"


def _ends(folder: Path) -> list[int]:
    path = folder / GENERATION
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
        return [] if found is None else [int(token) for token in (found if isinstance(found, list) else [found])]
    except FileNotFoundError:
        raise UserError(f"{path}: missing; without it generating ends where the base model's own says: {_AGAIN}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: damaged ({' '.join(str(error).split())}); {_AGAIN}") from None


def _tokenizer(folder: Path) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: has no tokenizer that transformers can load ({' '.join(str(error).split())}); {_AGAIN}") from None
    return tokenizer
