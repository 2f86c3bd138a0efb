"""Writes into docs/filters.md the tables of rules, transforms and measures from the code, and what the page's commands print.

python docs/make_filters.py
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # where `docs` is found when this is run as a script

from curate.gather import import_files  # noqa: E402
from curate.judging.lines import default_of, shown  # noqa: E402
from docs.commands import Scene, Scenes, with_outputs  # noqa: E402
from docs.sources_scenes import SAMPLE_DATA  # noqa: E402
from filters.catalogue import RULES, TRANSFORMS  # noqa: E402
from filters.facts import FACTS  # noqa: E402
from filters.measures import MEASURES  # noqa: E402
from filters.rule import BOTH, CONTEXT, Phase, Rule  # noqa: E402
from filters.transform import Transform  # noqa: E402

PAGE = HERE / "filters.md"

PHASES = {
    Phase.POST: "Rules on single posts",
    Phase.CONVERSATION: "Rules on conversations",
    Phase.TEXT: "Rules that ask a model",
    Phase.RUN: "Rules on the whole run",
}


@contextmanager
def sample_forum(folder: Path) -> Iterator[Scene]:
    """The posts of the sample forum, imported."""
    import_files(sorted(map(str, SAMPLE_DATA.glob("*.zst"))), folder / "work" / "posts")
    yield Scene()


SCENES: Scenes = {"See what a filter does": sample_forum, "Choose a threshold": sample_forum}


def page() -> str:
    """The whole page, with the tables and outputs that the code has now."""
    tables = {"transforms": transforms(), "measures": described({**MEASURES, **FACTS})}
    tables |= {f"rules: {phase.name.lower()}": rules(phase) for phase in Phase}
    text = with_outputs(PAGE.read_text(encoding="utf-8"), SCENES)
    for name, table in tables.items():
        text = re.sub(rf"(?<=<!-- {name} -->\n).*?(?=<!-- end -->)", lambda _, table=table: table, text, flags=re.DOTALL)  # type: ignore[misc]
    return text


def rules(phase: Phase) -> str:
    """The rules of a phase as a table."""
    lines = ["| rule | judges | settings and defaults | |", "|---|---|---|---|"]
    for name, rule in RULES.items():
        if rule.phase is phase:
            lines.append(f"| `{name}` | {_judged(rule)} | {_settings(rule)} | {_documentation(rule)} |")
    return "\n".join([*lines, ""])


def transforms() -> str:
    """The transforms as a table."""
    lines = ["| transform | by default | settings and defaults | |", "|---|---|---|---|"]
    for name, transform in TRANSFORMS.items():
        lines.append(f"| `{name}` | {'on' if transform.by_default else 'off'} | {_settings(transform)} | {_documentation(transform)} |")
    return "\n".join([*lines, ""])


def described(names: Mapping[str, str]) -> str:
    """Columns with what they say as a table."""
    return "\n".join(["| column | |", "|---|---|", *(f"| `{name}` | {said} |" for name, said in names.items()), ""])


def _judged(rule: type[Rule]) -> str:
    return "both" if rule.judges == BOTH else "context" if rule.judges == CONTEXT else "target"


def _settings(part: type[Rule | Transform]) -> str:
    return ", ".join(f"`{setting.name} = {shown(default_of(setting))}`" for setting in fields(part)) or "—"


def _documentation(part: type[Rule | Transform]) -> str:
    return " ".join(_words(part.__doc__)).replace("|", "\\|")


def _words(text: str | None) -> Iterable[str]:
    return (text or "").split()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
