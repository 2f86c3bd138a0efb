"""A template: the boundaries of a sample, from its beginning to its stop."""

import re
import tomllib
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

from formats.errors import UserError

BOT = "Bot"
"""The speaker name of the author whose reply is learned."""

SPEAKER_NAME = rf"(?:{BOT}|Speaker_[0-9]+)"
"""What a `{speaker}` placeholder can become, as a regular expression."""

BLANK = r"[ \t\r\n]*"

_LIBRARY = resources.files("formats") / "library"


@dataclass(frozen=True)
class Template:
    """The literal text around the turns of a conversation.

    `turn` holds `{text}` once and may hold `{speaker}`; `reply` opens the reply to learn and may hold `{speaker}`; `begin` and
    `stop` are fixed. White space at the edges of a turn's text belongs to the boundary: texts are stripped before they are rendered.
    """

    name: str
    turn: str
    reply: str
    stop: str
    begin: str = ""

    def __post_init__(self) -> None:
        for field, allowed in (("begin", set()), ("turn", {"text", "speaker"}), ("reply", {"speaker"}), ("stop", set())):
            unknown = sorted(set(_placeholders(getattr(self, field))) - allowed)
            if unknown:
                known = ", ".join(f"{{{name}}}" for name in sorted(allowed)) or "none"
                raise UserError(f"template {self.name}: {field} has the placeholder {{{unknown[0]}}}; known there: {known}")
        if _placeholders(self.turn).count("text") != 1:
            raise UserError(f"template {self.name}: turn needs the placeholder {{text}} exactly once")
        if "{speaker}" in self.turn_closing:
            raise UserError(f"template {self.name}: turn has {{speaker}} after {{text}}; say who speaks before the text")
        for field in ("begin", "turn_opening", "turn_closing", "reply", "stop"):
            length = len(getattr(self, field).strip())
            if length == 1 or (length == 0 and field not in ("begin", "turn_closing")):
                raise UserError(
                    f"template {self.name}: {field.replace('_', ' ')} {getattr(self, field)!r} is no boundary: "
                    "it needs at least two characters that are not white space, else ordinary text contains it"
                )
        if self.reply == self.turn_opening and "{speaker}" not in self.turn_opening:
            raise UserError(f"template {self.name}: reply and turn open with the same text {self.reply!r}; make them differ")
        if self.stop.strip() in (self.reply.strip(), self.turn_opening.strip()):
            raise UserError(f"template {self.name}: the stop {self.stop!r} also opens a turn; make them differ")
        if any("\\" in literal for literal in (self.begin, self.turn, self.reply, self.stop)):
            raise UserError(f"template {self.name}: a boundary holds a backslash, which marks escapes; leave it out")
        self._refuse_joints()

    def _refuse_joints(self) -> None:
        """Escaping looks at a text alone, so no text may complete a boundary together with the boundary beside it."""
        names = (BOT, "Speaker_0", "Speaker_00")
        literals = (self.begin, self.turn_opening, self.turn_closing, self.reply, self.stop)
        cores = sorted({literal.strip().replace("{speaker}", name) for literal in literals for name in names} - {""})
        openings = sorted({self.reply_opening(), *(self.turn_opening.replace("{speaker}", name) for name in names)})
        closings = sorted({self.stop, *(self.turn_closing + opening for opening in openings)})
        for core in cores:
            for opening in openings:
                begun = opening.lstrip()
                if core.startswith(begun) and core != opening.strip():
                    raise UserError(
                        f"template {self.name}: a text that begins with {core[len(begun) :]!r} after {opening!r} would become the "
                        f"boundary {core!r}; end {opening!r} with a line break"
                    )
            for at in range(1, len(core)):
                begun, rest = core[:at], core[at:]
                for closing in closings:
                    if not begun[-1].isspace() and (closing.startswith(rest) or rest.startswith(closing)):
                        raise UserError(
                            f"template {self.name}: a text that ends with {begun!r} before {closing!r} would move the boundary {core!r}; "
                            f"begin {closing!r} with a line break"
                        )

    @property
    def turn_opening(self) -> str:
        """The part of a turn before its text."""
        return self.turn.split("{text}")[0]

    @property
    def turn_closing(self) -> str:
        """The part of a turn after its text."""
        return self.turn.split("{text}")[1]

    def reply_opening(self) -> str:
        """What stands right before the reply to learn."""
        return self.reply.replace("{speaker}", BOT)

    @cached_property
    def cores(self) -> tuple[str, ...]:
        """The boundaries without the white space around them, as regular expressions, longest first."""
        literals = (self.begin, self.turn_opening, self.turn_closing, self.reply, self.stop)
        found = {_core_pattern(literal.strip()) for literal in literals if literal.strip()}
        return tuple(sorted(found, key=lambda core: (-len(core), core)))

    @cached_property
    def core(self) -> re.Pattern[str]:
        """Matches one boundary without the white space around it."""
        return re.compile("|".join(self.cores))

    @cached_property
    def opening(self) -> re.Pattern[str]:
        """Matches the core that opens a turn; its group `speaker`, where the template has one, is who speaks."""
        before, *after = map(re.escape, self.turn_opening.strip().split("{speaker}"))
        return re.compile(f"{before}(?P<speaker>{SPEAKER_NAME}){SPEAKER_NAME.join(after)}" if after else before)

    @cached_property
    def boundary(self) -> re.Pattern[str]:
        """Matches a run of boundaries together with the white space that belongs to them."""
        first = r"(?<![ \t\r\n])"  # a run begins with all of its blank: without this, a long blank costs its length squared
        return re.compile(f"{first}(?:{BLANK}(?:{self.core.pattern}))+{BLANK}")

    def to_toml(self) -> str:
        """The template as a TOML file that `read_template` reads back."""
        return "".join(f"{field} = {_toml_string(value)}\n" for field, value in asdict(self).items())


def built_in() -> list[str]:
    """Names of the templates in `formats/library/`."""
    names = [entry.name for entry in _LIBRARY.iterdir()]
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def load_template(name: str | Path) -> Template:
    """The built-in template of that name, or the one in a TOML file of one's own.

    Raises:
        UserError: there is neither, or the file is no valid template.
    """
    if str(name) in built_in():
        return _parse((_LIBRARY / f"{name}.toml").read_text(encoding="utf-8"), str(name))
    if Path(name).suffix == ".toml" and Path(name).is_file():
        return read_template(Path(name))
    raise UserError(f"template {name}: neither built in ({', '.join(built_in())}) nor a .toml file that exists")


def read_template(path: Path) -> Template:
    """The template in a TOML file.

    Raises:
        UserError: the file cannot be read or is no valid template.
    """
    try:
        return _parse(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such template file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save the template as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: no template file ({error.strerror})") from None


def _parse(text: str, where: str) -> Template:
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{where}: not valid TOML: {error}") from None
    known = Template.__dataclass_fields__
    for key, value in fields.items():
        if key not in known:
            raise UserError(f"{where}: unknown key {key!r} in a template; known: {', '.join(known)}")
        if not isinstance(value, str):
            raise UserError(f"{where}: {key} is {type(value).__name__}, expected a string")
    missing = [key for key in ("name", "turn", "reply", "stop") if key not in fields]
    if missing:
        raise UserError(f"{where}: a template needs {', '.join(missing)}")
    return Template(**fields)


def _placeholders(literal: str) -> list[str]:
    return re.findall(r"\{(\w*)\}", literal)


def _core_pattern(core: str) -> str:
    return SPEAKER_NAME.join(re.escape(part) for part in core.split("{speaker}"))


def _toml_string(value: str) -> str:
    escapes = {code: f"\\u{code:04x}" for code in (*range(32), 127)}
    escapes |= {ord("\\"): "\\\\", ord('"'): '\\"', ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}
    return f'"{value.translate(escapes)}"'
