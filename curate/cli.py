"""The `lorum` command: a group that loads a command only when it is called, so that help is there at once."""

import importlib
import sys

import click

from curate import __version__

COMMANDS = {
    "import": ("curate.commands.gather", "Import dumps and tables into a folder of posts."),
    "scrape": ("curate.commands.scrape", "Fetch threads from a forum's API into a folder of posts."),
    "filter": ("curate.commands.filter", "Judge posts: what to learn, what to drop, and why."),
    "format": ("curate.commands.format", "Render judged posts into samples with boundaries and stops."),
    "preview": ("curate.commands.preview", "Show samples with their boundaries marked."),
    "check": ("curate.commands.check", "Check the stop contract on every sample."),
    "plan": ("curate.commands.plan", "Say how much memory a training takes, before it runs."),
    "train": ("curate.commands.learn", "Train a QLoRA adapter on samples."),
    "eval": ("curate.commands.learn", "Measure an adapter: does it stop, and is it the personality?"),
    "chat": ("curate.commands.learn", "Talk to an adapter."),
    "forget": ("curate.commands.forget", "Remove posts from a run and keep them out of it."),
    "curate-and-train": ("curate.commands.run", "Do all of it: from a recipe to an adapter."),
}
"""Every command with the module that holds it and its one line of help, in the order in which data flows."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called; its own help imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which data flows."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name: the function `NAME_command` of its module."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command = getattr(module, cmd_name.replace("-", "_") + "_command")
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="lorum")
def main() -> None:
    """Turn forum threads into a chatbot personality that stops when it is done.

    One recipe does everything:  lorum curate-and-train recipe.toml
    """


def curate_and_train() -> None:
    """The console script `curate-and-train`: a second name of `lorum curate-and-train`."""
    main(["curate-and-train", *sys.argv[1:]], prog_name="lorum")


if __name__ == "__main__":
    main()
