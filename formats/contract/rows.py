"""Rows of a dataset to train on, in the three forms that trainers read: prompt and completion, whole texts, and messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from formats.templates.template import Template

ASSISTANTS = ("assistant", "gpt", "model", "bot")
"""Roles by which datasets name who is learned."""


class Message(TypedDict):
    """One message of a chat."""

    role: str
    content: str


@dataclass(frozen=True)
class Pairs:
    """Prompts and their completions; `texts` are those of a column `text` beside them, where there is one."""

    ids: Sequence[str]
    prompts: Sequence[str]
    completions: Sequence[str]
    texts: Sequence[str] | None = None


@dataclass(frozen=True)
class Texts:
    """Whole texts, in which a trainer cannot tell a prompt from its reply; `prompts` are the parts before it where we can."""

    ids: Sequence[str]
    texts: Sequence[str]
    prompts: Sequence[str] | None = None


@dataclass(frozen=True)
class Chats:
    """Messages. `num_prompt` counts those of the prompt where the dataset says which they are, else it is None."""

    ids: Sequence[str]
    messages: Sequence[Sequence[Message]]
    num_prompt: Sequence[int] | None = None


Rows = Pairs | Texts | Chats


def parted(rows: Texts, template: Template) -> Pairs:
    """Whole texts as prompt and completion, cut after the last opening of a reply; without one, all is completion."""
    cut = [text.rpartition(template.reply_opening()) for text in rows.texts]
    return Pairs(rows.ids, [before + opening for before, opening, _ in cut], [after for _, _, after in cut])
