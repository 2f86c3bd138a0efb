"""A conversation as a file: Markdown for people, JSON for programs."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from curate import __version__
from formats.errors import UserError
from formats.visible import for_terminal
from train.answers.chat import Chat
from train.answers.speakers import Answer
from train.files import write_whole


def write_transcript(chat: Chat, file: Path) -> None:
    """Writes a conversation; the suffix says how.

    Raises:
        UserError: the suffix is another than .md and .json, there is nothing to write yet, or the file cannot be written.
    """
    write = _WRITERS.get(file.suffix.lower())
    if write is None:
        raise UserError(f"{file}: a transcript is Markdown or JSON; name a file that ends with {' or '.join(_WRITERS)}")
    if not chat.exchanges:
        raise UserError(f"{file}: there is nothing to save yet; type a comment first")
    try:
        write_whole(file.expanduser(), write(chat))
    except (OSError, RuntimeError) as error:
        raise UserError(f"{file}: cannot be written ({error}); name another file") from None


def ending_of(answer: Answer) -> str:
    """How an answer ended, in words; empty where it stopped by itself."""
    if answer.ending == "length":
        return f"cut at {answer.tokens} tokens"
    return {None: "stopped early", "other end": "ended by the end token alone"}.get(answer.ending, "")


def answer_values(answer: Answer) -> dict[str, Any]:
    """An answer as plain values for JSON; an ending of None: it was stopped early."""
    return {
        "by": answer.by.label,
        "mix": dict(answer.by.mix),
        "manner": answer.by.manner,
        "reply": answer.text,
        "ending": answer.ending,
        "tokens": answer.tokens,
        "seconds": round(answer.seconds, 4),
        "seconds_to_first": None if answer.seconds_to_first is None else round(answer.seconds_to_first, 4),
    }


def _markdown(chat: Chat) -> str:
    lines = [
        f"# A conversation with {', '.join(chat.loaded.adapters)}",
        "",
        f"On the base {chat.loaded.base.name}, by Lorum {__version__}.",
    ]
    for exchange in chat.exchanges:
        lines += _said("you", exchange.comment, "")
        for answer in exchange.answers:
            lines += _said(answer.by.label, answer.text, ending_of(answer))
    return "\n".join(lines) + "\n"


def _said(who: str, text: str, ending: str) -> list[str]:
    """A turn as a quotation: nothing in its text can look like the turn of another."""
    quoted = [f"> {line}".rstrip() for line in for_terminal(text).split("\n")]
    return ["", f"**{who}**" + (f" *({ending})*" if ending else ""), "", *quoted]


def _json(chat: Chat) -> str:
    exchanges = [{"comment": one.comment, "answers": [answer_values(answer) for answer in one.answers]} for one in chat.exchanges]
    templates = {name: adapter.template.name for name, adapter in chat.loaded.adapters.items()}
    found = {"lorum": __version__, "base": chat.loaded.base.name, "adapters": templates, "exchanges": exchanges}
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


_WRITERS: Mapping[str, Callable[[Chat], str]] = {".md": _markdown, ".json": _json}
