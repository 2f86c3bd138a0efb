"""A conversation on the terminal, or through a pipe: what is typed, and what is shown of the answers."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curate.chatting.commands import completions, run_command
from curate.chatting.terminal import edit_lines, on_ctrl_c
from curate.chatting.transcript import answer_values, ending_of
from curate.console import tell
from formats.visible import for_terminal, for_terminal_line
from train.answers.chat import Chat
from train.answers.speakers import Answer, Piece, Said

if TYPE_CHECKING:
    from train.shelf.routing import Router

SHARES_SHOWN = 3
"""Of the adapters among which one is chosen, the likeliest."""

SAYS = "> "
"""Between who says something and what."""


class Session:
    """Takes lines, and shows the answers and notes on them.

    Args:
        make_router: makes what chooses the adapter for a comment; is called once, when a comment is to be routed.
        is_interactive: somebody sits at a terminal: lines are edited, answers have names in front, and a mistake is told and forgiven.
        is_silent: shows nothing; what was answered is in `answers`.
    """

    def __init__(self, chat: Chat, make_router: Callable[[], "Router"], *, is_interactive: bool, is_silent: bool = False) -> None:
        self.chat = chat
        self.routes = False
        """Whether the adapter is chosen anew for every comment."""
        self.switched: float | None = None
        """Seconds that the last change of who speaks took."""
        self.saved: set[Path] = set()
        """Transcripts that were written, and may be written again."""
        self.answers: list[dict[str, Any]] = []
        """All answers, as --json prints them."""
        self.is_over = False
        """Whether somebody has left."""
        self._make_router = make_router
        self._router: Router | None = None
        self._is_interactive = is_interactive
        self._is_silent = is_silent

    def run(self) -> None:
        """Takes lines until the input ends or somebody leaves.

        Raises:
            UserError: without a terminal: a line cannot be done.
        """
        if self._is_interactive:
            edit_lines(lambda line, word: completions(self, line, word))
        while not self.is_over:
            try:
                line = self._next_line()
                if line is None:
                    return
                self._handle(line)
            except KeyboardInterrupt:
                if not self._is_interactive:
                    raise
                self.note("\nCtrl-D leaves, /help says what else there is.")
            except Exception as error:
                # Whatever failed, the conversation so far is not lost to who sits there.
                if not self._is_interactive:
                    raise
                self.note(" ".join(str(error).split()) or type(error).__name__)

    def tell(self, said: Said, *, names: bool = False) -> None:
        """Shows answers as they grow; at a terminal Ctrl-C ends them and nothing else.

        Args:
            names: with the speakers' names in front, as always at a terminal.
        """
        answers: list[Answer] = []
        with on_ctrl_c(self.chat.stop) if self._is_interactive else nullcontext():
            begun = False
            for item in said:
                if not begun and (names or self._is_interactive):
                    self._words(f"{for_terminal_line(item.by.label)}{SAYS}")
                begun = isinstance(item, Piece)
                if isinstance(item, Piece):
                    self._words(item.text)
                else:
                    self._end(ending_of(item))
                    answers.append(item)
        self.answers += [{"comment": self.chat.exchanges[-1].comment, **answer_values(answer)} for answer in answers]

    def route(self, wanted: bool) -> None:
        """Has the adapter chosen anew for every comment, or no more.

        Raises:
            UserError: an adapter has no index of its training prompts.
        """
        if wanted and self._router is None:
            self._router = self._make_router()
        self.routes = wanted

    def note(self, text: str) -> None:
        """Says something that is no answer."""
        if not self._is_silent:
            click.secho(for_terminal(text), err=True, dim=self._is_interactive)

    def _handle(self, line: str) -> None:
        if line.startswith("/") and not line.startswith("//"):
            run_command(self, line)
        elif line:
            comment = line[1:] if line.startswith("//") else line
            if self.routes:
                self._choose(comment)
            self.tell(self.chat.ask(comment))

    def _choose(self, comment: str) -> None:
        assert self._router is not None
        choice = self._router.choose(comment)
        self.chat.use(choice.name)
        shares = ", ".join(f"{name} {share:.2f}" for name, share in list(choice.shares.items())[:SHARES_SHOWN])
        self.note(f"{choice.name} answers ({shares})")

    def _next_line(self) -> str | None:
        """What is typed next, None at the end of the input."""
        try:
            return input(f"you{SAYS}" if self._is_interactive else "").strip()
        except EOFError:
            if self._is_interactive:
                click.echo(err=True)
            return None

    def _words(self, text: str) -> None:
        if not self._is_silent:
            tell(text, nl=False)

    def _end(self, ending: str) -> None:
        if self._is_silent:
            return
        if ending and self._is_interactive:
            click.secho(f" [{ending}]", dim=True)
        else:
            click.echo()
            if ending:
                self.note(f"[{ending}]")
