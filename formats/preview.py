"""Shows a sample on a terminal: boundaries in colour, what carries loss bright, what does not dim."""

from rich.text import Text

from formats.render import pieces
from formats.template import Template
from formats.visible import for_terminal

CONTEXT, REPLY, BOUNDARY, STOP = "dim", "bold", "cyan", "bold black on yellow"


def preview(prompt: str, completion: str, template: Template) -> Text:
    """A rendered sample with its boundaries marked.

    Without colours the same is readable: the text is the sample itself, character for character, then a mark where the base model's
    end token follows. Characters that a terminal would obey are shown as symbols (`for_terminal`): a text could paint boundaries of its
    own with them.
    """
    shown = Text()
    for is_boundary, piece in pieces(prompt, template):
        shown.append(for_terminal(piece), BOUNDARY if is_boundary else CONTEXT)
    stop = template.stop if completion.endswith(template.stop) else ""
    shown.append(for_terminal(completion.removesuffix(stop)), REPLY)
    shown.append(for_terminal(stop), STOP)
    shown.append("■", STOP)
    return shown
