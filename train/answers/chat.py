"""A conversation with adapters that keeps its history and streams its answers."""

import secrets
from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path

from formats.rendering.render import Turn
from formats.templates.template import BOT
from train.adapters.folder import Adapter, read_adapter
from train.answers.engine import Engine
from train.answers.loaded import Loaded, Request
from train.answers.reply import Reply
from train.answers.voices import Mix


class Chat:
    """A conversation: each `reply` sees the turns before it, as many as fit.

    Args:
        loaded: the base and its adapters, the first of which speaks.
    """

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self._engine = Engine(loaded)
        self.manner = next(iter(loaded.adapters))
        """The adapter whose template and decoding hold."""
        self.mix: Mix = {self.manner: 1.0}
        """Who speaks; empty: the base alone."""
        self.turns: list[Turn] = []
        self.last: Reply | None = None
        """The last answer as a whole, with the reason why it ended; None where it was left early."""

    def reply(self, text: str) -> Generator[str, None, None]:
        """Answers, piece by piece as the answer grows; joined, the pieces are the answer, without its stop.

        Leaving the iterator early ends the answer; what was said until then stays in the history.
        """
        self.turns.append(Turn("Speaker_0", text))
        self.last = None
        said = ""
        try:
            with closing(self._engine.answer(self.request(self.mix))) as pieces:
                for piece in pieces:
                    if isinstance(piece, Reply):
                        self.last = piece
                    else:
                        said += piece
                        yield piece
        finally:
            self.turns.append(Turn(BOT, said))

    def request(self, mix: Mix) -> Request:
        """What is asked of a mix of adapters now."""
        return self.loaded.request(self.turns, mix, self.manner, secrets.randbits(32))

    def forget(self) -> None:
        """Begins the conversation anew."""
        self.turns.clear()

    def close(self) -> None:
        """Ends the thread that answers."""
        self._engine.close()


def open_chat(folders: Mapping[str, Path]) -> Chat:
    """Loads adapters and their base for a conversation.

    Raises:
        UserError: one is no adapter, they have different bases, or the base cannot be loaded.
    """
    adapters: dict[str, Adapter] = {name: read_adapter(folder) for name, folder in folders.items()}
    return Chat(Loaded(adapters))
