"""A conversation with adapters that keeps its history, streams its answers, and changes who speaks at any turn."""

import random
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from formats.errors import UserError
from formats.rendering.render import Turn
from formats.templates.template import BOT
from train.adapters.folder import Adapter, read_adapter
from train.answers.engine import Engine, Listener
from train.answers.loaded import BASE, Loaded, Request
from train.answers.reply import Reply
from train.answers.speakers import Answer, Answers, Said, Speaker
from train.answers.voices import Mix
from train.settings import DecodingSettings

_ASKER = "Speaker_0"

_News = tuple[int, str | Reply | Exception, float] | None
"""Whose answer, what there is of it, and when; None: stop."""


@dataclass(frozen=True)
class Exchange:
    """A comment, the answer that stays in the history, and answers of others that were only shown."""

    comment: str
    answer: Answer
    beside: tuple[Answer, ...] = ()

    @property
    def answers(self) -> tuple[Answer, ...]:
        """All of them, the one of the history first."""
        return (self.answer, *self.beside)


class Chat:
    """A conversation: each answer sees the turns before it, as many as fit.

    Args:
        loaded: the base and its adapters, the first of which speaks.
        seed: of what is drawn; without one another in every conversation.
    """

    def __init__(self, loaded: Loaded, seed: int | None = None) -> None:
        self.loaded = loaded
        self.exchanges: list[Exchange] = []
        first = next(iter(loaded.adapters))
        self.speaker = Speaker({first: 1.0}, first)
        """Who answers next."""
        self.decoding: dict[str, Any] = {}
        """Settings of the decoding in place of the adapter's own."""
        self._engine = Engine(loaded)
        self._random: random.Random = secrets.SystemRandom() if seed is None else random.Random(seed)
        self._told: SimpleQueue[_News] = SimpleQueue()

    @property
    def turns(self) -> list[Turn]:
        """The history."""
        return _turns(self.exchanges)

    def use(self, name: str) -> None:
        """Lets an adapter speak, or the base alone, which speaks in the template of the adapter before.

        Raises:
            UserError: no adapter here has that name.
        """
        if name == BASE:
            self.speaker = Speaker({}, self.speaker.manner)
            return
        self.loaded.refuse_unknown(name)
        self.speaker = Speaker({name: 1.0}, name)

    def use_mix(self, mix: Mix) -> None:
        """Lets the weighted sum of adapters speak, in the manner of the one that counts most.

        Raises:
            UserError: no adapter has one of the names, or their templates differ.
        """
        manner = max(mix, key=lambda name: abs(mix[name]))
        self.loaded.refuse_mix(mix, manner)
        self.speaker = Speaker(dict(mix), manner)

    def decoding_of(self, speaker: Speaker) -> DecodingSettings:
        """How a speaker's tokens are chosen: the adapter's own settings with what was changed here."""
        own = self.loaded.adapters[speaker.manner].decoding
        return DecodingSettings(**{**own.model_dump(), **self.decoding})

    def ask(self, comment: str) -> Said:
        """Asks who speaks now; leaving the iterator early, or `stop`, ends the answer, and what was said until then stays."""
        return self._noted(self.exchanges, comment, [self.speaker])

    def ask_all(self, comment: str | None = None) -> Said:
        """Asks all adapters and the base at once, who speaks now first: their answers are computed together, and told one by one.

        Args:
            comment: None: the last one once more; then the answer that it had stays in the history.

        Raises:
            UserError: there is no last comment.
        """
        every = [self.speaker, *(Speaker({name: 1.0}, name) for name in self.loaded.adapters), Speaker({}, self.speaker.manner)]
        speakers = [speaker for place, speaker in enumerate(every) if speaker.label not in {one.label for one in every[:place]}]
        if comment is not None:
            return self._noted(self.exchanges, comment, speakers)
        last = self._last()
        return self._noted(self.exchanges[:-1], last.comment, speakers, last)

    def again(self) -> Said:
        """Asks who speaks now for another answer to the last comment, in place of the one that it had.

        Raises:
            UserError: there is no last comment.
        """
        last = self._last()
        return self._noted(self.exchanges[:-1], last.comment, [self.speaker])

    def undo(self) -> Exchange:
        """Takes back the last comment and its answer.

        Raises:
            UserError: there is none.
        """
        last = self._last()
        self.exchanges = self.exchanges[:-1]
        return last

    def forget(self) -> None:
        """Begins the conversation anew."""
        self.exchanges = []

    def stop(self) -> None:
        """Ends the answers that are being given, even in the midst of a token; may be called from a signal's handler."""
        self._told.put(None)

    def close(self) -> None:
        """Ends the thread that answers."""
        self._engine.close()

    def _noted(self, before: Sequence[Exchange], comment: str, speakers: Sequence[Speaker], kept: Exchange | None = None) -> Said:
        """The answers, which are then in the history; `kept` has an answer already, beside which they are put."""
        turns = [*_turns(before), Turn(_ASKER, comment)]
        answers = Answers(speakers)
        try:
            yield from self._answered(turns, answers)
        except (GeneratorExit, KeyboardInterrupt):
            # Left early; what could not be asked at all leaves the conversation as it was.
            self.exchanges = [*before, _exchange(comment, answers.all(), kept)]
            raise
        self.exchanges = [*before, _exchange(comment, answers.all(), kept)]

    def _answered(self, turns: Sequence[Turn], answers: Answers) -> Said:
        told = self._told = SimpleQueue[_News]()

        def listener(place: int) -> Listener:
            return lambda item: told.put((place, item, time.monotonic()))

        try:
            for place, growing in enumerate(answers.growing):
                growing.ticket = self._engine.ask(self._request(turns, growing.by), listener(place))
            while not answers.are_told:
                news = told.get()
                if news is None:
                    yield answers.current.answer()
                    return
                yield from answers.hear(*news)
        finally:
            for growing in answers.growing:
                growing.cancel()

    def _request(self, turns: Sequence[Turn], speaker: Speaker) -> Request:
        seed = self._random.getrandbits(32)
        return self.loaded.request(turns, speaker.mix, speaker.manner, seed, decoding=self.decoding_of(speaker))

    def _last(self) -> Exchange:
        if not self.exchanges:
            raise UserError("there is no comment yet; type one first")
        return self.exchanges[-1]


def _exchange(comment: str, answers: Sequence[Answer], kept: Exchange | None) -> Exchange:
    if kept is not None:
        return Exchange(comment, kept.answer, tuple(answers))
    return Exchange(comment, answers[0], tuple(answers[1:]))


def _turns(exchanges: Sequence[Exchange]) -> list[Turn]:
    turns = [turn for one in exchanges for turn in (Turn(_ASKER, one.comment), Turn(BOT, one.answer.text))]
    # An answer that was stopped before its first word was never given.
    return [turn for turn in turns if turn.text]


def open_chat(folders: Mapping[str, Path], seed: int | None = None) -> Chat:
    """Loads adapters and their base for a conversation.

    Raises:
        UserError: one is no adapter, they have different bases, or the base cannot be loaded.
    """
    adapters: dict[str, Adapter] = {name: read_adapter(folder) for name, folder in folders.items()}
    return Chat(Loaded(adapters), seed)
