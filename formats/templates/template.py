"""A template: the boundaries of a sample, from its beginning to its stop."""

import difflib
import re
import tomllib
from dataclasses import dataclass, fields
from functools import cached_property
from importlib import resources
from pathlib import Path

from formats.errors import UserError
from formats.templates.escape import Escaper
from formats.templates.fields import refuse_fields
from formats.templates.headings import Heading, literal_heading
from formats.templates.joints import refuse_joints
from formats.templates.values import BOT as BOT

BLANK = r"[ \t\r\n]*"

_LIBRARY = resources.files("formats") / "library"

CHAT = "chat"
"""In the place of a template's name: what the base model's tokenizer has as its chat template."""

_LARGEST_FILE = 200_000
"""Bytes of a template file: more than the longest fields can have."""


@dataclass(frozen=True)
class Template:
    """The literal text around the turns of a conversation.

    A sample is `begin`, the system part, the turns, each followed by `separator`, then `reply`, the reply and `stop`. White space at the
    edges of a text belongs to the boundary: texts are stripped before they are rendered.

    Args:
        turn: a turn, with {text} once; before it may stand {speaker}, {date}, {flair}, {community}, and optional parts in [[…]].
        reply: opens the reply to learn; the same values. Blank where what closes the turn before opens the reply (Llama 2's `[/INST]`).
        stop: ends every reply.
        begin: stands before everything, but for the tokenizer's own opening token.
        system: wraps the system text, which is its {text}.
        system_text: fixed, or with {community}, {flair} (of the reply's author), {title} (of the thread), {date} (of the reply) and
            optional parts in [[…]]; where another value is unknown, the sample has no system part. Empty: no system part.
        submission: a turn that has a title, with {title} and {text} once each; empty: as `turn`, title and text joined by an empty line.
        bot_turn: an earlier turn of the bot; empty: as `turn`.
        separator: follows every turn.
        bot: the bot's name, where {speaker} stands.
        system_inside: the system part stands inside the first turn, before its text, not before the turn.

    Raises:
        UserError: with these boundaries, a sample could not be told apart into its turns again; the message says where.
    """

    name: str
    turn: str
    reply: str
    stop: str
    begin: str = ""
    system: str = ""
    system_text: str = ""
    submission: str = ""
    bot_turn: str = ""
    separator: str = ""
    bot: str = BOT
    system_inside: bool = False

    def __post_init__(self) -> None:
        refuse_fields(self)
        refuse_joints(self)

    @property
    def has_roles(self) -> bool:
        """Whether user and bot alternate strictly, so that neighbouring turns of one role are merged."""
        return bool(self.bot_turn) and "{speaker}" not in self.turn

    @property
    def turn_opening(self) -> str:
        """The part of a turn before its text, with its placeholders."""
        return self.turn.split("{text}")[0]

    @property
    def turn_closing(self) -> str:
        """The part of a turn after its text."""
        return self.turn.split("{text}")[1]

    def reply_opening(self) -> str:
        """What stands right before a reply of which nothing is known; where `reply` is blank, what closes the turn before it as well."""
        if self.opens_reply.is_blank:
            return f"{self.turn_closing}{self.separator}{self.reply}"
        return self.opens_reply.text({"speaker": self.bot})

    def ends_in_reply_opening(self, prompt: str) -> bool:
        """Whether a prompt ends as every prompt must: with what opens the reply."""
        return self._reply_at_end.search(prompt) is not None

    @cached_property
    def opens_turn(self) -> Heading:
        """What opens a turn."""
        return Heading(self.turn_opening, self.bot)

    @cached_property
    def opens_bot_turn(self) -> Heading:
        """What opens an earlier turn of the bot."""
        return Heading((self.bot_turn or self.turn).split("{text}")[0], self.bot)

    @cached_property
    def opens_reply(self) -> Heading:
        """What opens the reply to learn."""
        return Heading(self.reply, self.bot)

    @cached_property
    def opens_submission(self) -> Heading:
        """What opens a turn that has a title."""
        return Heading(self.submission.split("{title}")[0] if self.submission else self.turn_opening, self.bot)

    @property
    def bot_turn_closing(self) -> str:
        """The part of an earlier turn of the bot after its text."""
        return (self.bot_turn or self.turn).split("{text}")[1]

    @property
    def submission_closing(self) -> str:
        """The part after the text of a turn that has a title."""
        return (self.submission or self.turn).split("{text}")[1]

    @property
    def title_closing(self) -> str:
        """What stands between the title and the text of a submission; empty where submissions have no form of their own."""
        return self.submission.split("{title}")[1].split("{text}")[0] if self.submission else ""

    @property
    def system_opening(self) -> str:
        """The part of the system part before its text."""
        return self.system.split("{text}")[0]

    @property
    def system_closing(self) -> str:
        """The part of the system part after its text."""
        return self.system.split("{text}")[1] if self.system else ""

    @cached_property
    def headings(self) -> tuple[Heading, ...]:
        """Every boundary that is not blank, each once, the longest first, so that none is taken for one that begins like it."""
        literals = (
            self.begin, self.system_opening, self.system_closing, self.title_closing, self.turn_closing, self.bot_turn_closing,
            self.submission_closing, self.separator, self.stop,
        )  # fmt: skip
        openings = (self.opens_turn, self.opens_bot_turn, self.opens_submission, self.opens_reply)
        found = dict.fromkeys([*map(literal_heading, literals), *openings])
        return tuple(sorted((heading for heading in found if not heading.is_blank), key=lambda heading: (-heading.shortest, heading.core)))

    @cached_property
    def cores(self) -> tuple[str, ...]:
        """The boundaries without the white space around them, as regular expressions, longest first."""
        return tuple(dict.fromkeys(heading.core for heading in self.headings))

    @cached_property
    def core(self) -> re.Pattern[str]:
        """Matches one boundary without the white space around it."""
        return re.compile("|".join(self.cores))

    @cached_property
    def escaper(self) -> Escaper:
        """Escapes these boundaries in texts."""
        return Escaper(self.cores)

    @cached_property
    def _reply_at_end(self) -> re.Pattern[str]:
        if self.opens_reply.is_blank:
            closings = {self.turn_closing, self.submission_closing}
            return re.compile(rf"(?:{'|'.join(re.escape(closing + self.separator + self.reply) for closing in closings)})\Z")
        blanks = self.reply[: len(self.reply) - len(self.reply.lstrip())], self.reply[len(self.reply.rstrip()) :]
        return re.compile(f"{re.escape(blanks[0])}{self.opens_reply.core}{re.escape(blanks[1])}" + r"\Z")

    def to_toml(self) -> str:
        """The template as a TOML file that `read_template` reads back; what is as it is by itself is left out."""
        told = {field.name: getattr(self, field.name) for field in fields(self) if getattr(self, field.name) != field.default}
        return "".join(f"{name} = {_toml_value(value)}\n" for name, value in told.items())


def built_in() -> list[str]:
    """Names of the templates in `formats/library/`."""
    names = [entry.name for entry in _LIBRARY.iterdir()]
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def provenance(name: str) -> str:
    """Where a built-in template comes from and for which base models it is: the comment of its file."""
    lines = (_LIBRARY / f"{name}.toml").read_text(encoding="utf-8").splitlines()
    return "\n".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))


def load_template(name: str | Path) -> Template:
    """The built-in template of that name, or the one in a TOML file of one's own.

    Raises:
        UserError: there is neither, or the file is no valid template.
    """
    if str(name) in built_in():
        return _parse((_LIBRARY / f"{name}.toml").read_text(encoding="utf-8"), str(name))
    if Path(name).suffix == ".toml" and Path(name).is_file():
        return read_template(Path(name))
    if Path(name).is_dir():
        raise UserError(f"template {name}: is a folder; give a built-in template ({', '.join(built_in())}), {CHAT}, or a .toml file")
    alike = difflib.get_close_matches(str(name).lower(), [*built_in(), CHAT], n=1)
    meant = f"; did you mean {alike[0]}?" if alike else f"; {CHAT} is the base model's own"
    raise UserError(f"template {name}: neither built in ({', '.join(built_in())}) nor a .toml file that exists{meant}")


def read_template(path: Path) -> Template:
    """The template in a TOML file.

    Raises:
        UserError: the file cannot be read or is no valid template.
    """
    try:
        if path.is_file() and path.stat().st_size > _LARGEST_FILE:
            raise UserError(f"{path}: has {path.stat().st_size:,} bytes, a template at most {_LARGEST_FILE:,}; is it another file?")
        return _parse(path.read_text(encoding="utf-8-sig"), str(path))  # Windows' editors begin files with a byte-order mark
    except FileNotFoundError:
        raise UserError(f"{path}: no such template file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save the template as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: no template file ({error.strerror})") from None


def _parse(text: str, where: str) -> Template:
    try:
        held = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{where}: not valid TOML: {error}") from None
    known = {field.name: bool if isinstance(field.default, bool) else str for field in fields(Template)}
    for key, value in held.items():
        if key not in known:
            raise UserError(f"{where}: unknown key {key!r} in a template; known: {', '.join(known)}")
        if not isinstance(value, known[key]):
            expected = "a string" if known[key] is str else "true or false"
            raise UserError(f"{where}: {key} is {type(value).__name__}, expected {expected}")
    missing = [key for key in ("name", "turn", "reply", "stop") if key not in held]
    if missing:
        raise UserError(f"{where}: a template needs {', '.join(missing)}")
    return Template(**held)


def _toml_value(value: str | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    escapes = {code: f"\\u{code:04x}" for code in (*range(32), 127)}
    escapes |= {ord("\\"): "\\\\", ord('"'): '\\"', ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}
    return f'"{value.translate(escapes)}"'
