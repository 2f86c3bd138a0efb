"""A small conversation to show what a template renders: invented, civil, and with all that a template may speak of."""

import datetime

from formats.rendering.conversations import Turn
from formats.rendering.render import render_prompt
from formats.templates.template import BOT, Template
from formats.templates.values import Values

TURNS = (
    Turn("Speaker_0", "It has whistled since the first act. What does the court advise?", "The Crown v. Spout"),
    Turn(BOT, "Has the witness tried to take it off the stove?"),
    Turn("Speaker_1", "The witness has a point of order: there is no stove."),
)
REPLY = "Then the kettle is in contempt. Adjourned for tea."
KNOWN = Values("KettleCourt", "Clerk", "The Crown v. Spout", datetime.date(2011, 11, 11))


def example(template: Template) -> str:
    """The conversation as a sample of this template."""
    return f"{render_prompt(template, TURNS, KNOWN)}{REPLY}{template.stop}"
