"""Runs the commands of docs/sources.md, each section's in an empty folder, and writes into the page what they print.

python docs/make_sources.py
"""

import inspect
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # where `docs` and `tests` are found when this is run as a script

from curate import posts  # noqa: E402
from docs import sources_scenes, sources_servers  # noqa: E402
from docs.sources_scenes import Scene  # noqa: E402

PAGE = HERE / "sources.md"

SCENES: dict[str, Callable[[Path], AbstractContextManager[Scene]]] = {
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

AT_ONCE = 6
"""Sections that run at once: those that fetch pause between requests, as they do with real forums."""

TIMEOUT_S = 60

_COLUMN = re.compile(r'    "(\w+)": (?:pl\.)?(\w+),(?:  # (.*))?')
_BLOCK = re.compile(r"^```console\n(.*?)^```$|^<!-- meanwhile: (.*?) -->$|^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
_SCHEMA = re.compile(r"(?<=<!-- schema -->\n).*?(?=<!-- end of schema -->)", re.DOTALL)


def page() -> str:
    """The whole page, with the outputs that its commands have now."""
    sections = re.split(r"^(?=## )", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    with ThreadPoolExecutor(AT_ONCE) as workers:
        text = "".join(workers.map(_section, sections))
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


def _section(text: str) -> str:
    """A section with the outputs of its commands; its recipe, if it has one, is written as recipe.toml."""
    if not _BLOCK.search(text):
        return text
    with tempfile.TemporaryDirectory() as folder, _scene(text, Path(folder)) as scene:
        work = Path(folder) / "work"

        def told(block: re.Match[str]) -> str:
            commands, event, recipe = block.groups()
            if event:
                scene.meanwhile[event]()
            elif recipe:
                (work / "recipe.toml").write_text(_true(recipe, scene), encoding="utf-8")
            else:
                return f"```console\n{_COMMAND.sub(lambda command: _run(command[1], command[2], work, scene), commands)}```"
            return block[0]

        return _BLOCK.sub(told, text)


@contextmanager
def _scene(text: str, folder: Path) -> Iterator[Scene]:
    """What the section of this text finds, in the folder `work`."""
    (folder / "work").mkdir()
    (folder / "settings").mkdir()
    with SCENES[text.split("\n", 1)[0].removeprefix("## ")](folder) as scene:
        yield scene


def _run(command: str, shown: str, work: Path, scene: Scene) -> str:
    """A command with its output. `cat` of a file that is not there writes it, with what the page shows of it."""
    named = re.fullmatch(r"cat ([\w.-]+)", command)
    if named and not (work / named[1]).exists():
        (work / named[1]).write_text(shown, encoding="utf-8")
        return f"$ {command}\n{shown}"
    true = _true(command, scene)
    if command.startswith("lorum scrape"):
        time.sleep(1 - time.time() % 1)  # a record is newer than another from the next second on
    ran = subprocess.run(["bash", "-c", true], cwd=work, env=_environment(work), capture_output=True, text=True, timeout=TIMEOUT_S)
    errors = [line for line in ran.stderr.splitlines() if ran.returncode and line.startswith(("lorum: ", "Error: "))]
    if ran.returncode and not errors:
        raise RuntimeError(f"{command}: exit code {ran.returncode}: {ran.stderr}")
    output = ran.stdout + "".join(f"{line}\n" for line in errors)
    for ours, theirs in scene.addresses.items():
        output = output.replace(theirs, ours).replace(theirs.removeprefix("http://"), ours.removeprefix("https://"))
    return f"$ {command}\n{output}"


def _environment(work: Path) -> dict[str, str]:
    """This one, with this Python's commands first, without what the user's own settings would change."""
    own = {name: value for name, value in os.environ.items() if not name.lower().startswith(("praw_", "discourse_", "columns"))}
    return own | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}",
        "LC_ALL": "C.UTF-8",
        "LORUM_CACHE": str(work.parent / "cache"),
        "XDG_CONFIG_HOME": str(work.parent / "settings"),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "HF_HUB_OFFLINE": "1",
    }


def _true(text: str, scene: Scene) -> str:
    """A command or a file with the addresses of the servers in place of those that the page shows."""
    for ours, theirs in scene.addresses.items():
        text = text.replace(ours, theirs)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
