"""Charts as inline SVG: drawn in per cent of their width, so that they fit any, and readable without seeing them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count

HEIGHT = 150
"""Of a chart's bars, in pixels."""

_ABOVE, _BELOW = 18, 24
_GRID_LINES = 3
_GAP = 0.14
"""Of a bar's place, left empty beside it."""

_WIDEST_BAR = 8.0
"""In per cent of the chart: few bars are no blocks."""


@dataclass(frozen=True)
class Series:
    """One of the parts of which bars are stacked: its name, and its class in the style sheet."""

    name: str
    look: str


@dataclass(frozen=True)
class Bar:
    """A bar: what it stands for, in text that is no stranger's, and the count of each series."""

    label: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Chart:
    """Bars side by side.

    Args:
        ticks: by the place of a bar, what stands below its middle.
        logarithmic: heights are log10(1 + count), for counts of very different sizes; for one series only, as heights do not add up.
        limit: how many bars stand before a limit, where a line is drawn.
    """

    title: str
    summary: str
    series: Sequence[Series]
    bars: Sequence[Bar]
    ticks: Mapping[int, str] | Mapping[float, str]
    logarithmic: bool = False
    limit: float | None = None


def figure(chart: Chart) -> str:
    """The chart with its title, its summary and a table of its values to open."""
    caption = f"<figcaption><b>{escape(chart.title)}</b> {escape(chart.summary)}</figcaption>"
    if not any(sum(bar.counts) for bar in chart.bars):
        return f"<figure>{caption}</figure>"
    return f"<figure>{caption}{_svg(chart)}{_values(chart)}</figure>"


def legend(series: Sequence[Series]) -> str:
    """What the colours mean."""
    named = (f'<span><i class="{one.look}"></i>{escape(one.name)}</span>' for one in series)
    return f'<p class="legend">{" ".join(named)}</p>'


def stacked(counts: Sequence[int], series: Sequence[Series], most: int) -> str:
    """One bar lying down, as long as its share of `most`; what it says stands beside it, so readers that read aloud pass it over."""
    parts, begin = [], 0.0
    for number, one in zip(counts, series, strict=True):
        width = 100 * number / most if most else 0.0
        if number:
            parts.append(f'<rect class="{one.look}" x="{begin:.2f}%" width="{max(width, 0.3):.2f}%" height="12"/>')
        begin += width
    return f'<svg class="lying" aria-hidden="true" height="12">{"".join(parts)}</svg>'


def _values(chart: Chart) -> str:
    heads = "".join(f'<th class="n">{escape(series.name)}</th>' for series in chart.series)
    rows = (
        f"<tr><td>{escape(bar.label)}</td>" + "".join(f'<td class="n">{number:,}</td>' for number in bar.counts) + "</tr>"
        for bar in chart.bars
        if sum(bar.counts)
    )
    return f"<details><summary>Values</summary><table><tr><th></th>{heads}</tr>{''.join(rows)}</table></details>"


def _svg(chart: Chart) -> str:
    top = max(sum(bar.counts) for bar in chart.bars)
    scale = math.log10(1 + top) if chart.logarithmic else float(top)
    place = min(100 / len(chart.bars), _WIDEST_BAR)
    lines = [_grid(value, _height(value, scale, chart.logarithmic)) for value in _grid_values(top, chart.logarithmic)]
    bars = [_bar(bar, chart, index * place, place, scale) for index, bar in enumerate(chart.bars)]
    ticks = [
        f'<text x="{(index + 0.5) * place:.2f}%" y="{_ABOVE + HEIGHT + 16}" text-anchor="{_anchor(index, place)}">{escape(text)}</text>'
        for index, text in chart.ticks.items()
    ]
    x = f"{(chart.limit or 0) * place:.2f}%"
    limit = "" if chart.limit is None else f'<line class="limit" x1="{x}" x2="{x}" y1="0" y2="{_ABOVE + HEIGHT}"/>'
    tall = _ABOVE + HEIGHT + _BELOW
    return (
        f'<svg class="chart" role="img" height="{tall}"><title>{escape(chart.title)}</title><desc>{escape(chart.summary)}</desc>'
        f"{''.join(lines)}{''.join(bars)}{limit}{''.join(ticks)}</svg>"
    )


def _bar(bar: Bar, chart: Chart, x: float, place: float, scale: float) -> str:
    parts, bottom = [], float(_ABOVE + HEIGHT)
    width = place * (1 - _GAP)
    for number, series in zip(bar.counts, chart.series, strict=True):
        if number:
            height = _height(number, scale, chart.logarithmic)
            bottom -= height
            sizes = f'x="{x + place * _GAP / 2:.3f}%" width="{width:.3f}%" y="{bottom:.1f}" height="{max(height, 0.7):.1f}"'
            parts.append(f'<rect class="{series.look}" {sizes}/>')
    if not parts:
        return ""
    told = "; ".join(f"{series.name} {number:,}" for number, series in zip(bar.counts, chart.series, strict=True))
    return f"<g><title>{escape(f'{bar.label}: {told}')}</title>{''.join(parts)}</g>"


def _grid(value: int, height: float) -> str:
    y = _ABOVE + HEIGHT - height
    number = f'<text x="100%" dx="7" y="{y + 4:.1f}">{short(value)}</text>'
    return f'<line x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>{number}'


def _height(number: int, scale: float, logarithmic: bool) -> float:
    return HEIGHT * (math.log10(1 + number) if logarithmic else number) / scale


def _grid_values(top: int, logarithmic: bool) -> list[int]:
    if logarithmic:
        decades = len(str(top))
        return [10**power for power in range(0, decades, math.ceil(decades / _GRID_LINES))]
    step = next(step for step in _steps() if step * _GRID_LINES >= top)
    return list(range(step, top + 1, step))


def _steps() -> Iterator[int]:
    """1, 2, 5, 10, 20, 50, …"""
    return (digit * 10**power for power in count() for digit in (1, 2, 5))


def _anchor(index: float, place: float) -> str:
    middle = (index + 0.5) * place
    return "start" if middle < 1 else "end" if middle > 99 else "middle"


def short(value: int) -> str:
    """A number in few characters: 950, 12k, 3M; minus as a minus sign."""
    sign, value = ("−" if value < 0 else ""), abs(value)
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{sign}{value / size:.3g}{letter}"
    return f"{sign}{value}"
