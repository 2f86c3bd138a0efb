"""Writes docs/recipe.md from the settings' own descriptions and the rules' own docstrings.

python docs/make_recipe.py
"""

from pathlib import Path

from pydantic import BaseModel

from curate.judging.lines import shown
from curate.sections import FormatSettings, GatherSettings
from filters.catalogue import RULES, TRANSFORMS
from train.presets import PRESETS
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
        if name == "train":
            parts.append(_presets())
        if name == "format":
            parts.append("Templates, one's own and the built-in ones, are described in [formats.md](formats.md).\n")
    return "\n".join(parts)


def _settings(section: type[BaseModel]) -> str:
    rows = []
    for key, field in section.model_fields.items():
        default = "—" if field.is_required() else f"`{shown(field.get_default(call_default_factory=True))}`"
        rows.append(f"| `{key}` | {default} | {field.description} |")
    return "\n".join(rows)


def _presets() -> str:
    keys = list(dict.fromkeys(key for values in PRESETS.values() for key in values))
    rows = [
        f"| `{key}` | " + " | ".join(f"`{shown(values[key])}`" if key in values else "" for values in PRESETS.values()) + " |"
        for key in keys
    ]
    return (
        "### Presets\n\nWhat `preset` stands for; a key written beside it wins, and an empty field is the default above. `tutorial` has "
        "the settings of the well-known tutorial for Llama 2 in 4 bit, `qlora-paper` those of Dettmers et al. 2023 for 7B and 13B (for 33B "
        "and 65B: `dropout = 0.05`, `learning_rate = 1e-4`), `small-gpu` is for a 7B model on 8 to 12 GB, `cpu-demo` for a demonstration "
        "without a GPU.\n\n"
        f"| key | {' | '.join(f'`{name}`' for name in PRESETS)} |\n|---|{'---|' * len(PRESETS)}\n" + "\n".join(rows) + "\n"
    )


def _rules() -> str:
    known = "".join(f"`{name}`, " for name in (*TRANSFORMS, *RULES)).removesuffix(", ")
    return (
        "## [filter]\n\nWhat is learned, and what is not. Every transform and rule applies as its default says unless it is named here: "
        "`false` leaves it out, a table changes its settings (`recency.since = 2020-01-01`), a value its first one (`min_score = 5`). "
        f"[filters.md](filters.md) describes each: {known}.\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
