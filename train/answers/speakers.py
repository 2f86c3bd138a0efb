"""Who answers, and the answers of several that are computed together and told one after the other."""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from train.answers.engine import Ticket
from train.answers.loaded import BASE
from train.answers.reply import Ending, Reply
from train.answers.voices import Mix


@dataclass(frozen=True)
class Speaker:
    """Who answers: a mix of adapters (empty: the base alone), in the template and with the decoding of one of them."""

    mix: Mix
    manner: str

    @property
    def label(self) -> str:
        """What this speaker is called: an adapter's name, `base`, or `court=0.7 cooks=0.3`."""
        if list(self.mix.values()) == [1.0]:
            return next(iter(self.mix))
        return " ".join(f"{name}={weight:g}" for name, weight in self.mix.items()) or BASE


@dataclass(frozen=True)
class Answer:
    """An answer as it was given.

    Args:
        ending: None where it was left early.
        tokens: that it took, those of its stop included.
        seconds: from the question to its end.
        seconds_to_first: to its first words; None where it has none.
    """

    by: Speaker
    text: str
    ending: Ending | None
    tokens: int
    seconds: float
    seconds_to_first: float | None


@dataclass(frozen=True)
class Piece:
    """The next words of an answer."""

    by: Speaker
    text: str


Said = Generator[Piece | Answer, None, None]
"""Pieces of an answer as it grows, then the answer; with several speakers one after the other."""


@dataclass
class Growing:
    """An answer that is being given; times are those of `time.monotonic`."""

    by: Speaker
    asked: float
    pieces: list[str] = field(default_factory=list)
    shown: int = 0
    first: float | None = None
    reply: Reply | None = None
    ended: float | None = None
    ticket: Ticket | None = None

    def cancel(self) -> None:
        """Nobody listens to it any more."""
        if self.ticket is not None:
            self.ticket.cancel()
        self.ended = self.ended or time.monotonic()

    def answer(self) -> Answer:
        """The answer so far."""
        tokens = self.reply.token_ids if self.reply else self.ticket.row.new if self.ticket else ()
        seconds = (self.ended or time.monotonic()) - self.asked
        first = None if self.first is None else self.first - self.asked
        text = self.reply.text if self.reply else "".join(self.pieces)
        return Answer(self.by, text, self.reply.ending if self.reply else None, len(tokens), seconds, first)


class Answers:
    """Answers that grow together and are told one after the other."""

    def __init__(self, speakers: Sequence[Speaker]) -> None:
        asked = time.monotonic()
        self.growing = [Growing(speaker, asked) for speaker in speakers]
        self._telling = 0

    @property
    def are_told(self) -> bool:
        """Whether all of them have been told to their ends."""
        return self._telling == len(self.growing)

    @property
    def current(self) -> Growing:
        """The one that is being told."""
        return self.growing[self._telling]

    def hear(self, place: int, item: str | Reply | Exception, when: float) -> Said:
        """Takes news of an answer, and tells what can be told now."""
        growing = self.growing[place]
        if isinstance(item, Exception):
            raise item
        if isinstance(item, Reply):
            growing.reply, growing.ended = item, when
        else:
            growing.first = growing.first or when
            growing.pieces.append(item)
        while not self.are_told:
            current = self.current
            if text := "".join(current.pieces[current.shown :]):
                current.shown = len(current.pieces)
                yield Piece(current.by, text)
            if current.reply is None:
                return
            self._telling += 1
            yield current.answer()

    def all(self) -> list[Answer]:
        """Each as it is so far."""
        return [growing.answer() for growing in self.growing]
