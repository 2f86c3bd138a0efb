"""What a judge is asked: a text with places for the question and both answers, and how its verdict is read."""

import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from formats.errors import UserError
from formats.templates.escape import COMMON_SPECIAL_TOKENS

Verdict = Literal["a", "b", "tie"]
"""That the answer shown first is better, the one shown second, or neither."""

_LIBRARY = resources.files("train") / "evaluation" / "judging" / "prompts"
_PLACE = re.compile(r"\{(question|answer_a|answer_b|reference)\}")
_CHOICE, _SCORES = {"a", "b", "tie"}, {"score_a", "score_b"}

_THOUGHTS = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)
"""What a reasoning model says to itself before it replies."""

_CONTROL = re.compile("|".join([*map(re.escape, sorted(COMMON_SPECIAL_TOKENS, key=len, reverse=True)), r"<\|[^|<>\s]{1,40}\|>"]))
"""Special tokens as text: of the common model families, and whatever is written like the newer ones' own."""


@dataclass(frozen=True)
class Asked:
    """What a judge is sent: the system text and the user's turn, and how many tokens it may reply with."""

    system: str
    user: str
    max_new_tokens: int


class JudgePrompt(BaseModel):
    """A way to ask a judge, as its TOML file has it.

    The verdict is read in one line of the judge's reply only, so that what a judge quotes elsewhere decides nothing. The pattern is
    searched for in that line. Its named groups say what form the verdict has: `a`, `b` and `tie`, of which one matches, or `score_a` and
    `score_b`, two numbers from `lowest` to `highest` of which the higher wins.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    name: str
    about: str = ""
    system: str
    template: str
    pattern: str
    line: Literal["first", "last"]
    lowest: float = Field(1, strict=False)
    highest: float = Field(10, strict=False)
    max_new_tokens: int = Field(400, ge=1)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        missing = [place for place in ("question", "answer_a", "answer_b") if f"{{{place}}}" not in self.template]
        if missing:
            raise ValueError(f"template has no {{{missing[0]}}}")
        try:
            groups = set(re.compile(self.pattern).groupindex)
        except re.error as error:
            raise ValueError(f"pattern is no regular expression ({error})") from None
        if groups not in (_CHOICE, _SCORES):
            raise ValueError("pattern needs the named groups a, b and tie, or score_a and score_b, and no others")
        return self

    @property
    def has_references(self) -> bool:
        """Whether the judge is shown real replies."""
        return "{reference}" in self.template

    def ask(self, question: str, answer_a: str, answer_b: str, references: tuple[str, ...] = ()) -> Asked:
        """The prompt with all texts in their places, each quoted line by line; a placeholder within them stays text."""
        texts = {"question": quoted(question), "answer_a": quoted(answer_a), "answer_b": quoted(answer_b)}
        texts["reference"] = "\n\n".join(map(quoted, references))
        user = _PLACE.sub(lambda place: texts[place[1]], self.template)
        return Asked(self.system.strip(), user.strip(), self.max_new_tokens)

    def read(self, reply: str) -> Verdict | None:
        """The verdict in a judge's reply; None where there is none, or more than one."""
        said = _THOUGHTS.sub("", reply, count=1)
        lines = [line for line in said.splitlines() if line.strip()]
        if not lines or "<think>" in said:
            return None
        found = list(re.finditer(self.pattern, lines[0] if self.line == "first" else lines[-1]))
        verdicts = {self._verdict(match) for match in found}
        return verdicts.pop() if len(verdicts) == 1 else None

    def _verdict(self, match: re.Match[str]) -> Verdict | None:
        groups = match.groupdict()
        if "score_a" not in groups:
            chosen: list[Verdict] = [name for name in ("a", "b", "tie") if groups[name] is not None]
            return chosen[0] if len(chosen) == 1 else None
        try:
            a, b = float(groups["score_a"]), float(groups["score_b"])
        except (TypeError, ValueError):
            return None
        if not all(self.lowest <= score <= self.highest for score in (a, b)):
            return None
        return "tie" if a == b else "a" if a > b else "b"


def quoted(text: str) -> str:
    """A text as quoted material: a bar before every line, so that none of its lines can pass for one of the prompt's own.

    What a tokenizer could take for a special token gets a space behind its first character. Servers hand the whole prompt to it, and
    `<|im_end|>` in an answer would end the user's turn there.
    """
    if not text.strip():
        return "(nothing was written)"
    harmless = _CONTROL.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)
    return "\n".join(f"| {line}".rstrip() for line in harmless.strip().splitlines())


def builtin_judge_prompts() -> list[str]:
    """Names of the judge prompts that come with Lorum."""
    return sorted(file.name.removesuffix(".toml") for file in _LIBRARY.iterdir() if file.name.endswith(".toml"))


def load_judge_prompt(name: str) -> JudgePrompt:
    """A built-in judge prompt by its name, or one from a TOML file.

    Raises:
        UserError: there is neither, or the file is no judge prompt.
    """
    if name in builtin_judge_prompts():
        return _parsed((_LIBRARY / f"{name}.toml").read_text(encoding="utf-8"), name, name)
    file = Path(name)
    try:
        return _parsed(file.read_text(encoding="utf-8"), file.stem, name)
    except (OSError, UnicodeDecodeError):
        raise UserError(f"judge prompt {name}: no such file, and not one of {', '.join(builtin_judge_prompts())}") from None


def _parsed(toml: str, name: str, where: str) -> JudgePrompt:
    try:
        return JudgePrompt(**{"name": name, **tomllib.loads(toml)})
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"judge prompt {where}: not valid TOML ({error})") from None
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        said = fault["msg"].removeprefix("Value error, ")
        raise UserError(f"judge prompt {where}: {f'{key}: ' if key else ''}{said[:1].lower()}{said[1:]}; see the built-in ones") from None
