"""Shows examples of what each rule dropped and kept, without the names of their authors."""

import inspect
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import polars as pl

from curate.console import counted
from curate.pages.drawing import rows_of
from filters.catalogue import RULES
from formats.visible import cut, for_page

SHOWN = 400
"""Characters of a text."""

VEILED_OVER = 0.5
"""Of any score of toxicity: such a text is read only by who opens it."""

_NAME_AUTHORS = ("authors", "bots")
"""Rules with names of authors among their settings, of which the page gives the number only."""

_OFTEN_TOXIC = ("toxicity", "nsfw", "words")
"""Rules whose dropped posts nobody should meet unasked."""


def examples_section(examples: pl.DataFrame, report: Mapping[str, Any], authors: pl.DataFrame) -> list[str]:
    """A part to open for each rule that dropped any post: what it does, its settings, ten posts that it dropped and ten that were kept.

    Args:
        examples: as `curate.pages.drawing.choose` gives them.
        report: of the folder of judged posts.
        authors: keys of authors and their numbers, as `curate.pages.distributions.ranks` gives them.
    """
    if examples.width:
        keys = examples.select("author").unique()
        numbers = dict(authors.join(keys.rename({"author": "key"}), on="key", how="semi").iter_rows())
    else:
        numbers = {}
    return ["<h2>Examples</h2>", *(_rule(name, examples, report, numbers) for name, count in report["every"].items() if count)]


def _rule(name: str, examples: pl.DataFrame, report: Mapping[str, Any], numbers: Mapping[int, int]) -> str:
    dropped, kept = (rows_of(examples, name, is_kept) for is_kept in (False, True))
    settings = "; ".join(f"{key}: {_setting(value, name)}" for key, value in report["rules"].get(name, {}).items() if value is not None)
    total = report["every"][name]
    how = "Kept, nearest to the limit first" if kept and kept[0]["is_near"] else "Kept, drawn at random"
    sides = [
        f"<div><h3>{title}</h3>{''.join(_post(row, name, numbers) for row in rows) or f'<p class=dim>{none}</p>'}</div>"
        for title, rows, none in (
            ("Dropped, drawn at random", dropped, "Another rule dropped each of them before."),
            (how, kept, "None."),
        )
    ]
    told = f'<p class="dim">{for_page(cut(settings, SHOWN))}</p>' if settings else ""
    return (
        f'<details class="rule"><summary><b>{escape(name)}</b><span>drops {total:,} post{"" if total == 1 else "s"}</span></summary>'
        f'<p>{_documentation(name)}</p>{told}<div class="sides">{"".join(sides)}</div></details>'
    )


def _documentation(name: str) -> str:
    """What the rule says of itself, to its first empty line, as HTML."""
    rule = RULES.get(name)
    about = inspect.cleandoc(rule.__doc__ or "").split("\n\n")[0] if rule else ""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(" ".join(about.split()), quote=False))


def _setting(value: Any, rule: str) -> str:
    if isinstance(value, list) and value and rule in _NAME_AUTHORS:
        return counted(len(value), "name")
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {each}" for key, each in value.items()) or "none"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _post(row: Mapping[str, Any], rule: str, numbers: Mapping[int, int]) -> str:
    title = f'<span class="title">{for_page(cut(row["title"], SHOWN))}</span>' if row["title"] else ""
    body = for_page(cut(row["text"], SHOWN)) if row["text"] else ""
    text = f'<div class="text">{title}{body}</div>' if title or body else '<p class="dim">no text</p>'
    if why := _veiled(row, rule):
        text = f'<details class="veil"><summary>Hidden: {why}. Open to read.</summary>{text}</details>'
    look = "kept" if row["is_kept"] else "dropped"
    return f'<article class="post {look}"><p>{" · ".join(_facts(row, numbers))}</p>{text}{_reasons(row, rule)}</article>'


def _facts(row: Mapping[str, Any], numbers: Mapping[int, int]) -> list[str]:
    score = "score unknown" if row["score"] is None else f"score {row['score']:,}"
    facts = [f"<b>{score}</b>", f"{row['created_at']:%Y-%m-%d}" if row["created_at"] else "no date"]
    facts.append("no author" if row["author"] is None else f"author {numbers.get(row['author'], 0):,}")
    if row["community"]:
        facts.append(for_page(cut(row["community"], SHOWN // 10)))
    facts.append(f"{row['characters'] or 0:,} characters")
    if row.get("upvote_ratio") is not None:
        facts.append(f"{row['upvote_ratio']:.0%} upvotes")
    if row.get("quoted"):
        facts.append(f"{row['quoted']:.0%} quoted")
    language = row.get("language")
    if language and language.get("code"):
        sure = f" {language['confidence']:.2f}" if language.get("confidence") is not None else ""
        facts.append(f"language {for_page(language['code'])}{sure}")
    facts += [f"{escape(label)} {score:.2f}" for label, score in _scores(row)[:3]]
    return facts


def _reasons(row: Mapping[str, Any], rule: str) -> str:
    told = []
    for side, what in (("target_reasons", "as a reply"), ("context_reasons", "as context")):
        others = [name for name in row.get(side) or () if name != rule]
        if others:
            told.append(f"{'also ' if rule in row[side] else ''}dropped {what} by {', '.join(others)}")
    if row.get("duplicate_of"):
        told.append("repeats another post")
    if row.get("changed_by"):
        told.append(f"changed by {', '.join(row['changed_by'])}")
    return f"<p>{escape('; '.join(told))}</p>" if told else ""


def _scores(row: Mapping[str, Any]) -> Sequence[tuple[str, float]]:
    """The scores of toxicity of a post, the highest first."""
    scores = row.get("toxicity") or {}
    known = [(label.replace("_", " "), score) for label, score in scores.items() if isinstance(score, float)]
    return sorted(known, key=lambda pair: -pair[1])


def _veiled(row: Mapping[str, Any], rule: str) -> str:
    """Why a text is hidden; empty where it is not."""
    if row["nsfw"]:
        return "marked as not safe for work"
    scores = _scores(row)
    if scores and scores[0][1] > VEILED_OVER:
        return f"{escape(scores[0][0])} {scores[0][1]:.2f}"
    rules = {rule} if not row["is_kept"] else set()
    reasons = rules.union(row.get("target_reasons") or (), row.get("context_reasons") or ())
    return "dropped as toxic or not safe for work" if reasons.intersection(_OFTEN_TOXIC) else ""
