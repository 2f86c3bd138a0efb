"""Answers many requests at once on one model: a thread that takes them from a bounded queue into a batch that never stands still."""

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from queue import SimpleQueue

from formats.errors import UserError
from train.answers.batch import Batch, Row, draws_of
from train.answers.decoding import rows_at_once
from train.answers.loaded import Loaded, Request
from train.answers.reply import GrowingReply, Reply

Listener = Callable[["str | Reply | Exception"], None]
"""Is told an answer's pieces as it grows, then its whole, or why there is none; from the engine's thread, so it must not wait."""

MOST_ROWS = 16
MOST_WAITING = 64
_PROMPT_TOKENS = 4096
"""Of prompts read at once between two steps, what fills up the shorter ones included: those who are being answered wait for it."""


class BusyError(Exception):
    """The queue is full; `seconds` until a place is likely to be free."""

    def __init__(self, waiting: int, seconds: float) -> None:
        super().__init__(f"{waiting} requests are waiting already")
        self.seconds = seconds


class StoppedError(Exception):
    """The engine was closed before the answer was whole."""


@dataclass(eq=False)
class Ticket:
    """A request that was taken, until it is answered or cancelled."""

    request: Request
    tell: Listener
    row: Row
    growing: GrowingReply
    asked: float = field(default_factory=time.monotonic)
    cancelled: bool = False

    def cancel(self) -> None:
        """Nobody listens any more: the answer ends where it is, and nothing more is told."""
        self.cancelled = True


@dataclass(frozen=True)
class Load:
    """What an engine is doing and has done: requests that are answered now, that wait, how the others ended, tokens read and generated."""

    running: int
    waiting: int
    ended: dict[str, int]
    prompt_tokens: int
    new_tokens: int
    seconds: float
    """Of work, in which the tokens were read and generated."""


class Engine:
    """Answers requests on a loaded base and its adapters; a request's answer does not depend on the others beside it but by rounding.

    Args:
        most_rows: answered at once at most, fewer where their keys and values would not fit.
        most_waiting: beyond those; more are refused.
    """

    def __init__(self, loaded: Loaded, *, most_rows: int = MOST_ROWS, most_waiting: int = MOST_WAITING) -> None:
        self._loaded = loaded
        self._most_rows = most_rows
        self._most_waiting = most_waiting
        self._batch = Batch(loaded.model, loaded.filler, loaded.voices)
        self._running: list[Ticket] = []
        self._waiting: deque[Ticket] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._ended: Counter[str] = Counter()
        self._prompt_tokens = self._new_tokens = 0
        self._seconds = 0.0
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def ask(self, request: Request, tell: Listener) -> Ticket:
        """Takes a request; `tell` hears of its answer.

        Raises:
            BusyError: too many are waiting.
            UserError: the prompt and its answer are longer than the base reads.
            StoppedError: the engine is closed.
        """
        self._refuse_long(request)
        row = Row(request.prompt, request.config, draws_of(request.seed, 0, request.limit), request.mix)
        ticket = Ticket(request, tell, row, GrowingReply(request.template, self._loaded.tokenizer, request.config, request.ends))
        with self._changed:
            if self._closed:
                raise StoppedError("the engine is closed")
            if len(self._waiting) >= self._most_waiting:
                self._forget_cancelled()
            if len(self._waiting) >= self._most_waiting:
                raise BusyError(len(self._waiting), self._seconds_until_free())
            self._waiting.append(ticket)
            self._changed.notify()
        return ticket

    def answer(self, request: Request) -> Generator["str | Reply", None, None]:
        """The pieces of an answer as it grows, then the answer; leaving the iterator early ends it.

        Raises:
            BusyError, UserError, StoppedError: as `ask`, or what the model failed with.
        """
        told: SimpleQueue[str | Reply | Exception] = SimpleQueue()
        ticket = self.ask(request, told.put)
        try:
            while True:
                item = told.get()
                if isinstance(item, Exception):
                    raise item
                yield item
                if isinstance(item, Reply):
                    return
        finally:
            ticket.cancel()

    def load(self) -> Load:
        """What it is doing and has done."""
        with self._changed:
            return Load(len(self._running), len(self._waiting), dict(self._ended), self._prompt_tokens, self._new_tokens, self._seconds)

    def close(self) -> None:
        """Ends all answers, and the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            # Nobody would ever answer those who wait.
            with self._changed:
                self._closed = True
                self._fail([*self._running, *self._waiting], error)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._running or self._waiting or self._closed):
                    self._changed.wait()
                if self._closed:
                    self._fail([*self._running, *self._waiting], StoppedError("the server is shutting down"))
                    return
                joining = self._admitted()
            started = time.monotonic()
            try:
                self._advance(joining)
            except Exception as error:
                # Whatever the model failed with, the next requests get a batch that is whole.
                self._fail([*self._running, *joining], error)
                self._running.clear()
                self._batch = Batch(self._loaded.model, self._loaded.filler, self._loaded.voices)
            with self._changed:
                self._seconds += time.monotonic() - started

    def _forget_cancelled(self) -> None:
        """Takes those out of the queue to whom nobody listens any more."""
        kept = [ticket for ticket in self._waiting if not ticket.cancelled]
        self._ended["cancelled"] += len(self._waiting) - len(kept)
        self._waiting = deque(kept)

    def _admitted(self) -> list[Ticket]:
        """Those of the waiting that join now, in their order."""
        admitted: list[Ticket] = []
        while self._waiting and self._batch.takes_more:
            ticket = self._waiting[0]
            if ticket.cancelled:
                self._waiting.popleft()
                self._ended["cancelled"] += 1
                continue
            together = [*self._running, *admitted, ticket]
            prompt = max(len(one.request.prompt) for one in (*admitted, ticket))
            width = max(self._batch.width, prompt) + max(one.request.limit - len(one.row.new) for one in together)
            is_much = prompt * (len(admitted) + 1) > _PROMPT_TOKENS
            if len(together) > rows_at_once(self._loaded.model, width, self._most_rows) or (admitted and is_much):
                break
            admitted.append(self._waiting.popleft())
        return admitted

    def _advance(self, joining: list[Ticket]) -> None:
        """Lets those join who may, and gives every answer its next token."""
        left = [ticket for ticket in self._running if ticket.cancelled]
        if left:
            self._batch.leave([ticket.row for ticket in left])
            self._ended["cancelled"] += len(left)
            self._running = [ticket for ticket in self._running if not ticket.cancelled]
        if self._running:
            self._batch.step()
        if joining:
            self._batch.join([ticket.row for ticket in joining])
            self._prompt_tokens += sum(len(ticket.request.prompt) for ticket in joining)
            self._running += joining
        self._new_tokens += len(self._running)
        ended = [ticket for ticket in self._running if ticket.growing.add(ticket.row.new[-1])]
        self._batch.leave([ticket.row for ticket in ended])
        self._running = [ticket for ticket in self._running if ticket.growing.ending is None]
        for ticket in (*self._running, *ended):
            if piece := ticket.growing.piece():
                _say(ticket, piece)
        for ticket in ended:
            reply = ticket.growing.reply()
            self._ended[reply.ending] += 1
            _say(ticket, reply)

    def _fail(self, tickets: list[Ticket], error: Exception) -> None:
        for ticket in tickets:
            if not ticket.cancelled:
                self._ended["failed"] += 1
                _say(ticket, error)

    def _seconds_until_free(self) -> float:
        """A guess: the tokens still to be generated before the first in the queue gets a place, at the speed so far."""
        speed = self._new_tokens / self._seconds if self._seconds else 1.0
        left = [ticket.request.limit - len(ticket.row.new) for ticket in self._running]
        return math.ceil(min(left, default=1) * max(len(left), 1) / max(speed, 1.0)) or 1

    def _refuse_long(self, request: Request) -> None:
        positions = getattr(self._loaded.base.config.get_text_config(), "max_position_embeddings", None)
        if request.limit < 1:
            raise UserError("an answer needs at least one token; ask for more")
        if positions is not None and len(request.prompt) + request.limit > positions:
            wanted = f"{len(request.prompt):,} tokens of prompt and {request.limit:,} of answer"
            raise UserError(f"{self._loaded.base.name} reads {positions:,} tokens; {wanted} are more")


def _say(ticket: Ticket, item: "str | Reply | Exception") -> None:
    if ticket.cancelled:
        return
    try:
        ticket.tell(item)
    except Exception:
        # Who asked can be told nothing any more; the others' answers go on.
        ticket.cancel()
