"""How answers ended: whether a model stops, and where it does not, whether it goes round in circles."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from train.answers.reply import Reply
from train.evaluation.intervals import Estimate, share

LOOP_TOKENS, LOOP_TIMES = 4, 3


@dataclass(frozen=True)
class Termination:
    """How the answers ended within `max_new_tokens`.

    Args:
        stopped: ended by themselves, in one way or the other: by the template's stop, or by another end token.
        by_stop: of those, by the template's whole stop.
        by_other_end: of those, by an end token without the stop's text, or by another end token of the tokenizer.
        looped: of those that did not end, those in which some run of four tokens stands three times or more: a loop, not a stop never
            learned.
        mean_tokens: length of the answers that stopped, their stop included; None where none did.
        empty: answers without any text.
    """

    prompts: int
    stopped: int
    by_stop: int
    by_other_end: int
    looped: int
    max_new_tokens: int
    mean_tokens: float | None
    empty: int

    @property
    def rate(self) -> float:
        """Share of the answers that stopped."""
        return self.stopped / self.prompts if self.prompts else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The counts, and the shares of all answers with their intervals (Wilson)."""
        limit = self.prompts - self.stopped
        counts = {
            "stopped": self.stopped,
            "by_stop": self.by_stop,
            "by_other_end": self.by_other_end,
            "by_limit": limit,
            "looped": self.looped,
            "empty": self.empty,
        }
        shares: dict[str, Estimate] = {name: share(count, self.prompts) for name, count in counts.items()}
        return {
            "prompts": self.prompts,
            "max_new_tokens": self.max_new_tokens,
            "rate": self.rate,
            "mean_tokens": self.mean_tokens,
            "counts": counts,
            "shares": shares,
        }


def termination(replies: Sequence[Reply], max_new_tokens: int) -> Termination:
    """Counts how the answers ended."""
    ways = Counter(reply.ending for reply in replies)
    stopped = [reply for reply in replies if reply.ending != "length"]
    return Termination(
        prompts=len(replies),
        stopped=len(stopped),
        by_stop=ways["stop"],
        by_other_end=ways["other end"],
        looped=sum(loops(reply.token_ids) for reply in replies if reply.ending == "length"),
        max_new_tokens=max_new_tokens,
        mean_tokens=sum(len(reply.token_ids) for reply in stopped) / len(stopped) if stopped else None,
        empty=sum(not reply.text for reply in replies),
    )


def loops(token_ids: Sequence[int]) -> bool:
    """Whether some run of `LOOP_TOKENS` tokens stands at least `LOOP_TIMES` times."""
    runs = Counter(tuple(token_ids[start : start + LOOP_TOKENS]) for start in range(len(token_ids) - LOOP_TOKENS + 1))
    return max(runs.values(), default=0) >= LOOP_TIMES
