"""The parts of a page that stand above its samples: the stop contract, and the template with its stop."""

from collections.abc import Sequence
from html import escape

from formats.contract.report import ContractReport, Point
from formats.templates.template import Template
from formats.visible import for_page

_SIGNS = {True: ("✓", "holds"), False: ("✗", "fails"), None: ("–", "")}
_WORDS = {True: "holds", False: "fails", None: "not judged"}


def contract_section(report: ContractReport | None, base: str | None) -> str:
    """What the check of the stop contract found, point by point; open where a point fails. Without a report, how to get one."""
    if report is None:
        return _part("contract", "Stop contract", "not checked: give a base model with --base", "", is_open=False)
    failing = [point for point in report.points if point.holds is False]
    judged = [point for point in report.points if point.holds is not None]
    fails = f"✗ {len(failing)} of {len(judged)} points {'fails' if len(failing) == 1 else 'fail'}"
    said = fails if failing else f"✓ holds in all {len(judged)} points"
    does = "leaves them out" if report.trainer == "lorum" else "cuts them"
    short = (
        f'<span class="short">· {report.too_long:,} of {report.rows:,} samples are too long: training {does}</span>'
        if report.too_long
        else ""
    )
    tokens = f", the tokens {escape(', '.join(map(str, report.stop_token_ids)))}" if report.stop_token_ids else ""
    facts = (
        f"<p>{report.rows:,} samples read with the tokenizer of {for_page(base or '')}; the longest has {report.longest:,} tokens; "
        f"{report.too_long:,} are longer than a training takes. The stop is {_literal(_stop(report))}"
        f"{tokens}.</p>"
    )
    head = '<tr><th scope="col"></th><th scope="col">point</th><th class="n" scope="col">samples</th></tr>'
    table = f"<table>{head}{''.join(map(_row, sorted(report.points, key=lambda point: point.holds is not False)))}</table>"
    look = "fails" if failing else "holds"
    return _part("contract", "Stop contract", f'<span class="{look}">{escape(said)}</span> {short}', facts + table, is_open=bool(failing))


def template_section(template: Template) -> str:
    """The template as its file says it, and its stop."""
    said = f"{for_page(template.name)} · stops with {_literal(template.stop)}"
    return _part("template", "Template", said, f"<pre>{for_page(template.to_toml())}</pre>", is_open=False)


def _row(point: Point) -> str:
    sign, look = _SIGNS[point.holds]
    more: Sequence[tuple[str, str | None]] = (("Counterexample", point.counterexample), ("To mend it", point.mend))
    told = "".join(f'<span class="more">{what}: {for_page(text)}</span>' for what, text in more if text and point.holds is False)
    return (
        f'<tr><td class="sign {look}" title="{_WORDS[point.holds]}"><span aria-hidden="true">{sign}</span></td>'
        f'<td><b>{for_page(point.name)}</b>: {for_page(point.says)}{told}</td><td class="n">{point.count:,} of {point.of:,}</td></tr>'
    )


def _stop(report: ContractReport) -> str:
    text, token = "".join(report.stop.strings), report.stop.token
    return text if text.endswith(token) else text + token


def _literal(text: str) -> str:
    return f"<code>{for_page(text.replace(chr(10), '↵'))}</code>"


def _part(name: str, title: str, said: str, inside: str, *, is_open: bool) -> str:
    """A part to open; `said` and `inside` are HTML."""
    return f'<details id="{name}"{" open" if is_open else ""}><summary><b>{escape(title)}</b> {said}</summary>{inside}</details>'
