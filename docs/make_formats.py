"""Writes into docs/formats.md the built-in templates, the examples of TRL and what the page's commands print.

python docs/make_formats.py
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # where `docs` is found when this is run as a script

from docs.commands import Scene, Scenes, with_outputs  # noqa: E402
from docs.sources_scenes import SAMPLE_DATA  # noqa: E402
from formats.templates.examples import example  # noqa: E402
from formats.templates.template import built_in, load_template, provenance  # noqa: E402

PAGE = HERE / "formats.md"
EXAMPLES = HERE / "formats_examples"


@contextmanager
def judged_forum(folder: Path) -> Iterator[Scene]:
    """The judged posts of the sample forum."""
    for dump in SAMPLE_DATA.glob("*.zst"):
        shutil.copy(dump, folder)
    lorum, dumps = Path(sys.executable).with_name("lorum"), sorted(path.name for path in folder.glob("*.zst"))
    for command in (["import", *dumps, "--out", "posts"], ["filter", "posts", "--out", "work/judged"]):
        subprocess.run([lorum, *command, "--quiet"], cwd=folder, check=True, capture_output=True)
    yield Scene()


SCENES: Scenes = {"A sample": judged_forum, "Your own template": judged_forum}


def page() -> str:
    """The whole page, with the templates, examples and outputs that the code has now."""
    text = with_outputs(PAGE.read_text(encoding="utf-8"), SCENES)
    parts = {"templates": templates()}
    parts |= {f"example: {path.stem}": f"```python\n{path.read_text(encoding='utf-8')}```\n" for path in sorted(EXAMPLES.glob("*.py"))}
    for name, part in parts.items():
        begin, _, rest = text.partition(f"<!-- {name} -->\n")
        text = f"{begin}<!-- {name} -->\n{part}{rest[rest.index('<!-- end -->') :]}"
    return text


def templates() -> str:
    """Each built-in template: its file, with the comment that says where it comes from, and an example."""
    return "\n".join(
        f"### {name}\n\n```toml\n{indent(provenance(name), '# ')}\n{load_template(name).to_toml()}```\n\n"
        f"```\n{example(load_template(name))}\n```\n"
        for name in built_in()
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
