"""The shelf of adapters for the terminal: a table of all, or one whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.evaluated import evaluation_lines, two
from formats.contract.lines import point_lines
from formats.visible import cut, for_terminal_line
from train.memory.sizes import shown_size
from train.shelf.describing import Damaged, Description

NOTHING = "–"

_LONGEST = 22
"""Characters of a cell; what is longer is cut, and whole in `info` and with --json."""

_HEAD = ("name", "base", "template", "stop", "rank", "size", "samples", "stops", "toxicity", "written")
_NUMBERS = frozenset({"rank", "size", "samples", "stops", "toxicity"})


@dataclass(frozen=True)
class Whole:
    """One adapter with all that its folder says of it.

    Args:
        files: sizes in bytes by name.
        agreement: the points of `check_adapter`.
        evaluation: what `lorum eval` noted; None where it was not run.
    """

    description: Description
    settings: Mapping[str, Any]
    decoding: Mapping[str, Any]
    files: Mapping[str, int]
    agreement: Sequence[Mapping[str, Any]]
    evaluation: Mapping[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **self.description.to_dict(),
            "settings": dict(self.settings),
            "decoding": dict(self.decoding),
            "files": dict(self.files),
            "agreement": list(self.agreement),
            "evaluation": self.evaluation,
        }


def shelf_lines(found: Sequence[Description | Damaged]) -> list[str]:
    """A table of adapters, and below it those that are damaged."""
    rows = [_row(one) for one in found if isinstance(one, Description)]
    lines = []
    if rows:
        widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(len(_HEAD))]
        for row in (_HEAD, *rows):
            cells = [
                f"{cell:>{width}}" if name in _NUMBERS else f"{cell:<{width}}" for name, cell, width in zip(_HEAD, row, widths, strict=True)
            ]
            lines.append("  ".join(cells).rstrip())
    lines += [for_terminal_line(f"damaged: {one.name}: {one.problem}") for one in found if isinstance(one, Damaged)]
    return lines


def whole_lines(whole: Whole) -> list[str]:
    """One adapter in lines."""
    about = whole.description
    facts = {
        "folder": str(about.folder),
        "base": about.base,
        "template": about.template,
        "stop": f"{about.stop!r}, then {about.token}",
        "rank": str(about.rank),
        "size": shown_size(about.bytes),
        "learned from": _learned_from(about),
        "written": f"{about.written:%Y-%m-%d %H:%M} UTC",
    }
    lines = [about.name, *_table(facts)]
    skipped = {"rank", "base"}
    lines += ["", "training"] if about.mixed_of is None else ["", "training, as the part that counts most says"]
    lines += _table({key: _value(value) for key, value in whole.settings.items() if key not in skipped and value is not None})
    lines += ["", "decoding", *_table({key: f"{value:g}" for key, value in whole.decoding.items()})]
    lines += ["", "files", *_table({name: f"{size:,} bytes" for name, size in whole.files.items()})]
    lines += ["", "stop", *point_lines(list(whole.agreement)), ""]
    if whole.evaluation is None:
        return [*lines, f"Not evaluated yet: lorum eval {for_terminal_line(str(about.folder))}"]
    return [*lines, *evaluation_lines({**whole.evaluation, "examples": []})]


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) or NOTHING if isinstance(value, list | tuple) else str(value)


def _row(one: Description) -> tuple[str, ...]:
    return (
        cut(for_terminal_line(one.name), _LONGEST),
        cut(for_terminal_line(Path(one.base).name), _LONGEST),
        cut(for_terminal_line(one.template), _LONGEST),
        cut(for_terminal_line(repr(one.stop)[1:-1]), _LONGEST),
        str(one.rank),
        shown_size(one.bytes),
        "mix" if one.mixed_of else NOTHING if one.samples is None else f"{one.samples:,}",
        NOTHING if one.termination_rate is None else two(one.termination_rate),
        NOTHING if one.toxicity is None else two(one.toxicity),
        f"{one.written:%Y-%m-%d}",
    )


def _learned_from(one: Description) -> str:
    if one.mixed_of:
        return "a mix of " + ", ".join(f"{name}={weight:g}" for name, weight in one.mixed_of.items())
    return "not said" if one.samples is None else f"{one.samples:,} samples"


def _table(facts: Mapping[str, str]) -> list[str]:
    width = max(map(len, facts), default=0)
    return [f"  {for_terminal_line(name):<{width}}  {for_terminal_line(value)}" for name, value in facts.items()]
