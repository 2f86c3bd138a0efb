"""What a judging came to: the verdicts counted by contestant, by pair and by place."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np

from train.evaluation.judging.judge_prompt import Verdict
from train.evaluation.judging.ratings import CONFIDENCE, RESAMPLES, Estimate, elo, win_rate
from train.evaluation.noted import note

Outcome = Literal["first", "second", "tie", "unreadable"]
"""Which contestant of a pair won a question; unreadable where one of the two verdicts could not be read."""

_LONGEST_WORDS = 4_000
"""Characters of a judge's reply that examples keep."""


@dataclass(frozen=True)
class Meeting:
    """Two contestants' answers to one question, and what the judge replied: with the first's shown first, then with the second's.

    `asked` is False where both answers are the same, which is a tie without a judge.
    """

    question: int
    pair: tuple[int, int]
    words: tuple[str, str]
    verdicts: tuple[Verdict | None, Verdict | None]
    asked: bool = True

    @property
    def outcome(self) -> Outcome:
        """Who won: whoever is better in both orders. A verdict that changes with the order is a tie (Zheng et al. 2023, section 3.4)."""
        shown_first, shown_second = self.verdicts
        if shown_first is None or shown_second is None:
            return "unreadable"
        if (shown_first, shown_second) == ("a", "b"):
            return "first"
        return "second" if (shown_first, shown_second) == ("b", "a") else "tie"

    @property
    def changed(self) -> bool:
        """Whether the judge preferred another contestant, or a tie, once the answers changed places."""
        shown_first, shown_second = self.verdicts
        back = {"a": "b", "b": "a", "tie": "tie", None: None}[shown_second]
        return None not in self.verdicts and shown_first != back


@dataclass(frozen=True)
class Tally:
    """How many questions were won, tied, lost and not judged readably, and the share that was won, ties as half."""

    wins: int
    ties: int
    losses: int
    unreadable: int
    win_rate: Estimate | None


@dataclass(frozen=True)
class Standing:
    """A contestant over all of its pairs; `elo` is None where no verdict on it could be read."""

    name: str
    kind: str
    elo: Estimate | None
    tally: Tally


@dataclass(frozen=True)
class Pair:
    """Two contestants, told from the first one's side; `changed` counts verdicts that changed with the order, and so became ties."""

    first: str
    second: str
    tally: Tally
    changed: int


@dataclass(frozen=True)
class Position:
    """Single verdicts by the place of the answer that they prefer: a judge without bias prefers each place as often as the other."""

    first: int
    second: int
    tie: int
    unreadable: int

    @property
    def first_share(self) -> float | None:
        """Share of the first place among verdicts that prefer one; None where there are none."""
        return self.first / (self.first + self.second) if self.first + self.second else None


@dataclass(frozen=True)
class Example:
    """A question with two contestants' answers and the judge's replies in both orders."""

    question: str
    category: str
    names: tuple[str, str]
    answers: tuple[str, str]
    outcome: Outcome
    verdicts: tuple[Verdict | None, Verdict | None]
    words: tuple[str, str]


@dataclass(frozen=True)
class JudgingResult:
    """A judging: `judge` is its model, `prompt` the name of what it was asked, `asks` what that asks for."""

    judge: str
    prompt: str
    asks: str
    questions: int
    standings: tuple[Standing, ...]
    pairs: tuple[Pair, ...]
    position: Position
    examples: tuple[Example, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = asdict(self)
        plain["position"]["first_share"] = self.position.first_share
        return json.loads(json.dumps(plain | {"confidence": CONFIDENCE, "resamples": RESAMPLES}))  # type: ignore[no-any-return]


def summed_up(meetings: Sequence[Meeting], names: Sequence[tuple[str, str]], questions: int, seed: int = 0) -> dict[str, Any]:
    """The standings (best first), pairs and position of a `JudgingResult` from a full round.

    Args:
        names: name and kind of each contestant, by their numbers.
    """
    pairs = list(combinations(range(len(names)), 2))
    outcomes = np.full((questions, len(pairs)), np.nan)
    for meeting in meetings:
        value = {"first": 1.0, "tie": 0.5, "second": 0.0, "unreadable": np.nan}[meeting.outcome]
        outcomes[meeting.question, pairs.index(meeting.pair)] = value
    ratings = elo(outcomes, pairs, len(names), seed=seed)
    standings = []
    for number, (name, kind) in enumerate(names):
        own = [1 - outcomes[:, place] if pair[1] == number else outcomes[:, place] for place, pair in enumerate(pairs) if number in pair]
        tally = _tally(np.column_stack(own), seed)
        standings.append(Standing(name, kind, ratings[number] if tally.win_rate else None, tally))
    standings.sort(key=lambda one: one.elo.value if one.elo else float("-inf"), reverse=True)
    counted = []
    for place, pair in enumerate(pairs):
        changed = sum(meeting.changed for meeting in meetings if meeting.pair == pair)
        counted.append(Pair(names[pair[0]][0], names[pair[1]][0], _tally(outcomes[:, [place]], seed), changed))
    return {"standings": tuple(standings), "pairs": tuple(counted), "position": _position(meetings)}


def note_judging(folder: Path, result: dict[str, Any]) -> None:
    """Writes a judging into an adapter's `eval.json` under `judged`, beside whatever else stands there; the file stays whole.

    The examples are left out: a folder that is passed on holds no member's words.
    """
    note(folder, "judged", {name: value for name, value in result.items() if name != "examples"})


def example(meeting: Meeting, question: str, category: str, names: tuple[str, str], answers: tuple[str, str]) -> Example:
    """A meeting with its texts."""
    words = (meeting.words[0][:_LONGEST_WORDS], meeting.words[1][:_LONGEST_WORDS])
    return Example(question, category, names, answers, meeting.outcome, meeting.verdicts, words)


def _tally(outcomes: np.ndarray[Any, np.dtype[np.float64]], seed: int) -> Tally:
    wins, ties, losses = (int((outcomes == value).sum()) for value in (1.0, 0.5, 0.0))
    return Tally(wins, ties, losses, int(np.isnan(outcomes).sum()), win_rate(outcomes, seed=seed))


def _position(meetings: Sequence[Meeting]) -> Position:
    given = Counter(verdict for meeting in meetings if meeting.asked for verdict in meeting.verdicts)
    return Position(given["a"], given["b"], given["tie"], given[None])
