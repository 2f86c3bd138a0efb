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
    places = [_reply_at(text, template) for text in rows.texts]
    cut = list(zip(rows.texts, places, strict=True))
    return Pairs(rows.ids, [text[:place] for text, place in cut], [text[place:] for text, place in cut])


def _reply_at(text: str, template: Template) -> int:
    """Where the last reply begins, whatever values stand in what opens it; 0 where nothing opens one."""
    openings = [template.reply_opening()]
    if template.opens_reply.is_blank:
        openings.append(f"{template.submission_closing}{template.separator}{template.reply}")
    blanks = {len(opening) - len(opening.rstrip()) for opening in openings}
    cores = [core.end() for core in template.core.finditer(text)]
    places = (core + blank for core in reversed(cores) for blank in blanks)
    return next((place for place in places if template.ends_in_reply_opening(text[:place])), 0)
