"""Runs the commands of docs/sources.md, each section's in an empty folder, and writes into the page what they print.

python docs/make_sources.py
"""

import inspect
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # where `docs` and `tests` are found when this is run as a script

from curate import posts  # noqa: E402
from docs import sources_scenes, sources_servers  # noqa: E402
from docs.commands import Scenes, with_outputs  # noqa: E402

PAGE = HERE / "sources.md"

SCENES: Scenes = {
    "Reddit's archives": sources_scenes.archives,
    "Adding to a folder": sources_scenes.month_twice,
    "Tables": sources_scenes.nothing,
    "ConvoKit": sources_scenes.corpus,
    "Stack Exchange": sources_scenes.site,
    "Reddit's API": sources_servers.reddit,
    "Hacker News": sources_servers.hacker_news,
    "Discourse": sources_servers.discourse,
    "Lemmy": sources_servers.lemmy,
    "In a recipe": sources_servers.recipe,
    "Forgetting": sources_scenes.sample_forum,
}
"""By the heading of a section what its commands find."""

_COLUMN = re.compile(r'    "(\w+)": (?:pl\.)?(\w+),(?:  # (.*))?')
_SCHEMA = re.compile(r"(?<=<!-- schema -->\n).*?(?=<!-- end of schema -->)", re.DOTALL)


def page() -> str:
    """The whole page, with the outputs that its commands have now."""
    text = with_outputs(PAGE.read_text(encoding="utf-8"), SCENES)
    return _SCHEMA.sub(lambda _: schema(), text)


def schema() -> str:
    """The columns of a post as a table, with what stands beside them in the code."""
    rows, group = ["| | column | type | |", "|---|---|---|---|"], ""
    for line in inspect.getsource(posts).split("POSTS: dict", 1)[1].split("\n}\n", 1)[0].split("\n"):
        if line.startswith("    # "):
            group = line.removeprefix("    # ")
        elif found := _COLUMN.fullmatch(line):
            kind = {"TIME": "time, UTC", "Boolean": "true or false"}.get(found[2], found[2].lower())
            note = (found[3] or "").replace("REMOVALS", ", ".join(posts.REMOVALS))
            rows.append(f"| {group} | `{found[1]}` | {kind} | {note} |")
            group = ""
    return "\n".join([*rows, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
