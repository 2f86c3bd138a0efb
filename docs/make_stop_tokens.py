"""Runs the commands of docs/stop-tokens.md on a base and rows made on the spot, and writes into the page what they print.

python docs/make_stop_tokens.py
"""

import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import chdir, redirect_stdout
from pathlib import Path
from runpy import run_path

import polars as pl
import torch
from click.testing import CliRunner

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # where the packages are found when this is run as a script

from curate.cli import main  # noqa: E402
from formats.templates.template import load_template  # noqa: E402

PAGE = HERE / "stop-tokens.md"
SCRIPTS = HERE / "stop_tokens"
_BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ (.*)\n(?:(?!\$ ).*\n)*", re.MULTILINE)


def page() -> str:
    """The whole page, with what its commands print now.

    They run in this process, one after the other: each would load PyTorch anew in one of its own.
    """
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        with chdir(folder):
            make()
            return _BLOCK.sub(lambda block: _COMMAND.sub(_shown, block[0]), PAGE.read_text(encoding="utf-8"))


def make() -> None:
    """What `make_base.py` makes, a folder of samples, and an adapter that was trained on them."""
    threads = torch.get_num_threads()
    _printed("python make_base.py")
    torch.set_num_threads(threads)
    rows = [json.loads(line) for line in Path("pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    table = pl.DataFrame(rows).with_columns(pl.int_range(pl.len()).cast(pl.String).alias("id"))
    Path("samples").mkdir()
    for split in ("train", "validation", "test"):
        table.write_parquet(f"samples/{split}.parquet")
    Path("samples/template.toml").write_text(load_template("comment-response").to_toml(), encoding="utf-8")
    _printed("lorum train samples --base kettle-base --out adapter --quiet --set train.max_steps=1")


def _shown(command: re.Match[str]) -> str:
    return f"$ {command[1]}\n{_printed(command[1])}"


def _printed(command: str) -> str:
    """What a command prints.

    Raises:
        RuntimeError: it failed otherwise than by a point of the contract.
    """
    name, *arguments = shlex.split(command)
    if name == "python":
        with redirect_stdout(io.StringIO()) as output:
            run_path(arguments[0], run_name="__main__")
        return output.getvalue()
    if name != "lorum":
        return subprocess.run([name, *arguments], check=True, capture_output=True, text=True).stdout
    ran = CliRunner().invoke(main, arguments)
    if ran.exit_code and "the stop contract does not hold" not in ran.stderr:
        raise RuntimeError(f"{command}: exit code {ran.exit_code}: {ran.output}")
    return ran.output


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
