"""lorum route."""

import io
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from curate.commands.routing import folders_by_name
from curate.console import Reporter, common_options, tell


class _TakesSeveral(click.Command):
    """A command whose --adapters takes all the names behind it, up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses `--adapters A B` as `--adapters A --adapters B`."""
        spread: list[str] = []
        listing = given = False
        for place, arg in enumerate(args):
            if arg == "--":
                spread += args[place:]
                break
            if arg == "--adapters":
                listing, given = True, False
                spread.append(arg)
            elif arg.startswith("-"):
                listing = False
                spread.append(arg)
            else:
                spread += ["--adapters", arg] if listing and given else [arg]
                given = True
        return super().parse_args(ctx, spread)


@click.command("route", cls=_TakesSeveral)
@click.argument("messages", nargs=-1, metavar="[MESSAGE]...")
@click.option("--adapters", "-a", multiple=True, required=True, metavar="ADAPTER...", help="Whom to choose between, as for `lorum chat`.")
@click.option("--samples", multiple=True, metavar="NAME=FOLDER", help="Make that adapter's index anew of these samples. May be repeated.")
@click.option("--or-base", is_flag=True, help="Send what is like none of their forums to the base.")
@common_options
def route_command(
    messages: tuple[str, ...], adapters: tuple[str, ...], samples: tuple[str, ...], or_base: bool, as_json: bool, quiet: bool
) -> dict[str, Any]:
    """Choose the adapter for a message.

    Compares each message with what the adapters' training prompts end in, as their common base understands both. Without a MESSAGE, every
    line of standard input is one. The index of an adapter is kept in its folder; where it is missing, it is made of the samples beside it.

    \b
    Example:
      lorum route "Who stole the biscuits?" --adapters runs/kettle-court runs/college
    """
    from train.adapters.folder import read_adapter
    from train.answers.loaded import Loaded
    from train.shelf.finding import named
    from train.shelf.routing import Router
    from train.shelf.routing_decision import FLOOR

    folders = named(adapters)
    own = folders_by_name(samples, "--samples")
    if not messages and sys.stdin.isatty():
        raise click.UsageError("no MESSAGE; give one, or pipe lines in")
    found = []
    with Reporter(quiet) as progress:
        loaded = Loaded({name: read_adapter(folder) for name, folder in folders.items()})
        router = Router.of(folders, loaded, samples=own, floor=FLOOR if or_base else 0.0, progress=progress)
    for message in messages or _lines():
        choice = router.choose(message)
        found.append({"message": message, **asdict(choice)})
        if not as_json:
            tell(_line(found[-1]))
    return {"adapters": {name: str(folder) for name, folder in folders.items()}, "routed": found}


def _lines() -> Iterator[str]:
    """The lines of standard input that say something."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    return (line.strip() for line in sys.stdin if line.strip())


def _line(routed: dict[str, Any]) -> str:
    """The choice and its share, the message, and whoever else might have been meant."""
    from formats.visible import for_terminal_line

    others = ", ".join(f"{name} {share:.2f}" for name, share in routed["shares"].items() if name != routed["name"] and share >= 0.01)
    share = routed["shares"].get(routed["name"])
    chosen = f"{routed['name']:<16} {'like none' if share is None else f'{share:9.2f}'}"
    return f"{chosen}  {for_terminal_line(routed['message'], 80)}{f'  ({others})' if others else ''}"
