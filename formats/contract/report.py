"""The stop contract: what must hold of every sample, token by token, before a training may start."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from formats.templates.template import Template
from formats.tokens.encoding import end_token_id

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class StopSpec:
    """Where a reply stops: the one specification that every consumer of an adapter is given.

    `token` is the token that ends a reply, `strings` what stands before it in the text, `reply_opens_with` the text after which a
    reply begins, `trained_share` the share of training samples whose stop carried loss, `termination_rate` what was measured.
    """

    token: str
    token_id: int
    strings: tuple[str, ...]
    reply_opens_with: str
    trained_share: float | None = None
    termination_rate: dict[str, float | int] | None = None

    def with_termination_rate(self, rate: dict[str, float | int] | None) -> "StopSpec":
        """The same specification with what an evaluation measured."""
        return replace(self, termination_rate=rate)

    def to_json(self) -> str:
        """The contents of `stop.json`."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "StopSpec":
        """Reads what `to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "strings": tuple(fields["strings"])})


def stop_spec(template: Template, tokenizer: "PreTrainedTokenizerBase", trained_share: float | None = None) -> StopSpec:
    """The stop of this template with this tokenizer."""
    end = end_token_id(template, tokenizer)
    token = str(tokenizer.convert_ids_to_tokens(end))
    return StopSpec(token, end, (template.stop,), template.reply_opening(), trained_share)


@dataclass(frozen=True)
class OutputRow:
    """Whether a base was ever trained to put out the stop's last token.

    `trained` is None where its weights are not at hand; `tied` says whether the output matrix is the embedding; `says` is the reason,
    as the part of a sentence. `exists` says whether there is a row at all, `to_train` whether the coming training trains it too.
    """

    trained: bool | None
    tied: bool
    says: str
    exists: bool = True
    to_train: bool = False


@dataclass(frozen=True)
class Point:
    """One point of the contract.

    Args:
        name: a short name, the same for every report.
        holds: None where it cannot be judged; `says` has the reason.
        count: rows of which it holds.
        of: rows that were asked.
        says: the point in a sentence, with what was found.
        counterexample: the id of a row that breaks it and what stands there; characters that cannot be seen are shown.
        mend: what to do.
    """

    name: str
    holds: bool | None
    count: int
    of: int
    says: str
    counterexample: str | None = None
    mend: str | None = None


@dataclass(frozen=True)
class ContractReport:
    """What the check found over all rows.

    `too_long` rows exceed the limit of tokens: the trainer leaves them out, or cuts them (the point `no reply is cut` says which).
    `stop_token_ids` are the tokens that the stop is in most rows, the end token last; empty without a stop. `longest` is in tokens,
    before anything was cut. `trainer` is whose reading of the rows was checked.
    """

    rows: int
    too_long: int
    stop: StopSpec
    stop_token_ids: tuple[int, ...]
    longest: int
    points: tuple[Point, ...]
    trainer: str = "lorum"

    @property
    def holds(self) -> bool:
        """Whether a training may start: no point fails."""
        return not self.problems

    @property
    def problems(self) -> tuple[str, ...]:
        """A line for each point that fails."""
        return problems_of(self.points)


def problems_of(points: Iterable[Point]) -> tuple[str, ...]:
    """Each point that fails in one line: what was found, an example, and what to do."""
    return tuple(_problem(point) for point in points if point.holds is False)


def _problem(point: Point) -> str:
    example = f" (for example {point.counterexample})" if point.counterexample else ""
    return f"{point.says}{example}{f': {point.mend}' if point.mend else ''}"
