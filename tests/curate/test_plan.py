"""`lorum plan` on the command line."""

import json
from pathlib import Path

from click.testing import CliRunner

from curate.cli import main


def test_a_base_is_planned_from_its_config_alone(base_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((base_folder / "config.json").read_bytes())
    ran = CliRunner().invoke(main, ["plan", "--base", str(tmp_path), "--set", "rank=4", "--set", "tokens_per_batch=64", "--json"])
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert found["peak_bytes"] == sum(part["bytes"] for part in found["parts"])
    assert found["adapter_bytes"] == 4 * found["trainable_parameters"]


def test_mistakes_are_said_in_one_line() -> None:
    for arguments, said in (
        (["--gpu", "much"], "no size of memory"),
        (["--set", "base=x"], "name the base with --base"),
        (["--tokens-per-second", "9"], "needs --samples"),
    ):
        ran = CliRunner().invoke(main, ["plan", *arguments])
        assert ran.exit_code == 2
        assert said in ran.stderr


def test_known_shapes_are_listed() -> None:
    assert "llama-2-7b" in CliRunner().invoke(main, ["plan", "--list"]).stdout.split()
