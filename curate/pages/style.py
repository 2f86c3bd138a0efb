"""The frame of every page: its style, and the policy by which nothing on it can run or load."""

from collections.abc import Iterable
from html import escape

from formats.visible import for_terminal_line

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""The page's content security policy: its own style sheet, and nothing else."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2327; --dim: #5a6670; --line: #dcdfdd; --paper: #fbfaf7; --card: #fff;
  --learn: #1f6b4a; --context: #7391a5; --drop: #c06a35; --stop: #f2c14e; --on-stop: #1d2327; --edge: #1b6f8a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e1; --dim: #a2adb5; --line: #333b41; --paper: #14181b; --card: #1b2125;
  --learn: #58b58a; --context: #6d8798; --drop: #d98a55; --stop: #d9a93c; --edge: #6fbad3; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 66rem; padding: 2.5rem 1.5rem 4rem; color: var(--ink); background: var(--paper);
  font: 16px/1.55 system-ui, sans-serif; overflow-wrap: break-word; }
h1, h2 { font-family: Charter, "Bitstream Charter", Cambria, Georgia, serif; line-height: 1.25; font-weight: 600; }
h1 { margin: 0; font-size: 2rem; }
h2 { margin: 3rem 0 1rem; font-size: 1.35rem; border-bottom: 1px solid var(--line); padding-bottom: .35rem; }
h3 { margin: 1.2rem 0 .5rem; font-size: .95rem; color: var(--dim); font-weight: 600; }
p { margin: .5rem 0; max-width: 46rem; }
.dim { color: var(--dim); }
td, p, .text { overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .28rem .6rem .28rem 0; vertical-align: top; }
th { font-weight: 600; color: var(--dim); font-size: .88rem; vertical-align: bottom; }
.rows td { border-top: 1px solid var(--line); } .rows td:first-child { min-width: 7rem; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; width: 7.5rem; padding-right: 1rem; overflow-wrap: normal; }
td.bar { width: 38%; vertical-align: middle; padding-right: 0; }
.bar i { display: block; height: .8rem; min-width: 2px; background: var(--drop); }
tr.left td { font-weight: 600; } tr.left .bar i { background: var(--learn); }
svg { display: block; width: 100%; overflow: visible; }
svg text { font: 11.5px system-ui, sans-serif; fill: var(--dim); font-variant-numeric: tabular-nums; }
svg.chart { width: calc(100% - 2.4rem); }
svg line { stroke: var(--ink); stroke-opacity: .16; } svg line.limit { stroke: var(--ink); stroke-opacity: .8; stroke-dasharray: 3 3; }
rect.learn { fill: var(--learn); } rect.context { fill: var(--context); } rect.drop { fill: var(--drop); }
rect.loop { fill: var(--drop); fill-opacity: .45; stroke: var(--drop); stroke-width: 1; }
.lying { overflow: hidden; }
svg line.whisker { stroke-opacity: 1; stroke-width: 1.6; } svg.dots { overflow: hidden; } svg.dots svg { overflow: visible; }
circle.adapter { fill: var(--learn); } circle.forum { fill: var(--paper); stroke: var(--context); stroke-width: 2.5; }
svg path { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }
svg.key { display: inline-block; width: 28px; margin-right: .4rem; }
path.base, svg.key line.base { stroke: var(--drop); stroke-dasharray: 2 4; stroke-opacity: 1; stroke-width: 2; }
path.adapter, svg.key line.adapter { stroke: var(--learn); stroke-opacity: 1; stroke-width: 2; }
path.forum, svg.key line.forum { stroke: var(--context); stroke-dasharray: 9 4; stroke-opacity: 1; stroke-width: 2; }
td.bar + td.dim { padding-left: .8rem; } .within { padding-left: 1rem; }
td.e, th.e { font-variant-numeric: tabular-nums; width: 21%; }
.text mark { background: var(--stop); color: var(--on-stop); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: 0 0 1rem; font-size: .88rem; color: var(--dim); }
.legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .4rem; vertical-align: -.08rem; }
i.learn { background: var(--learn); } i.context { background: var(--context); } i.drop { background: var(--drop); }
i.loop { border: 1px solid var(--drop); background: color-mix(in srgb, var(--drop) 45%, transparent); }
.outcome { display: grid; grid-template-columns: repeat(3, 1fr); gap: 1rem; margin: 0 0 .8rem; padding: 0; list-style: none; }
.outcome b { display: block; font: 600 1.7rem/1.2 Charter, "Bitstream Charter", Cambria, Georgia, serif; }
.outcome i { display: inline-block; width: .8rem; height: .8rem; margin-right: .4rem; vertical-align: -.08rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: 2rem 3rem; }
.charts.small { grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: 1.6rem 2rem; }
.charts > * { min-width: 0; }
figure { margin: 0 0 1.4rem; } figcaption { margin-bottom: .3rem; font-size: .94rem; color: var(--dim); }
figcaption b { display: block; color: var(--ink); font-size: 1rem; }
summary { cursor: pointer; } figure details { font-size: .88rem; color: var(--dim); } figure details table { margin-top: .3rem; }
.rule { border-top: 1px solid var(--line); } .rule:last-of-type { border-bottom: 1px solid var(--line); }
h2 + .rule { border-top: 0; margin-top: -.6rem; }
.rule > summary { padding: .55rem 0; } .rule > summary b { margin-right: .6rem; }
.rule > summary span { color: var(--dim); font-size: .92rem; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 0 2rem; padding-bottom: 1.4rem; }
.answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 16rem), 1fr)); gap: 0 1.6rem; margin-bottom: 1.6rem; }
.sides > *, .answers > * { min-width: 0; }
.post { border-left: 3px solid var(--line); margin: 0 0 1rem; padding: .05rem 0 .05rem .9rem; }
.post.dropped { border-color: var(--drop); } .post.kept { border-color: var(--learn); }
.post p { margin: 0; font-size: .84rem; color: var(--dim); } .post p b { color: var(--ink); font-weight: 600; }
.text { white-space: pre-wrap; overflow: hidden; margin: .2rem 0; max-height: 26rem; }
.text .title { display: block; font-weight: 600; }
.veil > summary { color: var(--dim); font-size: .9rem; font-style: italic; margin: .2rem 0; }
.hidden { font: 600 .68em/1 ui-monospace, monospace; color: var(--drop); border: 1px solid; border-radius: 3px; padding: 0 .2em;
  margin: 0 .1em; white-space: nowrap; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  padding: .9rem 1rem; font: 13.5px/1.5 ui-monospace, monospace; color: var(--dim); overflow: hidden; }
code { font: .9em/1 ui-monospace, monospace; }
pre b { color: var(--edge); font-weight: 600; } pre .reply { color: var(--ink); }
pre mark { background: var(--stop); color: var(--on-stop); }
@media (max-width: 40rem) {
  body { padding: 1.5rem 1rem 3rem; } h1 { font-size: 1.6rem; } .outcome b { font-size: 1.25rem; }
  .outcome { gap: .6rem; font-size: .88rem; }
  .rows td, .rows th { font-size: .84rem; padding-right: .3rem; } td.n, th.n { width: 4rem; padding-right: .4rem; }
  .rows td:first-child { min-width: 5.5rem; } .rules td.bar, .rules th.bar { display: none; } td.bar { width: 26%; }
}
@media print { body { max-width: none; padding: 0; } figure, .post { break-inside: avoid; } }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """A page of these parts, which are HTML; the title is text."""
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">'
        f"<title>{escape(for_terminal_line(title))}</title><style>{STYLE}</style>"
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{"".join(parts)}\n</body></html>\n'
