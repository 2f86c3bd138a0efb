"""The points of the contract that tokens and their loss decide: the stop, what carries loss, and what is cut."""

from collections import Counter
from collections.abc import Callable, Sequence, Set
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from formats.contract.reading import NOT_KNOWN, Numbers, Read
from formats.contract.report import Point
from formats.contract.tally import Tally, TokenShower, not_judged, quoted
from formats.tokens.encoding import NO_LOSS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LAST = 6
"""Tokens shown of the end of a row."""

_CONTEXTS = 3
"""Contexts named in which the stop is another sequence of tokens."""

Sequence_ = tuple[int, ...]


class TokenPoints:
    """Judges rows as a trainer reads them, part by part.

    Args:
        ends: tokens at which generating can end.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", ends: Set[int]) -> None:
        self._pad = tokenizer.pad_token_id
        self._ends = np.array(sorted(ends), dtype=np.int64)
        self._show = TokenShower(tokenizer)
        self.ending, self.end, self.loss, self.after, self.prompt, self.whole = (Tally() for _ in range(6))
        self.masked = self.kept = self.cut_off = 0
        self.sequences: Counter[Sequence_] = Counter()
        self._contexts: dict[Sequence_, Counter[str]] = {}
        self._examples: dict[Sequence_, str] = {}

    def add(self, read: Read, ids: Sequence[str], before: Callable[[int], str]) -> None:
        """Judges the rows of a part.

        Args:
            ids: of all rows of the part.
            before: what was said before the stop of a row of the part.
        """
        first, last = read.starts[:-1], read.starts[1:]
        start, end = first + read.stops[:, 0], first + read.stops[:, 1]
        has_stop = end > start
        self.kept += len(first)

        def shown(row: int, count: int = _LAST) -> str:
            tokens, labels = read.row(row)
            dots = "… " if len(tokens) > count else ""
            return f"{ids[read.rows[row]]}: {dots}{self._show(tokens[-count:], labels[-count:])}"

        rows = np.arange(len(first))
        losses = np.concatenate([[0], np.cumsum(read.labels != NO_LOSS)])
        with_stop = np.flatnonzero(has_stop)
        self.ending.add(has_stop, rows, shown)
        self._count(read, ids, start, end, with_stop, before)
        stop_last = read.tokens[end[with_stop] - 1] if len(with_stop) else np.empty(0, np.int64)
        masked = (stop_last == self._pad) & (read.labels[end[with_stop] - 1] == NO_LOSS)
        self.masked += int(masked.sum())
        self.end.add(np.isin(stop_last, self._ends) & ~masked, with_stop, shown)
        self.loss.add(has_stop & (losses[end] - losses[start] == end - start), rows, shown)
        self.cut_off += int((~has_stop & read.cut).sum())
        self.after.add((losses[last] - losses[end] == 0)[with_stop], with_stop, shown)
        known = np.flatnonzero(read.replies != NOT_KNOWN)
        learned = losses[np.minimum(first + read.replies, last)] - losses[first]
        self.prompt.add((learned == 0)[known], known, lambda row: self._learned_of_prompt(read, row, ids))
        self.whole.add(~read.cut, rows, lambda row: f"{shown(row)} is the end of {read.lengths[read.rows[row]]:,} tokens")

    def _learned_of_prompt(self, read: Read, row: int, ids: Sequence[str]) -> str:
        tokens, labels = read.row(row)
        at = int(np.argmax(labels != NO_LOSS))
        part = slice(max(0, at - 1), at + _LAST - 1)
        return f"{ids[read.rows[row]]}: {self._show(tokens[part], labels[part])} …"

    def _count(
        self, read: Read, ids: Sequence[str], start: Numbers, end: Numbers, rows: NDArray[np.intp], before: Callable[[int], str]
    ) -> None:
        """Counts the sequences of tokens that the stop is; rows with the usual one together, as these are nearly all."""
        if not len(rows):
            return
        first = [tuple(read.tokens[start[row] : end[row]].tolist()) for row in rows] if not self.sequences else []
        (usual, _), *_ = (self.sequences or Counter(first)).most_common(1)
        reach = np.minimum(start[rows, None] + np.arange(len(usual)), len(read.tokens) - 1)
        same = (end[rows] - start[rows] == len(usual)) & (read.tokens[reach] == np.array(usual)).all(axis=1)
        self.sequences[usual] += int(same.sum())
        for row in rows[~same]:
            sequence = tuple(read.tokens[start[row] : end[row]].tolist())
            self.sequences[sequence] += 1
            number = int(read.rows[row])
            self._contexts.setdefault(sequence, Counter())[before(number)[-1:]] += 1
            self._examples.setdefault(sequence, f"{ids[number]}: {self._show(sequence)}")

    @property
    def stop(self) -> Sequence_:
        """The tokens that the stop is in most rows; empty without one."""
        return self.sequences.most_common(1)[0][0] if self.sequences else ()

    def in_loss(self) -> int:
        """Rows whose whole stop carries loss."""
        return self.loss.count

    def points(self, stop: str, trainer: str, too_long: int, max_tokens: int) -> list[Point]:
        """The points, in the order of the contract."""
        return [
            self.ending.point(
                "ends with its stop",
                f"every row ends with the stop {quoted(stop)}",
                f"do not end with the stop {quoted(stop)}"
                if stop
                else "end with no stop: they share no ending, and no end token is appended",
                _CUT if self.ending.bad == self.cut_off else _APPEND[trainer],
            ),
            self._one_sequence(trainer),
            self._end_token(trainer),
            *self._losses(trainer),
            self._whole(trainer, too_long, max_tokens),
        ]

    def _one_sequence(self, trainer: str) -> Point:
        name, of = "one sequence of tokens", self.sequences.total()
        if not of:
            return not_judged(name, "no row has a stop")
        (usual, count), *others = self.sequences.most_common()
        if not others:
            return Point(name, True, count, of, f"the stop is the same tokens in every context: {self._show(usual)}")
        named = [f"{self._show(sequence)} in {rows:,} rows{self._after(sequence)}" for sequence, rows in others[:_CONTEXTS]] + (
            [f"and {len(others) - _CONTEXTS} more sequences"] if len(others) > _CONTEXTS else []
        )
        says = f"the stop is {self._show(usual)} in {count:,} of {of:,} rows, but {'; '.join(named)}"
        return Point(name, False, count, of, says, self._examples.get(others[0][0]), _MERGED[trainer])

    def _after(self, sequence: Sequence_) -> str:
        contexts = self._contexts.get(sequence, Counter())
        named = [f"{quoted(character)} ({rows:,})" for character, rows in contexts.most_common(_CONTEXTS) if character]
        return f" (after {', '.join(named)}{' and others' if len(contexts) > _CONTEXTS else ''})" if named else ""

    def _end_token(self, trainer: str) -> Point:
        name = "ends in an end token"
        if not self.end.of:
            return not_judged(name, "no row has a stop")
        last = self.stop[-1]
        token = f"{self._show([last])} ({last})"
        is_pad = ", which is the pad token too, but is not masked" if last == self._pad else ""
        if self.masked:
            return self.end.point(name, "", f"end in {token}, which is the pad token and masked as one", _PAD)
        return self.end.point(
            name,
            f"the stop ends in one end token, {token}{is_pad}",
            f"end in {token}: an ordinary token, at which generating does not end",
            _APPEND[trainer],
        )

    def _losses(self, trainer: str) -> list[Point]:
        name, prompt = "the stop carries loss", "the prompt carries none"
        mend_prompt = _PROMPT[trainer]
        return [
            self.loss.point(
                name, f"the whole stop carries loss in all {self.loss.of:,} rows", "have no stop that carries loss from end to end", _LOSS
            ),
            self.after.point(
                "nothing after it carries loss",
                "nothing after the stop carries loss",
                "go on with loss after the stop: what follows it is learned as part of the reply",
                mend_prompt,
            )
            if self.after.of
            else not_judged("nothing after it carries loss", "no row has a stop"),
            self.prompt.point(
                prompt, "no token of a prompt carries loss", "have a prompt that carries loss: the bot learns to ask", mend_prompt
            )
            if self.prompt.of
            else not_judged(prompt, "no template says where a prompt ends; name it with --template", self.kept),
        ]

    def _whole(self, trainer: str, too_long: int, max_tokens: int) -> Point:
        name = "no reply is cut"
        left_out = f"; {too_long:,} rows of more than {max_tokens:,} tokens are left out whole" if too_long and trainer == "lorum" else ""
        return self.whole.point(name, f"no reply is cut{left_out}", f"are cut at {max_tokens:,} tokens, so their stop is gone", _CUT)


_APPEND = {
    "lorum": "write the samples again with `lorum format`",
    "trl": "let every completion end in the stop; where a column text stands beside prompt and completion, TRL appends the end token to "
    'that one: dataset.select_columns(["prompt", "completion"])',
    "transformers": "append the tokenizer's eos_token to every text: this trainer appends nothing",
}
_MERGED = dict.fromkeys(
    ("lorum", "trl", "transformers"),
    "stop with an end-of-turn token, which merges with nothing, or train with lorum, which encodes the stop apart from the reply",
)
_PAD = "give the tokenizer another pad token, or use a collator that pads labels by themselves (DataCollatorForSeq2Seq, TRL's)"
_LOSS = "see the points above; else the collator masks the stop"
_PROMPT = {
    "lorum": "write the samples again with `lorum format`",
    "trl": "give prompt and completion in two columns, of which TRL masks the first, or for messages set assistant_only_loss=True",
    "transformers": "mask the prompt's labels with -100, or use a trainer that does (lorum, TRL with prompt and completion)",
}
_CUT = "leave these rows out or shorten their prompts beforehand (`lorum format --max-tokens` does), or raise the limit"
