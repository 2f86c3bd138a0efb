"""The points of the contract that tokens and their loss decide: the stop, what carries loss, and what is cut."""

from collections import Counter
from collections.abc import Callable, Sequence, Set
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from formats.contract import mends
from formats.contract.reading import NOT_KNOWN, Numbers, Read
from formats.contract.report import Point
from formats.contract.tally import Good, Tally, TokenShower, not_judged, quoted
from formats.contract.turns import NOWHERE, judged_turns
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
        # What begins a text, pads it or stands for what is unknown ends none.
        others = {tokenizer.bos_token_id, tokenizer.unk_token_id, tokenizer.pad_token_id}
        self._special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
        self._could_end = self._special - others
        self._ends = np.array(sorted(ends), dtype=np.int64)
        self._show = TokenShower(tokenizer)
        self.ending, self.end, self.unmasked, self.loss, self.after, self.prompt, self.whole = (Tally() for _ in range(7))
        self.kept = self.cut_off = 0
        self._unstopped = self._early = self._blank_after = self._merged = 0
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
        learned = read.labels != NO_LOSS
        losses = _summed(learned)
        with_stop = np.flatnonzero(has_stop)
        self.ending.add(has_stop, rows, shown)
        self._count(read, ids, start, end, with_stop, before)
        stop_last = read.tokens[end[with_stop] - 1] if len(with_stop) else np.empty(0, np.int64)
        self.end.add(np.isin(stop_last, self._ends), with_stop, shown)
        self.unmasked.add((stop_last != self._pad) | learned[end[with_stop] - 1], with_stop, shown)

        # Where a stop is no end token, that alone is said of it, not again of each turn.
        turns = judged_turns(read, set(self._ends.tolist()), set(np.unique(stop_last).tolist()), self._is_blank)

        def around(row: int, places: Numbers) -> str:
            place = int(places[row])
            return shown(row) if place == NOWHERE else self._part(read, row, ids, place - 2)

        whole_stop = has_stop & (losses[end] - losses[start] == end - start)
        self._unstopped += int((whole_stop & (turns.unstopped != NOWHERE)).sum())
        self.loss.add(whole_stop & (turns.unstopped == NOWHERE), rows, lambda row: around(row, turns.unstopped))
        self.cut_off += int((~has_stop & read.cut).sum())

        is_end = _summed(np.isin(read.tokens, self._ends))
        early = (has_stop & (is_end[np.maximum(end - 1, start)] > is_end[start])) | (turns.inside != NOWHERE)
        goes_on = losses[last] > losses[end]
        for row in with_stop[goes_on[with_stop] & np.isin(stop_last, self._ends)]:
            goes_on[row] = not all(map(self._is_blank, read.tokens[end[row] : last[row]].tolist()))
            self._blank_after += not goes_on[row]
        self._early += int(early[with_stop].sum())
        self.after.add(~(goes_on | early)[with_stop], with_stop, lambda row: around(row, turns.inside))
        self._add_prompts(read, learned, ids)
        self.whole.add(~read.cut, rows, lambda row: f"{shown(row)} is the end of {read.lengths[read.rows[row]]:,} tokens")

    def _add_prompts(self, read: Read, learned: Good, ids: Sequence[str]) -> None:
        """Judges what stands before the last reply and is not said by the bot either."""
        first, last = read.starts[:-1], read.starts[1:]
        asked = learned if read.said is None else learned & ~read.said
        losses = _summed(asked)
        known = np.flatnonzero(read.replies != NOT_KNOWN)
        clean = losses[np.minimum(first + read.replies, last)] == losses[first]
        apart = np.ones(len(first), bool) if read.merged is None else read.merged == 0
        self._merged += int((clean & ~apart)[known].sum())

        def shown(row: int) -> str:
            at = int(read.replies[row]) if clean[row] else int(np.argmax(asked[first[row] : last[row]]))
            return self._part(read, row, ids, at - 1)

        self.prompt.add((clean & apart)[known], known, shown)

    def _part(self, read: Read, row: int, ids: Sequence[str], start: int) -> str:
        """Some tokens inside a row."""
        tokens, labels = read.row(row)
        part = slice(max(0, start), max(0, start) + _LAST)
        dots = "… " if start > 0 else "", " …" if part.stop < len(tokens) else ""
        return f"{ids[read.rows[row]]}: {dots[0]}{self._show(tokens[part], labels[part])}{dots[1]}"

    def _is_blank(self, token: int) -> bool:
        return not self._show.text(token).strip()

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
                mends.CUT if self.ending.bad == self.cut_off else mends.APPEND[trainer],
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
        return Point(name, False, count, of, says, self._examples.get(others[0][0]), mends.MERGED[trainer])

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
        # Of the readings, only this one masks pad tokens by their id.
        if self.unmasked.bad and trainer == "transformers":
            return self.unmasked.point(name, "", f"end in {token}, which is the pad token and masked as one", mends.PAD)
        is_pad = ", which is the pad token too, but is not masked" if last == self._pad and not self.unmasked.bad else ""
        good = f"the stop ends in one end token, {token}{is_pad}"
        if last in self._could_end and last not in self._ends:
            mend = f"set the tokenizer's eos_token, and eos_token_id in the base's generation_config, to {self._show([last])}"
            return self.end.point(name, good, f"end in {token}: a token at which generating could end, but does not with this base", mend)
        kind = "a special" if last in self._special else "an ordinary"
        return self.end.point(name, good, f"end in {token}: {kind} token, at which generating does not end", mends.APPEND[trainer])

    def _losses(self, trainer: str) -> list[Point]:
        all_of_them = self.loss.bad == self._unstopped
        loss = self.loss.point(
            "the stop carries loss",
            f"the whole stop carries loss in all {self.loss.of:,} rows",
            "have an earlier turn of the bot that ends in no end token"
            if all_of_them
            else "have no stop that carries loss from end to end",
            mends.LOSS[trainer],
        )
        return [loss, self._nothing_after(trainer), self._prompt(trainer)]

    def _nothing_after(self, trainer: str) -> Point:
        name = "nothing after it carries loss"
        if not self.after.of:
            return not_judged(name, "no row has a stop")
        blanks = ", but for blanks that the chat template writes behind the end token" if self._blank_after else ""
        if self._early == self.after.bad:
            says = "have an end token before the end of a reply's stop: generating ends there, and what follows is learned in vain"
            return self.after.point(name, f"nothing after the stop carries loss{blanks}", says, mends.ONCE)
        return self.after.point(
            name, "", "go on with loss after the stop: what follows it is learned as part of the reply", mends.AFTER[trainer]
        )

    def _prompt(self, trainer: str) -> Point:
        name = "the prompt carries none"
        if not self.prompt.of:
            return not_judged(name, "no template says where a prompt ends; name it with --template", self.kept)
        if self.prompt.bad and self.prompt.bad == self._merged:
            says = "have a prompt whose end merges with the reply into a token that carries loss, and that asking the bot never gives"
            return self.prompt.point(name, "", says, mends.APART)
        says = "have a prompt that carries loss: the bot learns to ask"
        return self.prompt.point(name, "no token of a prompt carries loss", says, mends.PROMPT[trainer])

    def _whole(self, trainer: str, too_long: int, max_tokens: int) -> Point:
        name = "no reply is cut"
        left_out = f"; {too_long:,} rows of more than {max_tokens:,} tokens are left out whole" if too_long and trainer == "lorum" else ""
        lost = "so their stop is gone" if self.cut_off == self.whole.bad else "so the beginning of their reply may be gone"
        return self.whole.point(name, f"no reply is cut{left_out}", f"are cut at {max_tokens:,} tokens, {lost}", mends.CUT)


def _summed(flags: Good) -> Numbers:
    """How many are set before each place, shape (T + 1,)."""
    return np.concatenate([[0], np.cumsum(flags)])
