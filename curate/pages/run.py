"""The report of a run as one page."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from curate.files import read_json, write_json, write_text
from curate.manifest import stage_of
from curate.pages.evaluation import evaluation_sections
from curate.pages.judged import REPORT, judged_sections
from curate.pages.judging_pairs import judging_sections
from curate.pages.routing import routing_sections
from curate.pages.style import page
from curate.report import Row, adds_up, run_table, training_lines
from formats.contract.lines import SIGNS
from formats.rendering.render import pieces
from formats.samples import folder_template, read_split
from formats.templates.template import Template
from formats.visible import for_page

SHOWN = 4
DRAWN_FROM = 10_000
"""Samples of the first threads: enough to choose a few from, and read at once however many there are."""


def write_report(run: dict[str, Any], out: Path) -> None:
    """Writes `report.json` (the funnel, row by row, and every stage's figures) and `report.html` into the run's folder."""
    rows = run_table(run["stages"])
    funnel = [{"label": row.label, "count": row.count, "left": row.sign == "="} for row in rows]
    write_json({"name": run["name"], "funnel": funnel, "adds_up": adds_up(rows), "stages": run["stages"]}, out / "report.json")
    write_text(report_page(run, out), out / REPORT)


def note_evaluation_in_run(result: dict[str, Any], seconds: float, adapter: Path, samples: Path) -> None:
    """Notes a new evaluation of a run's adapter in the record and the report of that run; does nothing where the adapter is of no run.

    Where it was made with other settings or samples than the run's own, the run would evaluate again: the stage keeps no fingerprint.
    """
    out = adapter.resolve().parent
    record = read_json(out / "run.json")
    if "lorum" not in record or adapter.resolve() != out / "adapter":
        return
    stages: dict[str, Any] = record["stages"]
    stage = {**stages.get("eval", {}), "counts": result, "seconds": round(seconds, 2)}
    is_the_runs_own = samples.resolve() == out / "samples" and result["about"]["settings"] == record["recipe"].get("eval")
    if not is_the_runs_own:
        stage["fingerprint"] = None
    stages["eval"] = stage
    write_json(record, out / "run.json")
    write_report(record, out)


def note_judging_in_run(judged: dict[str, Any], out: Path) -> None:
    """Notes what a judge said of a run's adapter in the record and the report of that run; does nothing where `out` holds no run."""
    _note_in_run("judged", judged, out)


def note_routing_in_run(routed: dict[str, Any], out: Path) -> None:
    """Notes how messages are routed between a run's adapter and others, likewise."""
    _note_in_run("routed", routed, out)


def _note_in_run(name: str, found: dict[str, Any], out: Path) -> None:
    record = read_json(out / "run.json")
    if "lorum" in record:
        write_json({**record, name: found}, out / "run.json")
        write_report({**record, name: found}, out)


def report_page(run: dict[str, Any], out: Path) -> str:
    """The page of a run in the folder `out`, as far as it went."""
    stages = run["stages"]
    seconds = " · ".join(f"{name} {stage['seconds']:g} s" for name, stage in stages.items())
    parts = [
        f"<h1>{for_page(run['name'])}</h1>",
        f'<p class="dim">Lorum {escape(run["lorum"])} · {escape(run["started"])} · {escape(seconds)}</p>',
        "<h2>Where every line went</h2>",
        _funnel(run_table(stages)),
    ]
    if "filter" in stages and stage_of(out / "judged") == "judged":
        parts += judged_sections(out / "judged")
    if "check" in stages:
        parts += ["<h2>The stop</h2>", _contract(stages["check"]["counts"])]
    if "format" in stages:
        parts += ["<h2>Samples</h2>", '<p class="dim">Grey carries no loss; ink does. ■ is the base model\'s own end token.</p>']
        parts += _samples(out / "samples")
    if "train" in stages:
        figures = training_lines(stages["train"]["counts"])
        parts += ["<h2>Training</h2>", f"<pre>{escape(chr(10).join(figures))}</pre>"]
    if run.get("trained_on_forgotten"):
        parts.append("<p><strong>Some of the samples were forgotten after this training. Weights cannot forget: train again.</strong></p>")
    if "eval" in stages:
        parts += ["<h2>Base and adapter</h2>", *evaluation_sections(stages["eval"]["counts"])]
    if "judged" in run:
        parts += judging_sections(run["judged"])
    if "routed" in run:
        parts += routing_sections(run["routed"])
    return page(f"{run['name']} — Lorum", parts)


def _funnel(rows: Sequence[Row]) -> str:
    most = max((row.count for row in rows), default=1) or 1
    lines = [
        f'<tr class="{"left" if row.sign == "=" else ""}"><td>{escape(row.label)}</td>'
        f'<td class="n">{"" if row.sign == "=" else "−"}{row.count:,}</td>'
        f'<td class="bar"><i style="width:{100 * row.count / most:.2f}%"></i></td></tr>'
        for row in rows
        if row.count or row.sign == "="
    ]
    return f"<table>{''.join(lines)}</table>"


def _contract(report: dict[str, Any]) -> str:
    stop = "".join(report["stop"]["strings"])
    over = f"; {report['too_long']:,} over the limit are left out" if report["too_long"] else ""
    rows = f"{report['rows']:,} samples, the longest of {report['longest']:,} tokens{over}"
    points = "".join(
        f'<tr><td>{SIGNS[point["holds"]]}</td><td class="said">{for_page(point["says"])}'
        + "".join(f'<br><span class="dim">{for_page(more)}</span>' for more in (point["counterexample"], point["mend"]) if more)
        + "</td></tr>"
        for point in report["points"]
    )
    ids = escape(" ".join(map(str, report["stop_token_ids"])))
    return f"<p><code>{escape(repr(stop))}</code> = tokens {ids}. {rows}.</p><table>{points}</table>"


def _samples(folder: Path) -> list[str]:
    template = folder_template(folder)
    rows = read_split(folder, "train", first=DRAWN_FROM)
    chosen = rows.sample(min(SHOWN, rows.height), seed=0)
    return [_sample(prompt, completion, template) for prompt, completion in chosen.iter_rows()]


def _sample(prompt: str, completion: str, template: Template) -> str:
    shown = [f"<b>{escape(piece)}</b>" if is_boundary else for_page(piece) for is_boundary, piece in pieces(prompt, template)]
    reply = completion.removesuffix(template.stop)
    return f'<pre>{"".join(shown)}<span class="reply">{for_page(reply)}</span><mark>{escape(template.stop)}■</mark></pre>'
