"""Estimates as dots with whiskers: inline SVG in per cent of its width, each with its own scale, readable without seeing it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_ROW = 22
_FIRST, _LAST = 21.0, 97.0
"""Where the scale begins and ends, in per cent."""

_ABOVE = 6


@dataclass(frozen=True)
class Point:
    """An estimate of `who`: its value, its interval where there is one, and both in words."""

    who: str
    value: float
    interval: tuple[float, float] | None
    says: str


@dataclass(frozen=True)
class Measure:
    """Estimates of one measure, beneath each other.

    Args:
        most: where the scale ends; None: behind the highest end of a whisker. It begins at 0.
        mark: a value to which a line is drawn.
    """

    title: str
    says: str
    points: Sequence[Point]
    most: float | None
    mark: float | None = None


def measures(shown: Sequence[Measure]) -> str:
    """Measures side by side, without those of which nothing is known."""
    return f'<div class="charts small">{"".join(_figure(one) for one in shown if one.points)}</div>'


def _figure(measure: Measure) -> str:
    ends = [point.interval[1] if point.interval else point.value for point in measure.points]
    most = measure.most or _round_up(max(ends))
    bottom = _ABOVE + _ROW * len(measure.points)
    told = "; ".join(f"{point.who} {point.says}" for point in measure.points)
    ticks = [(0.0, "0", "middle"), (most / 2, f"{most / 2:.3g}", "middle"), (most, f"{most:.3g}", "end")]
    axis = [f'<line x1="{_FIRST}%" x2="{_LAST}%" y1="{bottom}" y2="{bottom}"/>']
    axis += [f'<text x="{_x(at, most):.2f}%" y="{bottom + 15}" text-anchor="{anchor}">{text}</text>' for at, text, anchor in ticks]
    if measure.mark is not None:
        x = f"{_x(measure.mark, most):.2f}%"
        axis.append(f'<line class="limit" x1="{x}" x2="{x}" y1="0" y2="{bottom}"/>')
    rows = [_row(point, _ABOVE + _ROW * place + _ROW // 2, most) for place, point in enumerate(measure.points)]
    return (
        f"<figure><figcaption><b>{escape(measure.title)}</b> {escape(measure.says)}</figcaption>"
        f'<svg class="dots" role="img" height="{bottom + 20}"><title>{escape(measure.title)}</title><desc>{escape(told)}</desc>'
        f"{''.join(axis)}{''.join(rows)}</svg></figure>"
    )


def _round_up(value: float) -> float:
    """The next of 1, 2, 3, 4, 6, 8 times a power of ten: a scale whose middle is a short number too."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(digit * power for digit in (1, 2, 3, 4, 6, 8, 10) if digit * power >= value)


def _row(point: Point, y: int, most: float) -> str:
    """The name, the whisker, and the value as a dot, whose form tells who it is: square base, round adapter, hollow forum."""
    whisker = ""
    if point.interval:
        low, high = (_x(end, most) for end in point.interval)
        whisker = f'<line class="whisker" x1="{low:.2f}%" x2="{high:.2f}%" y1="{y}" y2="{y}"/>'
    x = f"{_x(point.value, most):.2f}%"
    dot = f'<circle class="{escape(point.who)}" cx="{x}" cy="{y}" r="5"/>'
    if point.who == "base":
        dot = f'<svg x="{x}" y="{y}" width="1" height="1"><rect class="drop" x="-4.5" y="-4.5" width="9" height="9"/></svg>'
    name = f'<text x="0" y="{y + 4}">{escape(point.who)}</text>'
    return f"<g><title>{escape(f'{point.who}: {point.says}')}</title>{name}{whisker}{dot}</g>"


def _x(value: float, most: float) -> float:
    return _FIRST + (_LAST - _FIRST) * min(max(value / most, 0.0), 1.0)
