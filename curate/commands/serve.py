"""lorum serve."""

import os
from pathlib import Path
from typing import Any

import click

from curate.console import common_options, tell

_KEY = "LORUM_API_KEY"


@click.command("serve")
@click.argument("adapters", nargs=-1, required=True, metavar="ADAPTER...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; other machines reach none but this one's own.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0: any that is free.")
@click.option("--max-rows", default=16, show_default=True, type=click.IntRange(1, 1024), help="Answers that are generated at once.")
@click.option("--max-waiting", default=64, show_default=True, type=click.IntRange(1, 100_000), help="Answers that wait beyond those.")
@click.option("--route", is_flag=True, help="Offer the model auto, which chooses the adapter by the message.")
@click.option("--api-key-file", type=click.Path(path_type=Path), help=f"File with the key that requests must carry. [default: {_KEY}]")
@click.option("--open", "is_open", is_flag=True, help="Let other machines ask without a key.")
@common_options
def serve_command(
    adapters: tuple[str, ...],
    host: str,
    port: int,
    max_rows: int,
    max_waiting: int,
    route: bool,
    api_key_file: Path | None,
    is_open: bool,
    as_json: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Serve adapters over HTTP: an OpenAI-style API and a page to talk.

    All of them stand beside one loaded base; a request names the one that answers as its model, and answers of several are generated
    together. An ADAPTER is a folder, a run's name or an id of the Hub; NAME=ADAPTER names it. Ctrl-C stops when those who are being
    answered are answered, a second one at once.

    \b
    Example:
      lorum serve kettle-court college --port 8000
    """
    from train.serving.running import Place, Server
    from train.shelf.finding import named

    place = Place(host, port, read_key(api_key_file), is_open)
    folders = named(adapters)
    listening = place.listen()
    if not quiet:
        tell(f"loading {', '.join(folders)}", err=True)
    from train.adapters.folder import read_adapter
    from train.answers.loaded import Loaded

    loaded = Loaded({name: read_adapter(folder) for name, folder in folders.items()})
    chooser = None
    if route:
        from train.shelf.routing import Router

        chooser = Router.of(folders, loaded)

    def log(line: str) -> None:
        if not quiet:
            tell(line, err=True)

    with Server(loaded, place, listening, chooser=chooser, most_rows=max_rows, most_waiting=max_waiting, log=log) as server:
        if not quiet or as_json:
            tell(f"{', '.join(folders)} at {server.address} (Ctrl-C stops)", err=True)
        server.run()
    load = server.engine.load()
    if not as_json:
        tell(f"{sum(load.ended.values()):,} answers, {load.new_tokens:,} tokens", err=True)
    return {"address": server.address, "ended": load.ended, "prompt_tokens": load.prompt_tokens, "new_tokens": load.new_tokens}


def read_key(file: Path | None) -> str | None:
    """The API key in a file, or that of the environment; None where there is neither.

    Raises:
        UserError: the file cannot be read, or what it holds is no key.
    """
    from formats.errors import UserError

    where = _KEY if file is None else str(file)
    try:
        key = (os.environ.get(_KEY, "") if file is None else file.read_text(encoding="utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UserError(f"{file}: cannot be read ({reason}); give a file that holds the key alone") from None
    if not key and file is None:
        return None
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise UserError(f"{where}: holds no key; a key is one line of ASCII letters, digits and signs without blanks")
    return key
