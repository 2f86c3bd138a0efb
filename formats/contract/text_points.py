"""The points of the contract that texts decide: what opens a reply, what it may not contain, and that there is one."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from formats.contract.endings import end_literal
from formats.contract.reading import Numbers, Read
from formats.contract.report import Point
from formats.contract.rows import Pairs
from formats.contract.tally import Tally, TokenShower, beginning, end, not_judged, quoted
from formats.rendering.render import pieces
from formats.templates.template import Template
from formats.tokens.encoding import encode_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FORMAT = "write the samples again with `lorum format`, or name the template that they were made with"
_ANY_WORD = "kettle"
_UNKNOWN = "no template says which texts are boundaries; name it with --template"


class TextPoints:
    """Judges the texts of rows, part by part; without a template only whether there is a reply."""

    def __init__(self, template: Template | None, tokenizer: "PreTrainedTokenizerBase") -> None:
        self._template = template
        self._tokenizer = tokenizer
        self._end = end_literal(tokenizer)
        marked = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
        self._special = np.array(sorted({*tokenizer.all_special_ids, *marked}), dtype=np.int64)
        self._show = TokenShower(tokenizer)
        self._opening = int(np.isin(encode_prompt(template, _ANY_WORD, tokenizer), self._special).sum()) if template else 0
        self._specials_of: Callable[[str], int] = cache(self._count_specials)
        self.specials, self.boundaries, self.opens, self.said = (Tally() for _ in range(4))

    def add(self, read: Read, pairs: Pairs, stop: str) -> None:
        """Judges the rows of a part that the trainer keeps; completions end in `stop`, then perhaps in the tokenizer's end token."""
        chosen = pl.DataFrame({"prompt": pairs.prompts, "reply": pairs.completions}, schema={"prompt": pl.String, "reply": pl.String})
        chosen = chosen[read.rows] if len(read.rows) < chosen.height else chosen
        replies = chosen["reply"].str.strip_suffix(self._end).str.strip_suffix(stop.removesuffix(self._end))
        ids = [pairs.ids[row] for row in read.rows]
        every = range(len(ids))
        said = (replies.str.strip_chars() != "").to_numpy()
        self.said.add(said, every, lambda row: f"{ids[row]}: {beginning(chosen['reply'][row])}")
        if self._template is None:
            self._add_contents(read, chosen["reply"], ids)
            return
        core = "|".join(self._template.cores)
        clean = ~replies.str.contains(core).to_numpy()
        self.boundaries.add(clean, every, lambda row: f"{ids[row]}: {beginning(replies[row])}")
        opens = [self._template.ends_in_reply_opening(prompt) for prompt in chosen["prompt"]]
        self.opens.add(np.array(opens, dtype=bool), every, lambda row: f"{ids[row]}: {end(chosen['prompt'][row])}")
        self._add_specials(self._template, read, chosen["prompt"], ids)

    def _add_contents(self, read: Read, completions: pl.Series, ids: Sequence[str]) -> None:
        """Judges replies of which no template is known by their own texts: what a chat template puts around them is no part of these."""
        replies = np.maximum(read.replies, 0)
        clean = self._found(read, replies) == 0
        for row in np.flatnonzero(~clean):
            clean[row] = not self._count_specials(completions[int(row)])
        self.specials.add(clean, range(len(ids)), lambda row: self._special_in(read, row, ids, int(replies[row])))

    def _found(self, read: Read, since: Numbers) -> Numbers:
        """Special tokens of each row, from so many tokens on and before its stop."""
        count = np.concatenate([[0], np.cumsum(np.isin(read.tokens, self._special))])
        first = read.starts[:-1]
        # Of a row without the whole stop, its last token may still be the end token.
        until = read.stops[:, 0] - (read.stops[:, 0] == read.stops[:, 1])
        found: Numbers = count[first + until] - count[first + np.minimum(since, until)]
        return found

    def _add_specials(self, template: Template, read: Read, prompts: pl.Series, ids: Sequence[str]) -> None:
        found = self._found(read, np.zeros(len(ids), dtype=np.int64))
        expected = np.full(len(found), self._opening)
        for row in np.flatnonzero(found > expected):
            expected[row] += sum(self._specials_of(piece) for is_boundary, piece in pieces(prompts[int(row)], template) if is_boundary)
        self.specials.add(found <= expected, range(len(ids)), lambda row: self._special_in(read, row, ids, 0, self._opening))

    def _special_in(self, read: Read, row: int, ids: Sequence[str], since: int, skipped: int = 0) -> str:
        """What stands around the first special token of a row before its stop, from so many tokens on, some that belong there skipped."""
        tokens = read.row(row)[0][: read.stops[row, 0]]
        places = since + np.flatnonzero(np.isin(tokens[since:], self._special))
        at = int(places[min(skipped, len(places) - 1)])
        return f"{ids[row]}: … {self._show(tokens[max(0, at - 2) : at + 3])} …"

    def _count_specials(self, boundary: str) -> int:
        return int(np.isin(self._tokenizer(boundary, add_special_tokens=False)["input_ids"], self._special).sum())

    def points(self) -> list[Point]:
        """The points, in the order of the contract."""
        said = self.said.point("the reply is not empty", "no reply is empty", "have an empty reply", "leave these rows out")
        names = "only our special tokens", "no boundary in the reply", "the prompt opens a reply"
        ours = "the only special tokens are the template's and the tokenizer's own" if self._template else "no special token in a reply"
        specials = self.specials.point(
            names[0],
            ours,
            "have a special token inside what was said",
            "escape it (`lorum format` does) or encode contents with split_special_tokens=True; the stop stands once, at the end",
        )
        if self._template is None:
            first = specials if self.specials.of else not_judged(names[0], _UNKNOWN)
            return [first, *(not_judged(name, _UNKNOWN) for name in names[1:]), said]
        opening = quoted(self._template.reply_opening())
        return [
            specials,
            self.boundaries.point(names[1], "no reply contains a boundary", "have a boundary inside the reply", _FORMAT),
            self.opens.point(names[2], f"every prompt ends with {opening}", f"have a prompt that does not end with {opening}", _FORMAT),
            said,
        ]
