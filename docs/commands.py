"""Runs the commands of a page, each section's in a folder of its own, and puts in what they print."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

AT_ONCE = 6
"""Sections that run at once: those that fetch pause between requests, as they do with real forums."""

TIMEOUT_S = 60

_BLOCK = re.compile(r"^```console\n(.*?)^```$|^<!-- meanwhile: (.*?) -->$|^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class Scene:
    """Where a section's commands run.

    Args:
        addresses: by what the page shows, what stands for it when the command runs.
        meanwhile: what happens between two commands, by the page's words for it.
    """

    addresses: Mapping[str, str] = field(default_factory=dict)
    meanwhile: Mapping[str, Callable[[], None]] = field(default_factory=dict)


Scenes = Mapping[str, Callable[[Path], AbstractContextManager[Scene]]]
"""By the heading of a section what its commands find, given a folder whose `work` they run in."""


def with_outputs(text: str, scenes: Scenes) -> str:
    """A page with the outputs that its commands have now."""
    with ThreadPoolExecutor(AT_ONCE) as workers:
        return "".join(workers.map(lambda section: _section(section, scenes), _sections(text)))


def _sections(text: str) -> list[str]:
    """A page cut before its headings of the second level; what a command printed may look like one."""
    sections, fenced = [""], False
    for line in text.splitlines(keepends=True):
        if line.startswith("```"):
            fenced = not fenced
        if line.startswith("## ") and not fenced:
            sections.append("")
        sections[-1] += line
    return sections


def _section(text: str, scenes: Scenes) -> str:
    """A section with the outputs of its commands; its recipe, if it has one, is written as recipe.toml."""
    if "```console\n" not in text:
        return text
    with tempfile.TemporaryDirectory() as folder, _scene(text, Path(folder), scenes) as scene:
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
def _scene(text: str, folder: Path, scenes: Scenes) -> Iterator[Scene]:
    """What the section of this text finds, in the folder `work`."""
    (folder / "work").mkdir()
    (folder / "settings").mkdir()
    with scenes[text.split("\n", 1)[0].removeprefix("## ")](folder) as scene:
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
