"""Shows samples on a terminal: what is a boundary, who speaks, what is learned and where it stops, with and without colours."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from textwrap import fill
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from formats.rendering.parts import LEARNED, Cutter, Part
from formats.templates.template import BOT, Template
from formats.tokens.encoding import Encoded
from formats.tokens.text import token_reader
from formats.visible import for_terminal

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BOUNDARY, SYSTEM, CONTEXT, REPLY, STOP, ASIDE = "cyan", "italic", "", "bold", "bold black on yellow", "dim"
SPEAKERS = ("blue", "magenta", "green", "red", "bright_blue", "bright_magenta")
"""By the number of a speaker, the colour of their sign; they come round again."""

NO_LOSS, LOSS = "│", "┃"
NUMBER = "0, 1, …"
LINE_BREAK, BLANK, TAB = "↵", "␣", "⇥"
SIGNS = {
    "-": "boundary",
    "S": "system",
    ".": "turn",
    NUMBER: "turn of that speaker",
    "B": "the bot's turn before",
    ">": "reply",
    "!": "stop",
}
"""What stands in front of the lines."""

_NARROWEST = 8
_TIED = "\N{NO-BREAK SPACE}"
_LOOKS = {"boundary": ("-", BOUNDARY), "system": ("S", SYSTEM), "reply": (">", REPLY), "stop": ("!", STOP)}
_EDGES = re.compile(r"^ +| +$|(?<=\n) +| +(?=\n)")


@dataclass(frozen=True)
class Row:
    """Lines of text behind the same sign."""

    sign: str
    is_learned: bool
    text: Text
    sign_style: str = ASIDE


@dataclass(frozen=True)
class Preview:
    """What is printed of a sample: a sign and a bar stand in front of each line, so that it reads without colours as well.

    The sign stands where a line of the sample begins; what is wrapped to the width goes on without one.
    """

    rows: tuple[Row, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Wraps every line to the width that there is, in terminal cells."""
        signs = max((len(row.sign) for row in self.rows), default=1)
        width = max(_NARROWEST, options.max_width - signs - 3)
        for row in self.rows:
            bar = (LOSS, REPLY) if row.is_learned else (NO_LOSS, ASIDE)
            for line in row.text.split("\n", allow_blank=True):
                for place, part in enumerate(line.wrap(console, width, tab_size=4) or [Text()]):
                    part.rstrip()
                    sign = " " * signs if place else row.sign.rjust(signs)
                    yield Text.assemble((sign, row.sign_style), " ", bar, " " if part else "", part, no_wrap=True)


def preview(prompt: str, completion: str, template: Template, end_token: str | None = None) -> Preview:
    """A rendered sample, part by part, each boundary in one line with its line breaks shown.

    Args:
        end_token: the base model's end token where that follows the sample's text; only a tokenizer tells.
    """
    rows = [_row(part) for part in Cutter(template).parts(prompt, completion)]
    if end_token:
        rows.append(Row("!", True, Text(for_terminal(end_token), STOP), STOP))
    return Preview(tuple(rows))


def preview_tokens(encoded: Encoded, tokenizer: "PreTrainedTokenizerBase") -> Preview:
    """Every token of a sample with its id and what it stands for; those with loss stand behind the bar of what is learned."""
    read, special = token_reader(tokenizer), set(tokenizer.all_special_ids)
    ids = list(map(int, encoded.input_ids))
    first_of_stop = len(ids) - encoded.num_stop

    def look(place: int) -> tuple[str, bool]:
        if place < encoded.num_prompt:
            return ".", False
        return (">" if place < first_of_stop else "!"), True

    def cell(place: int) -> Text:
        style = {".": BOUNDARY if ids[place] in special else CONTEXT, ">": REPLY, "!": STOP}[look(place)[0]]
        return Text.assemble((f"{ids[place]}:", ASIDE), (show_token(read(ids[place])), style))

    return Preview(
        tuple(
            Row(sign, learned, Text("  ").join(map(cell, places)), ASIDE) for (sign, learned), places in groupby(range(len(ids)), key=look)
        )
    )


def legend(previews: Iterable[Preview], width: int) -> str:
    """What the signs and bars of these previews mean, in lines that break between two of them."""
    used = {NUMBER if row.sign.isdigit() else row.sign for shown in previews for row in shown.rows}
    signs = [f"{sign} {words}" for sign, words in SIGNS.items() if sign in used]
    words = [*signs, f"{LOSS} with loss: learned", f"{NO_LOSS} without", f"{LINE_BREAK} line break", f"{BLANK} blank"]
    return fill("   ".join(words).replace(" ", _TIED).replace(_TIED * 3, "   "), width).replace(_TIED, " ")


def show_token(text: str) -> str:
    """A token's text with its blanks and line breaks seen."""
    return for_terminal(text).replace(" ", BLANK).replace("\n", LINE_BREAK).replace("\t", TAB)


def show_boundary(text: str) -> str:
    """A boundary in one line: its line breaks seen, and the blanks at its edges."""
    return _EDGES.sub(lambda blanks: BLANK * len(blanks.group()), for_terminal(text)).replace("\n", LINE_BREAK)


def counts(encoded: Encoded) -> str:
    """How many tokens a sample has, and where."""
    total = len(encoded.input_ids)
    reply = total - encoded.num_prompt - encoded.num_stop
    return f"{total:,} tokens: {encoded.num_prompt:,} prompt + {reply:,} reply + {encoded.num_stop:,} stop"


def _row(part: Part) -> Row:
    text = show_boundary(part.text) if part.kind in ("boundary", "stop") else for_terminal(part.text)
    if part.kind == "context":
        sign, sign_style = _speaker_sign(part.speaker)
        return Row(sign, False, Text(text, CONTEXT), sign_style)
    sign, style = _LOOKS[part.kind]
    return Row(sign, part.kind in LEARNED, Text(text, style), style)


def _speaker_sign(speaker: str | None) -> tuple[str, str]:
    """The sign of who speaks, and its colour: a speaker's number."""
    if speaker is None:
        return ".", ASIDE
    if speaker == BOT:
        return "B", "yellow"
    number = int(speaker.rpartition("_")[2])
    return str(number), SPEAKERS[number % len(SPEAKERS)]
