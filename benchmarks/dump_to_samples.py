"""How fast a dump becomes posts and samples, against decompressing and parsing it alone, in the same run.

    python benchmarks/dump_to_samples.py COMMENTS.zst SUBMISSIONS.zst [--runs 3]

Each measurement is a process of its own; seconds are of the whole process, with its start and imports. Prints medians, peak memory and the
ratio to the limit.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT = """
import sys, polars as pl
from pathlib import Path
from curate.sources.compressed import read_lines
from curate.sources.reddit_dump import FIELDS
schema = dict.fromkeys(FIELDS, pl.String)
rows = sum(pl.read_ndjson(chunk, schema=schema).height for path in sys.argv[2:] for chunk in read_lines(Path(path)))
"""

IMPORT = """
import sys
from pathlib import Path
from curate.gather import import_files
import_files([Path(path) for path in sys.argv[2:]], Path(sys.argv[1]) / "posts")
"""

SAMPLES = """
import sys
from pathlib import Path
from curate.gather import import_files
from curate.judge import judge_posts, scorer_in_background
from curate.samples import make_samples
from filters.catalogue import build_rules
from formats.template import load_template
out = Path(sys.argv[1])
rules = build_rules({"toxicity": TOXICITY})
scorer = scorer_in_background(rules)
import_files([Path(path) for path in sys.argv[2:]], out / "posts")
judge_posts(out / "posts", out / "judged", rules, out / "scores", scorer=scorer)
make_samples(out / "judged", out / "samples", load_template("comment-response"), max_turns=4, shares=(0.9, 0.05, 0.05), seed=0)
"""

MEASURED = {
    "limit: decompress and parse": LIMIT,
    "dump to posts": IMPORT,
    "dump to samples, cheap rules": SAMPLES.replace("TOXICITY", "False"),
    "dump to samples, and toxicity (lite)": SAMPLES.replace("TOXICITY", "True"),
}


def measure(code: str, files: list[str]) -> tuple[float, float]:
    """Seconds and peak MiB of a process that runs the code on the files."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        process = subprocess.Popen([sys.executable, "-c", code, folder, *files])
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
    if status:
        raise SystemExit(f"a measured process ended with status {status}")
    return seconds, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", default=[str(path) for path in sorted(Path("sample_data").glob("*.zst"))])
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    limit = 0.0
    print(f"{', '.join(Path(file).name for file in arguments.files)}; median of {arguments.runs}, {os.cpu_count()} cores")
    print(f"{'':<40}{'seconds':>9}{'peak MiB':>10}{'of limit':>10}")
    for name, code in MEASURED.items():
        runs = [measure(code, arguments.files) for _ in range(arguments.runs)]
        seconds, memory = (statistics.median(column) for column in zip(*runs, strict=True))
        limit = limit or seconds
        print(f"{name:<40}{seconds:>9.2f}{memory:>10.0f}{limit / seconds:>10.2f}", flush=True)


if __name__ == "__main__":
    main()
