"""The points of the contract that texts decide: what opens a reply, what it may not contain, and that there is one."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from formats.contract.endings import end_literal
from formats.contract.reading import Read
from formats.contract.report import Point
from formats.contract.rows import Pairs
from formats.contract.tally import Tally, TokenShower, beginning, end, not_judged, quoted
from formats.rendering.render import parse, pieces
from formats.templates.template import BOT, Template
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
        self._special = np.array(sorted(tokenizer.all_special_ids), dtype=np.int64)
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
            return
        core = "|".join(self._template.cores)
        clean = ~replies.str.contains(core).to_numpy()
        self.boundaries.add(clean, every, lambda row: f"{ids[row]}: {beginning(replies[row])}")
        opens: NDArray[np.bool_] = chosen["prompt"].str.ends_with(self._template.reply_opening()).to_numpy().copy()
        for row in np.flatnonzero(~opens):
            opens[row] = _opens(chosen["prompt"][int(row)], self._template)
        self.opens.add(opens, every, lambda row: f"{ids[row]}: {end(chosen['prompt'][row])}")
        self._add_specials(self._template, read, chosen["prompt"], ids)

    def _add_specials(self, template: Template, read: Read, prompts: pl.Series, ids: Sequence[str]) -> None:
        is_special = np.concatenate([[0], np.cumsum(np.isin(read.tokens, self._special))])
        first = read.starts[:-1]
        # Of a row without the whole stop, its last token may still be the end token.
        found = is_special[first + read.stops[:, 0] - (read.stops[:, 0] == read.stops[:, 1])] - is_special[first]
        expected = np.full(len(found), self._opening)
        for row in np.flatnonzero(found > expected):
            expected[row] += sum(self._specials_of(piece) for is_boundary, piece in pieces(prompts[int(row)], template) if is_boundary)
        self.specials.add(found <= expected, range(len(ids)), lambda row: self._special_in(read, row, ids))

    def _special_in(self, read: Read, row: int, ids: Sequence[str]) -> str:
        tokens = read.row(row)[0][: read.stops[row, 0]]
        places = np.flatnonzero(np.isin(tokens, self._special))
        at = int(places[min(self._opening, len(places) - 1)])
        return f"{ids[row]}: … {self._show(tokens[max(0, at - 2) : at + 3])} …"

    def _count_specials(self, boundary: str) -> int:
        return int(np.isin(self._tokenizer(boundary, add_special_tokens=False)["input_ids"], self._special).sum())

    def points(self) -> list[Point]:
        """The points, in the order of the contract."""
        said = self.said.point("the reply is not empty", "no reply is empty", "have an empty reply", "leave these rows out")
        names = "only our special tokens", "no boundary in the reply", "the prompt opens a reply"
        if self._template is None:
            return [*(not_judged(name, _UNKNOWN) for name in names), said]
        opening = quoted(self._template.reply_opening())
        return [
            self.specials.point(
                names[0],
                "the only special tokens are the template's and the tokenizer's own",
                "have a special token inside what was said",
                "escape it (`lorum format` does) or encode contents with split_special_tokens=True",
            ),
            self.boundaries.point(names[1], "no reply contains a boundary", "have a boundary inside the reply", _FORMAT),
            self.opens.point(names[2], f"every prompt ends with {opening}", f"have a prompt that does not end with {opening}", _FORMAT),
            said,
        ]


def _opens(prompt: str, template: Template) -> bool:
    """Whether the bot speaks after this prompt, whatever values stand in its last boundary."""
    turns = parse(f"{prompt}{_ANY_WORD}", template)
    return bool(turns) and (turns[-1].speaker, turns[-1].text) == (BOT, _ANY_WORD)
