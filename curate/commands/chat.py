"""lorum chat."""

import io
import sys
from pathlib import Path
from typing import Any

import click

from curate.console import common_options, tell


@click.command("chat")
@click.argument("adapter", type=click.Path(path_type=Path))
@common_options
def chat_command(adapter: Path, as_json: bool, quiet: bool) -> dict[str, Any]:
    """Talk to an adapter.

    Each line you type is a comment; the adapter answers and stops by itself. Ctrl-C stops an answer, /new begins anew, Ctrl-D leaves. Reads
    lines from a pipe as well.

    \b
    Example:
      lorum chat runs/kettle-court/adapter
    """
    if not quiet:
        tell(f"loading {adapter}", err=True)
    from train.answers.chat import open_chat

    chat = open_chat({adapter.name: adapter})
    interactive = sys.stdin.isatty()
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    if interactive and not quiet:
        click.echo("Type a comment. /new begins anew, Ctrl-D leaves.", err=True)
    answers = []
    while (line := _read_line(interactive)) is not None:
        if line == "/new":
            chat.forget()
        elif line:
            _answer(chat, line, as_json)
            answers.append({"comment": line, "reply": chat.turns[-1].text, "ending": chat.last.ending if chat.last else None})
    return {"adapter": str(adapter), "answers": answers}


def _read_line(interactive: bool) -> str | None:
    """The next comment, None at the end of the input."""
    try:
        return input("you> " if interactive else "").strip()
    except (EOFError, KeyboardInterrupt):
        return None


def _answer(chat: Any, line: str, as_json: bool) -> None:
    """Prints an answer as it grows; Ctrl-C ends the answer only."""
    pieces = chat.reply(line)
    try:
        for piece in pieces:
            if not as_json:
                tell(piece, nl=False)
    except KeyboardInterrupt:
        pieces.close()
    if not as_json:
        click.echo("" if chat.last and chat.last.ending != "length" else " …")
