"""What else stands in an adapter's `eval.json` beside an evaluation's own figures, and stays there when it is evaluated again."""

import json
from pathlib import Path
from typing import Any

from train.adapters.folder import EVALUATION
from train.files import write_whole

BESIDE = ("judged", "routed")
"""The names: how a judge compared the adapter with others, and how messages are routed between them."""


def note(folder: Path, name: str, value: dict[str, Any]) -> None:
    """Writes something into an adapter's `eval.json` under a name, beside whatever else stands there; the file stays whole."""
    write_whole(folder / EVALUATION, json.dumps(_evaluation(folder) | {name: value}, indent=1, ensure_ascii=False) + "\n")


def noted(folder: Path, name: str) -> dict[str, Any] | None:
    """What stands there under a name; None where there is nothing, or the file is damaged."""
    found = _evaluation(folder).get(name)
    return found if isinstance(found, dict) else None


def _evaluation(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
