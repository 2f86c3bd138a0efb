"""A judging by pairs as sections of a page: the contestants' Elo on a scale, each pair, and answers side by side."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from curate.judged_pairs import elo_interval, judged_by, outcome_of, remarks, verdict_of, win_rate_of
from formats.visible import for_page, for_terminal_line

_ROW = 42
"""Height of a contestant's row on the scale, in pixels."""

_LEFT, _RIGHT = 4.0, 95.5
"""Where the scale begins and ends, in per cent of the width."""

_STEPS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_SUMMED_UP = 90
"""Characters of a question in the line that opens it."""

_CALLED = 48
"""Characters of a name on the scale; the table below has it whole."""


def judging_sections(result: Mapping[str, Any]) -> list[str]:
    """The sections of a judging, as HTML.

    Args:
        result: `JudgingResult.to_dict()`.
    """
    said = "".join(f"<p>{for_page(remark)}</p>" for remark in remarks(result))
    parts = ["<h2>Judged by pairs</h2>", f'<p class="dim">{for_page(judged_by(result))}.</p>', said]
    rated = [one for one in result["standings"] if one["elo"]]
    if rated:
        parts.append(_scale(rated, f"{result['confidence']:.0%}"))
    parts.append(_standings(result))
    if len(result["pairs"]) > 1:
        parts += ["<h3>Each against each</h3>", _pairs(result)]
    if result["examples"]:
        examples = [_example(example, is_open=place == 0) for place, example in enumerate(result["examples"])]
        parts += ["<h2>What the judge saw</h2>", *examples]
    return parts


def _scale(rated: Sequence[Mapping[str, Any]], interval: str) -> str:
    """Elo as dots with whiskers, a row each; the line at 1000 is the mean."""
    ends: list[float] = [value for one in rated for value in (one["elo"]["low"], one["elo"]["high"])]
    step = next((step for step in _STEPS if (max(ends) - min(ends)) / step <= 5), _STEPS[-1])
    low, high = float(min(*ends, 1000) // step * step), float(-(-max(*ends, 1000) // step) * step)
    tall = _ROW * len(rated)

    def x(value: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (value - low) / max(high - low, 1)

    ticks = [low + step * place for place in range(round((high - low) / step) + 1)]
    grid = "".join(
        f'<line{" class=limit" if tick == 1000 else ""} x1="{x(tick):.2f}%" x2="{x(tick):.2f}%" y1="0" y2="{tall}"/>'
        f'<text x="{x(tick):.2f}%" y="{tall + 16}" text-anchor="middle">{tick:.0f}</text>'
        for tick in ticks
    )
    rows = "".join(_dot(one, (place + 0.66) * _ROW, x) for place, one in enumerate(rated))
    summary = "; ".join(f"{one['name']} {one['elo']['value']:.0f} ({elo_interval(one['elo'])})" for one in rated)
    caption = f"Points are ratings, lines their {interval} intervals; the mean of all contestants is 1000."
    return (
        f"<figure><figcaption><b>Elo</b> {caption}</figcaption>"
        f'<svg role="img" height="{tall + 24}"><title>Elo</title><desc>{_plain(summary)}</desc>{grid}{rows}</svg></figure>'
    )


def _dot(one: Mapping[str, Any], y: float, x: Callable[[float], float]) -> str:
    elo = one["elo"]
    told = f"{one['name']}: {elo['value']:.0f}, {elo_interval(elo)}"
    name = one["name"] if len(one["name"]) <= _CALLED else "…" + one["name"][1 - _CALLED :]
    return (
        f'<g><title>{_plain(told)}</title><text x="0" y="{y - 12:.1f}">{_plain(name)}</text>'
        f'<line class="whisker" x1="{x(elo["low"]):.2f}%" x2="{x(elo["high"]):.2f}%" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<circle class="adapter" cx="{x(elo["value"]):.2f}%" cy="{y:.1f}" r="5"/></g>'
    )


def _standings(result: Mapping[str, Any]) -> str:
    head = _head("", "Elo", "won", "tied", "lost", "unread", "win rate")
    rows = []
    for one in result["standings"]:
        elo = _with_interval(f"{one['elo']['value']:.0f}", elo_interval(one["elo"])) if one["elo"] else "–"
        rows.append(_row(for_page(one["name"]) + f' <span class="dim">{escape(_KINDS[one["kind"]])}</span>', elo, *_counts(one["tally"])))
    return f'<table class="rows">{head}{"".join(rows)}</table>'


_KINDS = {"adapter": "", "base": "without adapter", "file": "from a file"}


def _pairs(result: Mapping[str, Any]) -> str:
    head = _head("", "won", "tied", "lost", "unread", "win rate", "turned")
    rows = [
        _row(f"{for_page(pair['first'])} against {for_page(pair['second'])}", *_counts(pair["tally"]), f"{pair['changed']:,}")
        for pair in result["pairs"]
    ]
    said = '<p class="dim">Told from the side of the first; turned: ties because the verdict turned with the order.</p>'
    return f'{said}<table class="rows">{head}{"".join(rows)}</table>'


def _counts(tally: Mapping[str, Any]) -> list[str]:
    """The cells of a tally: counts and win rate."""
    counts = [f"{tally[how]:,}" for how in ("wins", "ties", "losses", "unreadable")]
    share, _, interval = win_rate_of(tally["win_rate"]).partition(" ")
    return [*counts, _with_interval(share, interval)]


def _with_interval(value: str, interval: str) -> str:
    return f'{escape(value)}<br><span class="dim">{escape(interval)}</span>' if interval else escape(value)


def _head(*names: str) -> str:
    cells = "".join(f'<th class="n">{escape(name)}</th>' for name in names[1:])
    return f"<tr><th>{escape(names[0])}</th>{cells}</tr>"


def _row(*cells: str) -> str:
    """A row of a table; the cells are HTML."""
    others = "".join(f'<td class="n">{cell}</td>' for cell in cells[1:])
    return f"<tr><td>{cells[0]}</td>{others}</tr>"


def _example(example: Mapping[str, Any], is_open: bool) -> str:
    """A question to open, with both answers side by side and the judge's words below them."""
    won = {"first": (True, False), "second": (False, True)}.get(example["outcome"], (False, False))
    sides = "".join(
        f'<div class="post{" kept" if is_winner else ""}"><p><b>{for_page(name)}</b></p><div class="text">{_text(answer)}</div></div>'
        for name, answer, is_winner in zip(example["names"], example["answers"], won, strict=True)
    )
    words = "".join(
        f'<div class="post"><p>{("In this order: ", "The other way round: ")[place]}<b>{for_page(verdict_of(example, place))}</b></p>'
        f'<div class="text dim">{_text(example["words"][place])}</div></div>'
        for place in (0, 1)
    )
    asked = for_page(for_terminal_line(example["question"], _SUMMED_UP))
    category = f" · {for_page(example['category'])}" if example["category"] else ""
    summary = f"<summary><b>{for_page(outcome_of(example))}</b> <span>{asked}{category}</span></summary>"
    return (
        f'<details class="rule"{" open" if is_open else ""}>{summary}'
        f'<div class="text">{for_page(example["question"])}</div><h3>Answers</h3><div class="sides">{sides}</div>'
        f'<h3>The judge</h3><div class="sides">{words}</div></details>'
    )


def _text(text: str) -> str:
    return for_page(text) if text.strip() else '<span class="dim">(nothing)</span>'


def _plain(text: str) -> str:
    """Text inside an SVG, where no element of HTML may stand."""
    return escape(for_terminal_line(text))
