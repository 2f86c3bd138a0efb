"""Writes into docs/filters.md the tables of rules, transforms and measures from the code, and what the page's commands print.

python docs/make_filters.py
"""

import inspect
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # where `docs` is found when this is run as a script

from curate.judging.lines import default_of, shown  # noqa: E402
from docs.commands import Scene, Scenes, with_outputs  # noqa: E402
from docs.sources_scenes import SAMPLE_DATA  # noqa: E402
from filters.catalogue import RULES, TRANSFORMS  # noqa: E402
from filters.facts import FACTS  # noqa: E402
from filters.measuring.measures import MEASURES  # noqa: E402
from filters.rule import BOTH, CONTEXT, Phase, Rule  # noqa: E402
from filters.transform import Transform  # noqa: E402

PAGE = HERE / "filters.md"


@contextmanager
def sample_forum(folder: Path) -> Iterator[Scene]:
    """The posts of the sample forum, imported from where its dumps lie."""
    work = folder / "work"
    for dump in SAMPLE_DATA.glob("*.zst"):
        shutil.copy(dump, work)
    dumps = sorted(path.name for path in work.glob("*.zst"))
    lorum = Path(sys.executable).with_name("lorum")
    subprocess.run([lorum, "import", *dumps, "--out", "posts", "--quiet"], cwd=work, check=True, capture_output=True)
    yield Scene()


SCENES: Scenes = {"See what a filter does": sample_forum, "Choose a threshold": sample_forum}


def page() -> str:
    """The whole page, with the tables and outputs that the code has now."""
    tables = {"transforms": transforms(), "measures": described({**MEASURES, **FACTS})}
    tables |= {f"rules: {phase.name.lower()}": rules(phase) for phase in Phase}
    text = with_outputs(PAGE.read_text(encoding="utf-8"), SCENES)
    for name, table in tables.items():
        begin, _, rest = text.partition(f"<!-- {name} -->\n")
        text = f"{begin}<!-- {name} -->\n{table}{rest[rest.index('<!-- end -->') :]}"
    return text


def rules(phase: Phase) -> str:
    """The rules of a phase, a paragraph each."""
    return "".join(_paragraph(rule, _judged(rule) + _by_default(rule)) for rule in RULES.values() if rule.phase is phase)


def transforms() -> str:
    """The transforms, a paragraph each."""
    return "".join(_paragraph(transform, "changes posts" + _by_default(transform)) for transform in TRANSFORMS.values())


def _paragraph(part: type[Rule | Transform], kind: str) -> str:
    settings = ", ".join(f"`{setting.name} = {shown(default_of(setting))}`" for setting in fields(part))
    documentation = " ".join(inspect.cleandoc(part.__doc__ or "").split())
    return f"- **`{part.name()}`** · {kind}{f' · {settings}' if settings else ''}<br>\n  {documentation}\n"


def _by_default(part: type[Rule | Transform]) -> str:
    return "" if part.by_default else " · off unless named"


def _judged(rule: type[Rule]) -> str:
    return "both" if rule.judges == BOTH else "context" if rule.judges == CONTEXT else "target"


def described(names: Mapping[str, str]) -> str:
    """Columns with what they say as a table."""
    return "\n".join(["| column | |", "|---|---|", *(f"| `{name}` | {said} |" for name, said in names.items()), ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
