"""A scrape over real HTTP that is killed at random moments and started again ends with the posts of one that was left alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl

from tests.servers.hackernews import HackerNews

ROOT = Path(__file__).parents[2]
NOON = 1_700_000_000
KILLS = 20

# The true command, but without the pause between two requests.
SCRAPE = """
import sys
from curate.cli import main
from curate.sources import hackernews
hackernews._PAUSE_S = float(sys.argv.pop(1))
main(sys.argv[1:])
"""


def forum(stories: int) -> HackerNews:
    site = HackerNews()
    for number in range(1, 4 * stories, 4):
        site.add(
            {"id": number, "type": "story", "by": "ann", "time": NOON + number, "title": f"Kettle {number}", "score": 9, "descendants": 2},
            {"id": number + 1, "type": "comment", "by": "ben", "time": NOON + number, "parent": number, "text": "It boils."},
            {"id": number + 2, "type": "comment", "by": "cat", "time": NOON + number, "parent": number + 1, "text": "Too soon."},
        )
    return site


def command(site: HackerNews, out: Path, pause_s: float) -> list[str]:
    where = ["--algolia-url", site.algolia, "--firebase-url", site.firebase]
    return [sys.executable, "-c", SCRAPE, str(pause_s), "scrape", "hackernews", "--search", "kettle", *where, "--out", str(out), "--quiet"]


def posts(out: Path) -> pl.DataFrame:
    return pl.read_parquet(out / "**" / "*.parquet").drop("retrieved_at", "source_file", "source_row").sort("id")


def test_killed_at_twenty_moments_a_scrape_ends_with_the_same_posts(tmp_path: Path) -> None:
    moments = random.Random(4)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = 0
    with forum(120) as site:
        subprocess.run(command(site, tmp_path / "whole", 0), env=environment, check=True, capture_output=True)
        for _ in range(KILLS):
            process = subprocess.Popen(command(site, tmp_path / "posts", 0.02), env=environment, stdout=subprocess.DEVNULL)
            asked = site.asked()
            while site.asked() == asked and process.poll() is None:
                time.sleep(0.002)  # until it is at work: before that there is nothing to break
            time.sleep(moments.uniform(0, 0.25))
            killed += process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
        before_the_last = site.asked()
        done = subprocess.run(command(site, tmp_path / "posts", 0), env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        asked_in_all = site.asked()
    assert killed > KILLS // 2
    assert asked_in_all - before_the_last < 120, "the last run went on from where the killed ones were"
    found = posts(tmp_path / "posts")
    assert found["id"].is_unique().all()
    assert found.equals(posts(tmp_path / "whole"))
    assert found.height == 360
