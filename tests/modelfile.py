"""Reads a Modelfile by Ollama's documented grammar (docs/modelfile.mdx), and renders the part of Go's templates that Lorum writes."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

INSTRUCTIONS = {"FROM", "PARAMETER", "TEMPLATE", "SYSTEM", "ADAPTER", "LICENSE", "MESSAGE", "REQUIRES"}

_ACTION = re.compile(r"\{\{ (.*?) \}\}", re.DOTALL)


@dataclass
class Modelfile:
    """The instructions of a Modelfile; `parameters` by their names, each with all of its values."""

    instructions: dict[str, str]
    parameters: dict[str, list[str]]


def parse_modelfile(text: str) -> Modelfile:
    """Comments, then instructions with an argument: to the end of the line, or between quotation marks (one or three) over several.

    As Ollama's parser, it drops what cannot be printed; white space around an argument is no part of it.
    """
    kept = "".join(character for character in text if character.isprintable() or character in "\n\t")
    found = Modelfile({}, {})
    while kept := kept.lstrip():
        if kept.startswith("#"):
            kept = kept.partition("\n")[2]
            continue
        name, kept = re.split(r"[ \t]+", kept, maxsplit=1)
        assert name.upper() in INSTRUCTIONS, name
        parameter = None
        if name.upper() == "PARAMETER":
            parameter, kept = re.split(r"[ \t]+", kept, maxsplit=1)
            assert re.fullmatch(r"\w+", parameter), parameter
        argument, kept = _argument(kept)
        if parameter is None:
            found.instructions[name.upper()] = argument
        else:
            found.parameters.setdefault(parameter, []).append(argument)
    assert "FROM" in found.instructions
    return found


def render_go(template: str, system: str, messages: Sequence[Mapping[str, str]]) -> str:
    """What Go's text/template makes of a template of text, constants, variables, `range`, `if`, `else if`, `and` and `eq`."""
    pieces = list(_pieces(template))
    data = {"System": system, "Messages": [{name.title(): value for name, value in message.items()} for message in messages]}
    told, end = _render(pieces, 0, data, data, {})
    assert end == len(pieces)
    return told


def _argument(text: str) -> tuple[str, str]:
    quote = '"""' if text.startswith('"""') else '"' if text.startswith('"') else ""
    if not quote:
        line, _, after = text.partition("\n")
        return line.strip(), after
    end = re.compile(rf"{quote}[ \t]*(\n|\Z)").search(text, len(quote))
    assert end, f"{text[:40]!r} is not closed"
    return text[len(quote) : end.start()], text[end.end() :]


def _pieces(template: str) -> Iterator[tuple[bool, str]]:
    """Texts and actions; a text holds no opening of an action."""
    for place, piece in enumerate(_ACTION.split(template)):
        assert place % 2 or "{{" not in piece, piece
        if piece:
            yield bool(place % 2), piece


def _render(pieces: list[tuple[bool, str]], at: int, dot: Any, root: Any, variables: dict[str, Any], shown: bool = True) -> tuple[str, int]:
    """Renders up to the `end` or `else` that closes this block: its text, and where that stands."""
    told = ""
    while at < len(pieces):
        is_action, piece = pieces[at]
        if not is_action:
            told += piece
        elif piece == "end" or piece.startswith("else"):
            break
        elif piece.startswith("range "):
            items = _value(piece.removeprefix("range "), dot, root, variables) if shown else []
            inner = [_render(pieces, at + 1, item, root, variables) for item in items]
            told += "".join(text for text, _ in inner)
            at = inner[0][1] if inner else _render(pieces, at + 1, {}, root, dict(variables), shown=False)[1]
        elif piece.startswith("if "):
            done, condition = not shown, piece
            while condition:
                holds = not done and bool(_value(condition.removeprefix("else ").removeprefix("if "), dot, root, variables))
                text, at = _render(pieces, at + 1, dot, root, variables if holds else dict(variables), shown=holds)
                told, done = told + (text if holds else ""), done or holds
                condition = "" if pieces[at][1] == "end" else pieces[at][1]
        elif assigned := re.fullmatch(r"(\$\w+) :?= (.*)", piece):
            variables[assigned[1]] = _value(assigned[2], dot, root, variables)
        elif shown:
            told += _value(piece, dot, root, variables)
        at += 1
    return told, at


def _value(expression: str, dot: Any, root: Any, variables: dict[str, Any]) -> Any:
    name, *arguments = re.findall(r'"(?:[^"\\]|\\.)*"|\S+', expression)
    if arguments:
        values = [_value(argument, dot, root, variables) for argument in arguments]
        return values[0] == values[1] if name == "eq" else {"and": all}[name](values)
    if name.startswith('"'):
        return json.loads(re.sub(r"\\U([0-9a-f]{8})", lambda found: json.dumps(chr(int(found[1], 16)))[1:-1], name))
    if name in ("true", "false"):
        return name == "true"
    if name.startswith("$."):
        return root[name[2:]]
    return variables[name] if name.startswith("$") else dot[name[1:]]
