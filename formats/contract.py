"""The stop contract: what must hold of every sample, token by token, before a training may start."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from formats.render import pieces
from formats.template import Template
from formats.tokens import NO_LOSS, Encoded, encode_prompt, encode_samples, end_token_id, stop_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class StopSpec:
    """Where a reply stops: the one specification that every consumer of an adapter is given.

    `token` is the base model's end token, `strings` what stands before it in the text, `reply_opens_with` the text after which a
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
    end = end_token_id(tokenizer)
    token = str(tokenizer.convert_ids_to_tokens(end))
    return StopSpec(token, end, (template.stop,), template.reply_opening(), trained_share)


@dataclass(frozen=True)
class ContractReport:
    """What the check found over all rows.

    `problems` says, a line each, what breaks the contract (with the ids of the first rows); empty means that it holds.
    `too_long` rows exceed the limit and are left out of the training, never cut. `stable_in_text` is the share of rows in which a
    tokenizer that reads the whole text finds the same stop: below 1, trainers that take `text` learn several stops.
    """

    rows: int
    too_long: int
    with_stop_in_loss: int
    stop: StopSpec
    stop_token_ids: tuple[int, ...]
    stable_in_text: float
    end_token_is_pad: bool
    longest: int
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether a training may start."""
        return not self.problems


def check_samples(
    ids: Sequence[str],
    prompts: Sequence[str],
    completions: Sequence[str],
    template: Template,
    tokenizer: "PreTrainedTokenizerBase",
    max_tokens: int,
) -> ContractReport:
    """Checks the stop contract on every row, as the trainer will encode it.

    A row within `max_tokens` must end with the textual stop and the end token, both with loss; hold no special token but the tokenizer's
    own opening, those that the template's boundaries are, and that end token; and open a reply. Longer rows are counted, not judged.
    """
    encoded = encode_samples(template, prompts, completions, tokenizer)
    stop = stop_ids(template, tokenizer)
    special = set(tokenizer.all_special_ids)
    opening = encode_prompt(template, "", tokenizer)

    @cache
    def specials_of(boundary: str) -> int:
        return sum(token in special for token in tokenizer(boundary, add_special_tokens=False)["input_ids"])

    broken: dict[str, list[str]] = {}
    too_long = in_loss = 0
    for row_id, prompt, completion, row in zip(ids, prompts, completions, encoded, strict=True):
        if len(row.input_ids) > max_tokens:
            too_long += 1
            continue
        reasons = _broken(row, prompt, completion, template, stop)
        ours = sum(specials_of(piece) for is_boundary, piece in pieces(prompt, template) if is_boundary)
        if sum(token in special for token in row.input_ids) > ours + sum(token in special for token in [*opening, *stop]):
            reasons.append("a special token stands inside the row")
        in_loss += row.labels[-len(stop) :] == stop
        for reason in reasons:
            broken.setdefault(reason, []).append(row_id)
    problems = [f"{reason}: {len(rows)} of {len(encoded)} rows, first {', '.join(rows[:3])}" for reason, rows in broken.items()]
    if not encoded:
        problems.append("there are no rows to check")
    elif too_long == len(encoded):
        problems.append(f"every one of the {len(encoded)} rows is longer than {max_tokens} tokens; raise max_tokens or shorten the context")
    return ContractReport(
        rows=len(encoded),
        too_long=too_long,
        with_stop_in_loss=in_loss,
        stop=stop_spec(template, tokenizer, in_loss / max(1, len(encoded) - too_long)),
        stop_token_ids=tuple(stop),
        stable_in_text=_stable_in_text(completions, template, tokenizer),
        end_token_is_pad=tokenizer.pad_token_id == tokenizer.eos_token_id,
        longest=max((len(row.input_ids) for row in encoded), default=0),
        problems=tuple(problems),
    )


def _broken(row: Encoded, prompt: str, completion: str, template: Template, stop: list[int]) -> list[str]:
    reasons = []
    if row.input_ids[-len(stop) :] != stop:
        reasons.append(f"the row does not end with the stop {template.stop!r} and the end token")
    elif any(label == NO_LOSS for label in row.labels[-len(stop) :]):
        reasons.append("the stop carries no loss")
    if not completion.removesuffix(template.stop).strip():
        reasons.append("the reply is empty")
    if not prompt.endswith(template.reply_opening()):
        reasons.append(f"the prompt does not end with {template.reply_opening()!r}")
    if any(is_boundary for is_boundary, _ in pieces(completion.removesuffix(template.stop), template)):
        reasons.append("the reply contains a boundary")
    return reasons


def _stable_in_text(completions: Sequence[str], template: Template, tokenizer: "PreTrainedTokenizerBase") -> float:
    """The share of completions whose end, read as one text, is the same tokens as the stop alone."""
    if not completions:
        return 1.0
    stop = stop_ids(template, tokenizer)[:-1]
    batch = tokenizer(list(completions), add_special_tokens=False)["input_ids"]
    return sum(list(ids[-len(stop) :]) == stop for ids in batch) / len(batch)
