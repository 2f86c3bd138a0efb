"""What a filter does, in lines for a terminal."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any

from curate.judging.explain import DROPS, NOT_ASKED
from curate.judging.trial import Trial
from filters.catalogue import RULES, TRANSFORMS
from filters.funnel import KEPT
from filters.rule import BOTH, CONTEXT
from formats.visible import for_terminal, for_terminal_line

_WIDTH = 80
_EXCERPT = 66


def rule_lines() -> Iterator[str]:
    """Every transform and rule with its settings and what it does."""
    for heading, parts in (("Transforms", TRANSFORMS), ("Rules", RULES)):
        yield f"{heading}, in order:"
        for name, part in parts.items():
            yield f"  {name}{_judged(part)}"
            for setting in fields(part):
                yield f"      {setting.name} = {shown(default_of(setting))}"
            said = " ".join((part.__doc__ or "").split())
            # Not within names such as alt-profanity-check.
            yield from textwrap.wrap(said, _WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)


def _judged(part: type) -> str:
    judges = getattr(part, "judges", None)
    if judges is None:
        return "" if getattr(part, "by_default", True) else " (made when named)"
    return " (replies and context)" if judges == BOTH else " (context)" if judges == CONTEXT else " (replies)"


def explanation_lines(post: Mapping[str, Any]) -> Iterator[str]:
    """An explained post: the verdicts, each rule with the values it looks at, and the text."""
    for side, called in (("target", "reply to learn"), ("context", "turn before a reply")):
        reasons = post[f"{side}_reasons"]
        yield f"as a {called}: {'dropped by ' + ', '.join(reasons) if reasons else 'kept'}"
    if post["changed_by"]:
        yield f"changed by: {', '.join(post['changed_by'])}"
    if post.get("duplicate_of"):
        yield f"kept in its place: {for_terminal_line(post['duplicate_of'])}"
    yield ""
    yield f"  {'rule':<18}{'as reply':<11}{'as context':<12}values"
    for rule in post["rules"]:
        said = [rule[side] if rule[side] != NOT_ASKED else "–" for side in ("target", "context")]
        values = ", ".join(f"{name} {_value(value)}" for name, value in rule["values"].items())
        if DROPS in (rule["target"], rule["context"]) and rule["settings"]:
            settings = [f"{name} {_value(value)}" for name, value in rule["settings"].items() if value not in (None, [], ())]
            values += f" ({', '.join(settings)})"
        yield f"  {rule['rule']:<18}{said[0]:<11}{said[1]:<12}{for_terminal_line(values, 120)}".rstrip()
    yield ""
    author = for_terminal_line(post["author"] or "(no author)")
    where = for_terminal_line(f"{post['source_file']} row {post['source_row']}")
    yield f"{for_terminal_line(post['id'])} by {author}, score {post['score']}, {where}"
    yield from (for_terminal(part) for part in (post["title"], post["text"]) if part)


def trial_lines(trial: Trial, tried: Sequence[str]) -> Iterator[str]:
    """What a change of settings would do: the rules whose counts change, then the replies that do."""
    yield f"with {', '.join(tried)}:"
    yield f"  {'replies':<26}{'now':>12}{'then':>12}{'change':>10}"
    before, after = trial.before.target, trial.after.target
    for name in dict.fromkeys((*(rule for rule in after if rule != KEPT), *(rule for rule in before if rule != KEPT), KEPT)):
        now, then = before.get(name, 0), after.get(name, 0)
        if now != then or name == KEPT:
            yield f"  {'kept to learn' if name == KEPT else name:<26}{now:>12,}{then:>12,}{then - now:>+10,}"
    for name, count in (("newly_kept", trial.newly_kept), ("newly_dropped", trial.newly_dropped)):
        yield f"{name.replace('_', ' ')}: {count:,}"
        for row in trial.examples[name]:
            yield f"  {for_terminal_line(row['id'])} ({row['before'] or KEPT} -> {row['after'] or KEPT}): {_excerpt(row['text'])}"


def threshold_lines(labels: Sequence[Mapping[str, Any]], now: Mapping[str, float]) -> Iterator[str]:
    """What each threshold of each label would drop, with the posts at its edge."""
    for entry in labels:
        label, scored = entry["label"], entry["scored"]
        threshold = f"dropped above {now[label]:g} now" if label in now else "no threshold now"
        yield f"{for_terminal_line(label)}: {scored:,} posts scored; {threshold}"
        for row in entry["thresholds"]:
            share = row["above"] / max(scored, 1)
            yield f"  > {row['threshold']:<5g}{row['above']:>10,} dropped ({share:.2%})"
            for post in row["borderline"]:
                yield f"      {post['score']:.3f}  {_excerpt(post['text'])}"


def default_of(setting: "Field[Any]") -> Any:
    """The default of a rule's setting."""
    return setting.default_factory() if setting.default_factory is not MISSING else setting.default


def shown(value: Any) -> str:
    """A setting as TOML writes it; `none` where there is none."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {shown(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} {_value(inner)}" for key, inner in value.items() if inner is not None) + "}"
    return "unknown" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _excerpt(text: str | None) -> str:
    return for_terminal_line(text or "", _EXCERPT)
