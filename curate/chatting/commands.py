"""The commands of a conversation: what begins with a slash."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.chatting.terminal import files_like
from curate.chatting.transcript import write_transcript
from curate.settings import build_settings, set_value
from curate.typed_mix import parse_mix
from formats.errors import UserError
from train.answers.loaded import BASE
from train.settings import DecodingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.chatting.session import Session


@dataclass(frozen=True)
class Command:
    """A command: what is typed after its name, what it does, and its completion of the last word."""

    takes: str
    says: str
    run: Callable[["Session", str], None]
    completes: Callable[["Session", str], Sequence[str]] = lambda session, word: ()


def run_command(session: "Session", line: str) -> None:
    """Does what a line that begins with a slash asks for.

    Raises:
        UserError: there is no such command, or it cannot be done.
    """
    name, _, rest = line[1:].partition(" ")
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean /{near[0]}?" if near else "/help lists them."
        raise UserError(f"/{name}: no such command; {hint} A comment that begins with a slash is typed with two.")
    COMMANDS[name].run(session, rest.strip())


def completions(session: "Session", line: str, word: str) -> list[str]:
    """What the last word of a line can become: a command, or what the command takes."""
    name, space, _ = line.partition(" ")
    if not line.startswith("/"):
        return []
    if not space:
        return [f"/{command} " if COMMANDS[command].takes else f"/{command}" for command in COMMANDS if f"/{command}".startswith(word)]
    command = COMMANDS.get(name[1:])
    return [] if command is None else [found for found in command.completes(session, word) if found.startswith(word)]


def _use(session: "Session", rest: str) -> None:
    if not rest:
        raise UserError(f"/use takes a name: {', '.join(session.chat.loaded.adapters)} or {BASE}")
    with _switched(session):
        session.chat.use(rest)


def _base(session: "Session", rest: str) -> None:
    _use(session, BASE)


def _mix(session: "Session", rest: str) -> None:
    with _switched(session):
        session.chat.use_mix(parse_mix(rest.split(), "/mix"))


def _both(session: "Session", rest: str) -> None:
    session.tell(session.chat.ask_all(rest or None), names=True)


def _new(session: "Session", rest: str) -> None:
    session.chat.forget()
    session.note("A new conversation.")


def _undo(session: "Session", rest: str) -> None:
    session.note(f"Taken back: {session.chat.undo().comment}")


def _again(session: "Session", rest: str) -> None:
    session.tell(session.chat.again())


def _set(session: "Session", rest: str) -> None:
    changed = dict(session.chat.decoding)
    for change in rest.split():
        key, equals, value = change.partition("=")
        if not equals:
            raise UserError(f"/set {change}: expected key=value, as in temperature=0.5; a key without a value has the adapter's own again")
        changed.pop(key, None)
        if value:
            set_value(changed, change, "/set")
    build_settings(DecodingSettings, changed, "/set")
    session.chat.decoding = changed
    held = session.chat.decoding_of(session.chat.speaker).model_dump()
    session.note(", ".join(f"{key} = {value:g}{'' if key in changed else ' (own)'}" for key, value in held.items()))


def _save(session: "Session", rest: str) -> None:
    if not rest:
        raise UserError("/save takes a file that ends with .md or .json")
    file = Path(rest).expanduser()
    if file.exists() and file not in session.saved:
        raise UserError(f"{file}: is there already; name another file")
    write_transcript(session.chat, file)
    session.saved.add(file)
    session.note(f"-> {file}")


def _times(session: "Session", rest: str) -> None:
    lines = [] if session.switched is None else [f"last switch: {session.switched * 1000:.2f} ms"]
    for answer in session.chat.exchanges[-1].answers if session.chat.exchanges else ():
        first = "nothing said" if answer.seconds_to_first is None else f"first words after {answer.seconds_to_first * 1000:.0f} ms"
        lines.append(f"{answer.by.label}: {first}, {answer.tokens} tokens in {answer.seconds:.2f} s")
    session.note("\n".join(lines) or "Nothing was asked yet.")


def _route(session: "Session", rest: str) -> None:
    session.route(rest != "off")
    session.note("Each comment goes to the adapter that it fits." if session.routes else f"{session.chat.speaker.label} answers.")


def _help(session: "Session", rest: str) -> None:
    lines = [f"  {f'/{name} {command.takes}'.rstrip():<24}{command.says}" for name, command in COMMANDS.items()]
    session.note("\n".join(lines))


def _quit(session: "Session", rest: str) -> None:
    session.is_over = True


@contextmanager
def _switched(session: "Session") -> "Iterator[None]":
    """A change of who speaks, which ends the routing; it is timed and told."""
    started = time.perf_counter()
    yield
    session.switched = time.perf_counter() - started
    session.routes = False
    session.note(f"{session.chat.speaker.label} answers.")


def _names(session: "Session", word: str) -> Sequence[str]:
    return [*session.chat.loaded.adapters, BASE]


def _weights(session: "Session", word: str) -> Sequence[str]:
    return [f"{name}=" for name in session.chat.loaded.adapters]


def _keys(session: "Session", word: str) -> Sequence[str]:
    fields: Mapping[str, Any] = DecodingSettings.model_fields
    return [f"{key}=" for key in fields]


COMMANDS: Mapping[str, Command] = {
    "use": Command("NAME", "another adapter answers from now on", _use, _names),
    "base": Command("", "the base model answers, without any adapter", _base),
    "both": Command("[COMMENT]", "all adapters and the base answer, the last comment without one", _both),
    "mix": Command("A=0.7 B=0.3", "the weighted sum of adapters answers", _mix, _weights),
    "route": Command("[off]", "the adapter that fits a comment answers it", _route, lambda session, word: ["off"]),
    "again": Command("", "another answer to the last comment", _again),
    "undo": Command("", "take the last comment and its answer back", _undo),
    "new": Command("", "begin anew", _new),
    "set": Command("KEY=VALUE…", "how tokens are chosen, as temperature=0.5; nothing: show it", _set, _keys),
    "times": Command("", "how long the last switch and the last answers took", _times),
    "save": Command("FILE", "write a transcript: .md or .json", _save, lambda session, word: files_like(word)),
    "help": Command("", "this list", _help),
    "quit": Command("", "leave, as Ctrl-D does", _quit),
}
"""Every command of a conversation, in the order in which /help lists them."""
