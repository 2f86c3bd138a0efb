"""`lorum serve` as a process: it says where it is, answers, and stops when it is told to."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner

from curate.cli import main
from curate.commands.serve import read_key
from formats.errors import UserError
from tests.random_adapter import write_random_adapter

ROOT = Path(__file__).parents[2]


def test_it_serves_until_it_is_told_to_stop(base_folder: Path, tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "court", base_folder)
    (tmp_path / "key").write_text("sesame\n")
    command = [sys.executable, "-m", "curate.cli", "serve", str(adapter), f"tea={adapter}", "--port", "0", "--json"]
    command += ["--api-key-file", str(tmp_path / "key")]
    environment = {name: value for name, value in os.environ.items() if name != "LORUM_API_KEY"}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.fullmatch(r"court, tea at (http://127\.0\.0\.1:\d+) \(Ctrl-C stops\)\n", line)
        assert found, line + process.stderr.read()
        body = {"model": "tea", "messages": [{"role": "user", "content": "Why?"}], "max_tokens": 3}
        answer = httpx2.post(f"{found[1]}/v1/chat/completions", json=body, headers={"Authorization": "Bearer sesame"}, timeout=60)
        assert (answer.status_code, answer.json()["usage"]["completion_tokens"]) == (200, 3)
        assert httpx2.get(found[1]).text.startswith("<!doctype html>")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    told = json.loads(out)
    assert (told["address"], told["new_tokens"], sum(told["ended"].values())) == (found[1], 3, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none"], "none: no such adapter"),
        (["--host", "0.0.0.0"], "0.0.0.0: other machines could ask this server without a key"),
        (["--api-key-file", "missing"], "missing: cannot be read"),
    ],
    ids=["adapter", "host", "key"],
)
def test_what_is_wrong_is_said_before_anything_is_loaded(
    base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LORUM_API_KEY", raising=False)
    adapters = [] if arguments == ["none"] else [str(write_random_adapter(tmp_path / "court", base_folder))]
    done = CliRunner().invoke(main, ["serve", *adapters, *arguments])
    assert done.exit_code == 2
    (line,) = done.stderr.strip().split("\n")
    assert said in line


def test_keys_come_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORUM_API_KEY", "from-the-environment")
    assert read_key(None) == "from-the-environment"
    (tmp_path / "key").write_text("sesame\n")
    assert read_key(tmp_path / "key") == "sesame"
    for wrong in ("", "two words", "schlüssel", "a\nb"):
        (tmp_path / "key").write_text(wrong)
        with pytest.raises(UserError, match="key: holds no key; a key is one line of ASCII") as refused:
            read_key(tmp_path / "key")
        assert not wrong or wrong not in str(refused.value)
    monkeypatch.delenv("LORUM_API_KEY")
    assert read_key(None) is None
