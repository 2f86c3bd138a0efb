"""How values are spread, as steps: the share of them that is at most so much, one line for each group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

HEIGHT = 170
_ABOVE, _BELOW = 10, 24
_TICKS = 4


@dataclass(frozen=True)
class Steps:
    """Values of groups by name, each at most `most`; a name is also the class of its line in the style sheet."""

    title: str
    summary: str
    groups: Mapping[str, Sequence[int]]
    most: int


def steps(shown: Steps) -> str:
    """The figure with its title, its summary and a legend; lines differ in their dashes as well as in colour."""
    groups = {name: values for name, values in shown.groups.items() if values}
    most = max([shown.most, *(max(values) for values in groups.values())])
    named = "".join(
        f'<span><svg class="key" aria-hidden="true" width="28" height="8"><line class="{escape(name)}" x1="0" x2="28" y1="4" y2="4"/></svg>'
        f"{escape(name)}</span>"
        for name in groups
    )
    grid = [_grid(share) for share in (0.0, 0.5, 1.0)]
    ticks = [
        f'<text x="{100 * place / _TICKS:.0f}%" y="{_ABOVE + HEIGHT + 16}" text-anchor="{_anchor(place)}">{most * place // _TICKS}</text>'
        for place in range(_TICKS + 1)
    ]
    lines = [f'<path class="{escape(name)}" d="{_path(values, most)}"/>' for name, values in groups.items()]
    return (
        f"<figure><figcaption><b>{escape(shown.title)}</b> {escape(shown.summary)}</figcaption>"
        f'<p class="legend">{named}</p>'
        f'<svg class="chart steps" role="img" height="{_ABOVE + HEIGHT + _BELOW}"><title>{escape(shown.title)}</title>'
        f"<desc>{escape(shown.summary)}</desc>{''.join(grid)}{''.join(ticks)}"
        f'<svg x="0" y="{_ABOVE}" width="100%" height="{HEIGHT}" viewBox="0 0 1000 1000" preserveAspectRatio="none">{"".join(lines)}</svg>'
        "</svg></figure>"
    )


def _path(values: Sequence[int], most: int) -> str:
    """The steps in a square of 1000 by 1000, from the lower left to the right."""
    parts = ["M0 1000"]
    ranked = sorted(values)
    for place, value in enumerate(ranked, 1):
        if place == len(ranked) or ranked[place] != value:
            parts.append(f"H{1000 * value / most:.1f}V{1000 - 1000 * place / len(ranked):.1f}")
    return "".join([*parts, "H1000"])


def _grid(share: float) -> str:
    y = _ABOVE + HEIGHT * (1 - share)
    return f'<line x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/><text x="100%" dx="7" y="{y + 4:.1f}">{share:.0%}</text>'


def _anchor(place: int) -> str:
    return "start" if place == 0 else "end" if place == _TICKS else "middle"
