"""The `lorum` command."""

import sys

import click

from curate import __version__
from curate.lazy_group import LazyGroup

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
    "chat": ("curate.commands.chat", "Talk to adapters."),
    "serve": ("curate.commands.serve", "Serve adapters over HTTP: an OpenAI-style API and a page to talk."),
    "route": ("curate.commands.route", "Choose the adapter for a message."),
    "adapters": ("curate.commands.adapters", "Look at the shelf of adapters, mix and merge them."),
    "export": ("curate.commands.export", "Take an adapter to another program, its stop with it."),
    "forget": ("curate.commands.forget", "Remove posts from a run and keep them out of it."),
    "curate-and-train": ("curate.commands.run", "Do all of it: from a recipe to an adapter."),
}
"""Every command with the module that holds it and its one line of help, in the order in which data flows."""


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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
