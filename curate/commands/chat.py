"""lorum chat."""

import io
import sys
from typing import Any

import click

from curate.console import common_options, tell


@click.command("chat")
@click.argument("adapters", metavar="ADAPTER...", nargs=-1, required=True)
@click.option("--route", is_flag=True, help="Each comment is answered by the adapter that it fits.")
@click.option("--seed", type=click.IntRange(0), help="Draws the same answers again. [default: others each time]")
@common_options
def chat_command(adapters: tuple[str, ...], route: bool, seed: int | None, as_json: bool, quiet: bool) -> dict[str, Any]:
    """Talk to adapters.

    Each line you type is a comment; an adapter answers and stops by itself, until /use or /mix lets another speak. Ctrl-C stops an answer,
    Tab completes, /help lists what else there is, Ctrl-D leaves. Reads lines from a pipe as well.

    ADAPTER is a folder, the name of a run, or user/name of the Hub; NAME=ADAPTER calls it by another name.

    \b
    Example:
      lorum chat kettle-court cooks
    """
    if not quiet:
        tell(f"loading {', '.join(adapters)}", err=True)
    from curate.chatting.session import Session
    from train.answers.chat import open_chat
    from train.shelf.finding import named

    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    folders = named(adapters)
    chat = open_chat(folders, seed)

    def router() -> Any:
        from train.shelf.routing import Router

        return Router.of(folders, chat.loaded)

    session = Session(chat, router, is_interactive=sys.stdin.isatty() and not as_json, is_silent=as_json)
    try:
        session.route(route)
        if not quiet:
            session.note("Type a comment. /help lists the commands, Ctrl-D leaves.")
        session.run()
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None
    finally:
        chat.close()
    return {"adapters": {name: str(folder) for name, folder in folders.items()}, "answers": session.answers}
