"""Messages of a chat as turns of a conversation."""

from collections.abc import Sequence

from formats.rendering.render import Turn
from formats.templates.template import BOT
from train.serving.bodies import Message
from train.serving.refusals import wrong

SYSTEM = ("system", "developer")
"""The roles of system texts."""


def conversation(messages: Sequence[Message]) -> tuple[str | None, list[Turn]]:
    """The system text, and the turns; speakers with a name are told apart.

    Raises:
        RefusedError: a message says nothing, a system text stands between the turns, or the last message is not the user's.
    """
    for place, message in enumerate(messages):
        # An answer can be empty, and comes back as a part of the history.
        if not message.text.strip() and message.role != "assistant":
            raise wrong(f"messages[{place}].content", "it is empty")
    begins = next((place for place, message in enumerate(messages) if message.role not in SYSTEM), len(messages))
    system = "\n\n".join(message.text.strip() for message in messages[:begins]) if begins else None
    late = next((place for place, message in enumerate(messages) if place > begins and message.role in SYSTEM), None)
    if late is not None:
        raise wrong(f"messages[{late}].role", "a system text stands before all turns")
    if begins == len(messages) or messages[-1].role != "user":
        raise wrong("messages", "the last one must be the user's, which is answered")
    speakers: dict[str | None, int] = {}
    turns = []
    for message in messages[begins:]:
        if message.role == "assistant":
            turns += [Turn(BOT, message.text)] if message.text.strip() else []
        else:
            turns.append(Turn(f"Speaker_{speakers.setdefault(message.name, len(speakers))}", message.text))
    return system, turns
