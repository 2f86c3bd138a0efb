"""Writes docs/recipe.md from the settings' own descriptions and the rules' own docstrings.

python docs/make_recipe.py
"""

import dataclasses
from pathlib import Path

from pydantic import BaseModel

from curate.judging.lines import default_of, shown
from curate.recipe import FormatSettings, GatherSettings
from filters.catalogue import RULES
from filters.rule import BOTH, CONTEXT
from formats.template import built_in, load_template
from train.settings import DecodingSettings, EvalSettings, TrainSettings

PAGE = Path(__file__).with_name("recipe.md")
SECTIONS: dict[str, type[BaseModel]] = {
    "gather": GatherSettings,
    "format": FormatSettings,
    "train": TrainSettings,
    "decoding": DecodingSettings,
    "eval": EvalSettings,
}


def page() -> str:
    """The whole page."""
    parts = [
        "# The recipe\n\nOne TOML file describes a run. Only `name` and `gather.files` have no default. Any setting can be changed for one "
        "run with `--set section.key=value`. An unknown key or a wrong type is refused before anything is done.\n"
    ]
    for name, section in SECTIONS.items():
        parts.append(f"## [{name}]\n\n{section.__doc__}\n\n| key | default | |\n|---|---|---|\n{_settings(section)}\n")
        if name == "gather":
            parts.append(_rules())
        if name == "format":
            parts.append(_templates())
    return "\n".join(parts)


def _settings(section: type[BaseModel]) -> str:
    rows = []
    for key, field in section.model_fields.items():
        default = "—" if field.is_required() else f"`{shown(field.get_default(call_default_factory=True))}`"
        rows.append(f"| `{key}` | {default} | {field.description} |")
    return "\n".join(rows)


def _rules() -> str:
    lines = [
        "## [filter]\n\nEvery rule applies with its defaults unless it is set to `false`. A rule is set by a table of its settings "
        "(`recency.since = 2020-01-01`), or by a value for its first one (`min_score = 5`). The first rule that drops a post, in this "
        "order, is its reason. A rule judges the reply to learn (target), the turns before it (context), or both; a dropped context turn "
        "cuts the conversation there.\n\n| rule | judges | settings and defaults | |\n|---|---|---|---|"
    ]
    for name, rule in RULES.items():
        judges = "both" if rule.judges == BOTH else "context" if rule.judges == CONTEXT else "target"
        settings = ", ".join(f"`{field.name} = {shown(default_of(field))}`" for field in dataclasses.fields(rule)) or "—"
        lines.append(f"| `{name}` | {judges} | {settings} | {' '.join((rule.__doc__ or '').split())} |")
    return "\n".join(lines) + "\n"


def _templates() -> str:
    lines = ["### Templates\n\nBuilt in; one's own is a TOML file with the same keys (`begin` may be left out).\n"]
    lines += [f"```toml\n{load_template(name).to_toml()}```\n" for name in built_in()]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
