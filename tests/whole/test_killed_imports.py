"""An import that is killed at any moment and started again ends with the posts of one that was not, and shows nothing half-written."""

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

ROOT = Path(__file__).parents[2]
KILLS = 20

# `lorum import`, killed without warning so many seconds after its first work (never, where that is 0). Its chunks are small, so that
# there are many moments in which it can be killed.
IMPORT = """
import os, signal, sys, threading, time
import polars
from curate.sources import reddit_dump
from curate.sources.reading import compressed
from curate import gather, store
compressed.CHUNK = 1 << 16
after = float(sys.argv.pop(1))
started = time.monotonic()
if after:
    threading.Timer(after, os.kill, (os.getpid(), signal.SIGKILL)).start()
from curate.cli import main
try:
    main(["import", *sys.argv[1:], "--json"], prog_name="lorum")
finally:
    sys.stdout.flush()
    print(time.monotonic() - started, file=sys.stderr)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three months of a forum: the second has newer records of the first's comments, the third repeats, and all have bad lines."""
    folder = tmp_path_factory.mktemp("dumps")
    words = random.Random(7)

    def lines(month: int, numbers: range, retrieved: int) -> bytes:
        rows = [
            json.dumps({
                "id": f"c{number}", "author": f"author_{number % 50}", "body": " ".join(str(words.random()) for _ in range(8)),
                "created_utc": 1_700_000_000 + number, "link_id": f"t3_s{number % 99}", "parent_id": f"t3_s{number % 99}", "score": 5,
                "subreddit": "KettleCourt", "retrieved_on": retrieved,
            }).encode() + b"\n"
            for number in numbers
        ]  # fmt: skip
        rows.insert(len(rows) // 2, b"{bad line of %d\n" % month)
        return b"".join(rows)

    months = [lines(1, range(4000), 1_700_000_000), lines(2, range(3000, 7000), 1_700_100_000), lines(3, range(6500, 9000), 1_700_100_000)]
    pack: list[Callable[[bytes], bytes]] = [zstandard.ZstdCompressor().compress, gzip.compress, bytes]
    paths = [folder / name for name in ("RC_2023-01.zst", "RC_2023-02.gz", "RC_2023-03")]
    for path, data, compress in zip(paths, months, pack, strict=True):
        path.write_bytes(compress(data))
    return paths


def start(after: float, files: list[Path], out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", IMPORT, f"{after:.4f}", *map(str, files), "--out", str(out)]
    environment = {**os.environ, "POLARS_MAX_THREADS": "2"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    assert "Traceback" not in done.stderr
    return done


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_killed_at_twenty_moments_an_import_ends_with_the_same_bytes(dumps: list[Path], tmp_path: Path) -> None:
    whole = tmp_path / "whole" / "posts"
    start(0, dumps[:1], whole)
    shutil.copytree(whole, tmp_path / "base")
    before = contents(whole)
    clean = start(0, dumps[1:], whole)
    after = contents(whole)
    counts = json.loads(clean.stdout)
    assert counts["lines"] == 10_503 == counts["posts"] + counts["rejects"] + counts["replaced"]
    assert (counts["posts"], counts["rejects"], counts["replaced"]) == (9000, 503, 1000)
    seconds = float(clean.stderr.strip().split("\n")[-1])
    moments = random.Random(20)
    kills = rounds = 0
    while kills < KILLS:
        out = tmp_path / str(rounds) / "posts"
        rounds += 1
        shutil.copytree(tmp_path / "base", out)
        while True:
            done = start(moments.uniform(0.02, 1.0) * seconds, dumps[1:], out)
            beside = {path.name for path in out.parent.iterdir()}
            assert beside <= {"posts", ".posts.partial", ".posts.old", ".posts.lock"}
            shown = contents(out) if out.exists() else contents(out.with_name(".posts.partial"))  # killed between the two renames
            assert shown in (before, after)
            if done.returncode == 0:
                break
            kills += 1
        assert json.loads(done.stdout) == counts
        assert contents(out) == after
        assert [path.name for path in out.parent.iterdir()] == ["posts"]
