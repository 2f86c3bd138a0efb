"""Shows a sample on a terminal: boundaries in colour, what carries loss bright, what does not dim."""

from rich.text import Text

from formats.render import pieces
from formats.template import Template

_SYMBOLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | dict.fromkeys(range(127, 160), 0x2421)
CONTEXT, REPLY, BOUNDARY, STOP = "dim", "bold", "cyan", "bold black on yellow"


def preview(prompt: str, completion: str, template: Template) -> Text:
    """A rendered sample with its boundaries marked.

    Without colours the same is readable: the text is the sample itself, character for character, then a mark where the base model's
    end token follows. Control characters are shown as their symbols (U+2400 …): a terminal would obey them, so that a text could
    paint boundaries of its own.
    """
    shown = Text()
    for is_boundary, piece in pieces(prompt, template):
        shown.append(piece.translate(_SYMBOLS), BOUNDARY if is_boundary else CONTEXT)
    stop = template.stop if completion.endswith(template.stop) else ""
    shown.append(completion.removesuffix(stop).translate(_SYMBOLS), REPLY)
    shown.append(stop, STOP)
    shown.append("■", STOP)
    return shown
