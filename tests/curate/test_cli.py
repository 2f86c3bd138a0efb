import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from curate.cli import COMMANDS, main
from curate.commands.adapters import COMMANDS as ADAPTERS
from filters.catalogue import RULES, TRANSFORMS, build_filter

Record = dict[str, Any]
Make = Callable[..., Record]
ROOT = Path(__file__).parents[2]
HEAVY = (
    "torch",
    "transformers",
    "sklearn",
    "datasets",
    "peft",
    "detoxify",
    "profanity_check",
    "pandas",
    "polars",
    "numpy",
    "pydantic",
    "rich",
)


def lorum(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="lorum")


def process(code: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment}, check=False)


def refused(*arguments: str | Path, code: int = 2) -> str:
    """The one line that says what is wrong."""
    done = lorum(*arguments)
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    (line,) = done.stderr.strip().split("\n")
    assert line.startswith("lorum: ")
    return line.removeprefix("lorum: ")


@pytest.fixture
def posts(tmp_path: Path, dump: Callable[..., Path], comment: Make, submission: Make) -> Path:
    records = [submission(), comment("c1"), comment("c2", parent="c1"), comment("low", score=1), comment("orphan", parent="gone"), b"bad"]
    done = lorum("import", dump(*records), "--out", tmp_path / "posts", "--quiet")
    assert done.exit_code == 0, done.output
    return tmp_path / "posts"


@pytest.fixture
def judged(tmp_path: Path, posts: Path) -> Path:
    assert lorum("filter", posts, "--out", tmp_path / "judged", "--set", "toxicity=false", "--quiet").exit_code == 0
    return tmp_path / "judged"


SHOW_IMPORTS = f"""
import sys
from curate.cli import main
try:
    main(sys.argv[1:], prog_name="lorum")
except SystemExit as end:
    code = end.code
print("loaded:", *[name for name in {HEAVY} if name in sys.modules])
sys.exit(code)
"""


def leaves(command: click.Command = main, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command that does something, those of groups included."""
    if not isinstance(command, click.Group):
        return [path]
    within = {name: command.get_command(click.Context(command), name) for name in command.list_commands(click.Context(command))}
    return [leaf for name, inner in within.items() for leaf in leaves(inner, (*path, name)) if inner]


GROUPS = [[], *([name] for name in COMMANDS if isinstance(main.get_command(click.Context(main), name), click.Group))]


@pytest.mark.parametrize("arguments", [["-h"], ["--version"], [], *([*path, "--help"] for path in (*GROUPS, *leaves()))], ids=" ".join)
def test_help_is_there_without_loading_anything_heavy(arguments: list[str]) -> None:
    done = process(SHOW_IMPORTS, *arguments)
    assert done.returncode == (0 if arguments else 2), done.stderr
    assert "loaded:\n" in done.stdout


@pytest.mark.parametrize("name", leaves(), ids=" ".join)
def test_a_command_helps_with_its_options_and_a_worked_example(name: tuple[str, ...]) -> None:
    done = lorum(*name, "--help")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"Usage: lorum {' '.join(name)} ")
    assert f"  lorum {' '.join(name)} " in done.stdout.split("Example")[1]
    assert {"--json", "--quiet", "--debug"} <= set(done.stdout.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_list_is_the_first_line_of_the_commands_own_help(name: str) -> None:
    module, line = COMMANDS[name]
    command = getattr(importlib.import_module(module), f"{name.replace('-', '_')}_command")
    assert inspect.getdoc(command.callback).split("\n")[0] == line
    assert command.name == name


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_line_of_a_command_on_adapters_is_that_of_its_own_help(name: str) -> None:
    module, line = ADAPTERS[name]
    command = getattr(importlib.import_module(module), f"{name}_command")
    assert inspect.getdoc(command.callback).split("\n")[0] == line
    assert command.name == name


def test_the_list_names_every_command_in_the_order_in_which_data_flows() -> None:
    wide = CliRunner().invoke(main, ["--help"], terminal_width=100)
    listed = wide.stdout.split("Commands:\n")[1].strip().split("\n")
    assert [tuple(line.split(maxsplit=1)) for line in listed] == [(name, line) for name, (_, line) in COMMANDS.items()]


def test_an_unknown_command_or_option_is_the_callers_mistake() -> None:
    for arguments in (
        ["imprt"],
        ["import"],
        ["import", "x", "--ot", "y"],
        ["filter", "posts"],
        ["filter", "posts", "--out", "x", "--dry-run"],
        ["filter", "posts", "--explain", "t1_c1", "--explain-threshold"],
        ["format", "judged"],
        ["import", "x", "--out"],
    ):
        done = lorum(*arguments)
        assert done.exit_code == 2
        assert done.stdout == ""
        assert done.stderr.strip().split("\n")[-1].startswith("Error: ")


def test_the_way_from_a_dump_to_samples_in_three_commands(
    tmp_path: Path, dump: Callable[..., Path], comment: Make, submission: Make
) -> None:
    path = dump(submission(), comment("c1"), comment("e1", subreddit="Elsewhere", thread="s9"), b"bad", comment("c1"))
    done = lorum("import", path, "--out", tmp_path / "posts")
    assert done.exit_code == 0
    assert done.stdout == f"5 records = 3 posts (2 comments, 1 submission) + 2 rejects + 0 not asked for -> {tmp_path}/posts\n"
    done = lorum("filter", tmp_path / "posts", "--out", tmp_path / "judged", "--set", "toxicity=false", "--set", "length.minimum=5")
    assert done.exit_code == 0
    assert [line.split()[:4] for line in done.stdout.split("\n")[:4]] == [
        ["dropped", "by", "as", "a"], ["turns", "2", "–", "2"], ["kept", "1", "3"], ["=", "posts", "3", "3"],
    ]  # fmt: skip
    assert done.stdout.endswith("\n  3 posts = 1 to learn + 2 only context + 0 dropped\n")
    assert (tmp_path / "judged" / "report.html").read_text().startswith("<!doctype html>")
    done = lorum("format", tmp_path / "judged", "--out", tmp_path / "samples", "--split", "100/0/0", "--template", "speakers")
    assert done.exit_code == 0
    assert done.stdout == (f"1 kept posts = 1 samples\ntrain 1, validation 0, test 0\n-> {tmp_path}/samples\n")
    done = lorum("preview", tmp_path / "samples")
    assert done.exit_code == 0
    assert "A kettle answers kettle c1." in done.stdout
    assert "### END CONVERSATION ###" in done.stdout


def test_a_real_process_does_the_same(tmp_path: Path, dump: Callable[..., Path], comment: Make) -> None:
    path = dump(comment("c1"), b"bad")
    command = [sys.executable, "-m", "curate.cli", "import", str(path), "--out", str(tmp_path / "posts"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["lines"] == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["import", "dump.ndjson", "--out", "again"],
            {"lines": 6, "posts": 5, "comments": 4, "submissions": 1, "rejects": 1, "not_asked_for": 0},
        ),
        (["filter", "posts", "--out", "again", "--set", "toxicity=false"], {"posts": 5}),
        (["filter", "judged", "--explain", "t1_low"], {"id": "t1_low", "target_reason": "min_score", "context_reason": None}),
        (
            ["format", "judged", "--out", "again", "--split", "100/0/0"],
            {"targets": 2, "roots": 0, "without_context": 0, "samples": 2, "train": 2},
        ),
    ],
    ids=["import", "filter", "explain", "format"],
)
def test_json_is_exactly_one_object_on_standard_output_and_nothing_else(
    tmp_path: Path, judged: Path, arguments: list[str], expected: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = lorum(*arguments, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    assert found == found | expected


def test_with_json_an_error_leaves_standard_output_empty(tmp_path: Path) -> None:
    assert "no such file" in refused("import", tmp_path / "none.zst", "--out", tmp_path / "posts", "--json")


def test_progress_goes_to_standard_error_and_quiet_silences_it(tmp_path: Path, dump: Callable[..., Path], comment: Make) -> None:
    path = dump(comment("c1"))
    loud, quiet = lorum("import", path, "--out", tmp_path / "a"), lorum("import", path, "--out", tmp_path / "b", "--quiet")
    assert (loud.stderr, quiet.stderr) == ("import dump.ndjson: 1\n", "")
    assert loud.stdout.replace("/a\n", "/b\n") == quiet.stdout


def test_explain_says_why_for_people_too(judged: Path) -> None:
    done = lorum("filter", judged, "--explain", "t1_low")
    assert done.exit_code == 0
    first, second, _, head, *rules, _, origin, text = done.stdout.strip().split("\n")
    assert (first, second) == ("as a reply to learn: dropped by min_score", "as a turn before a reply: kept")
    assert head.split() == ["rule", "as", "reply", "as", "context", "values"]
    assert [line.split()[0] for line in rules] == [rule.name() for rule in build_filter({"toxicity": False}).rules]
    assert "  min_score         drops      keeps       score 1 (minimum 3, context 0)" in rules
    assert origin.startswith("t1_low by author_low, score 1, ")
    assert origin.endswith("dump.ndjson row 4")
    assert text == "A kettle answers kettle low."


def test_two_things_asked_of_a_filter_at_once_are_named(tmp_path: Path, posts: Path) -> None:
    for both in (["--out", "x", "--dry-run"], ["--dry-run", "--try", "min_score=1"], ["--explain", "t1_c1", "--explain-threshold"]):
        done = lorum("filter", posts, *both)
        first, second = [option for option in both if option.startswith("--")]
        modes = "--out, --dry-run, --try, --explain, --explain-threshold"
        assert done.stderr.strip().split("\n")[-1] == f"Error: Give one of {modes}, not {first} and {second}."
        assert (done.exit_code, done.stdout) == (2, "")
    assert lorum("filter", posts).stderr.strip().split("\n")[-1] == f"Error: Give one of {modes}."
    assert not Path("x").exists()


def test_rules_lists_every_transform_and_rule_with_its_settings_and_needs_no_posts() -> None:
    done = lorum("filter", "--rules")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.split("\n")
    assert [line.split()[0] for line in lines if re.match(r"  \S", line)] == [*TRANSFORMS, *RULES]
    assert "  min_score (replies and context)" in lines
    assert lines[lines.index("  length (replies)") + 1 :][:3] == ["      minimum = 20", "      maximum = 2000", "      words = 3"]
    assert "  pseudonyms (made when named)" in lines
    assert max(map(len, lines)) <= 120


def test_a_dry_run_prints_the_same_funnel_and_writes_no_folder(
    tmp_path: Path, posts: Path, contents: Callable[[Path], dict[str, bytes]]
) -> None:
    before = contents(tmp_path)
    dry = lorum("filter", posts, "--dry-run", "--set", "toxicity=false", "--quiet")
    as_json = lorum("filter", posts, "--dry-run", "--set", "toxicity=false", "--json")
    assert (dry.exit_code, as_json.exit_code, contents(tmp_path)) == (0, 0, before)
    written = lorum("filter", posts, "--out", tmp_path / "judged", "--set", "toxicity=false", "--quiet")
    assert dry.stdout == written.stdout
    told = json.loads(as_json.stdout)
    assert list(told) == ["posts", "target", "context", "outcome", "every", "changed"]
    assert (told["posts"], told["target"]["kept"], told["outcome"]) == (5, 2, {"target": 2, "context": 3, "dropped": 0})
    report = json.loads((tmp_path / "judged" / "funnel.json").read_text())
    assert report == {**told, "rules": json.loads(json.dumps(build_filter({"toxicity": False}).settings())), "scorers": {}}


def test_try_shows_what_a_change_would_keep_and_drop_and_writes_nothing(
    tmp_path: Path, posts: Path, contents: Callable[[Path], dict[str, bytes]]
) -> None:
    before = contents(tmp_path)
    arguments = ["filter", posts, "--set", "toxicity=false", "--try", "min_score=1", "--try", "length=28"]
    done = lorum(*arguments, "--quiet")
    assert done.stdout.split("\n") == [
        "with min_score=1, length=28:",
        "  replies                            now        then    change",
        "  min_score                            1           0        -1",
        "  length                               0           2        +2",
        "  kept to learn                        2           1        -1",
        "newly kept: 1",
        "  t1_low (min_score -> kept): A kettle answers kettle low.",
        "newly dropped: 2",
        *(f"  t1_{name} (kept -> length): A kettle answers kettle {name}." for name in ("c1", "c2")),
        "",
    ]
    told = json.loads(lorum(*arguments, "--json").stdout)
    assert list(told) == ["before", "after", "newly_kept", "newly_dropped", "examples"]
    assert (told["newly_kept"], told["newly_dropped"]) == (1, 2)
    assert told["before"]["target"]["kept"] == 2
    assert told["examples"]["newly_kept"] == [
        {
            "id": "t1_low",
            "community": "KettleCourt",
            "score": 1,
            "before": "min_score",
            "after": None,
            "text": "A kettle answers kettle low.",
        }
    ]
    assert contents(tmp_path) == before


def test_explain_threshold_shows_what_each_threshold_would_drop(posts: Path) -> None:
    done = lorum("filter", posts, "--explain-threshold", "--set", "toxicity.toxicity=0.6", "--quiet")
    assert done.exit_code == 0
    head, *rows = done.stdout.strip("\n").split("\n")
    assert head == "toxicity: 2 posts scored; dropped above 0.6 now"
    thresholds = [line for line in rows if line.startswith("  > ")]
    assert [line.split()[1] for line in thresholds] == ["0.1", "0.3", "0.5", "0.7", "0.8", "0.9", "0.95", "0.99"]
    assert thresholds[-1] == "  > 0.99          0 dropped (0.00%)"
    assert len(rows) == 8 * 3
    (told,) = json.loads(lorum("filter", posts, "--explain-threshold", "--json").stdout)["labels"]
    assert list(told) == ["label", "scored", "thresholds"]
    assert (told["label"], told["scored"], len(told["thresholds"])) == ("toxicity", 2, 8)
    assert {post["id"] for post in told["thresholds"][0]["borderline"]} == {"t1_c1", "t1_c2"}


def test_posts_that_no_one_judged_are_explained_by_the_rules_that_are_set(posts: Path) -> None:
    told = json.loads(lorum("filter", posts, "--explain", "t1_low", "--set", "min_score=1", "--set", "toxicity=false", "--json").stdout)
    assert (told["target_reason"], told["target_reasons"], told["context_reasons"], told["turns"]) == (None, [], [], 2)
    (rule,) = [rule for rule in told["rules"] if rule["rule"] == "min_score"]
    assert rule == {
        "rule": "min_score", "target": "keeps", "context": "keeps", "settings": {"minimum": 1, "context": 0}, "values": {"score": 1},
    }  # fmt: skip


def test_filter_takes_its_rules_from_a_recipe_and_changes_on_top(tmp_path: Path, posts: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('name = "r"\n[gather]\nfiles = ["none.zst"]\n[filter]\nmin_score = 0\ntoxicity = false\n')
    kept = []
    for number, changes in enumerate(([], ["--set", "min_score=6"])):
        done = lorum("filter", posts, "--out", tmp_path / f"judged{number}", "--recipe", recipe, "--json", *changes)
        kept.append(json.loads(done.stdout)["target"]["kept"])
    assert kept == [3, 0]


def bad_import(folder: Path, dump: Callable[..., Path], comment: Make) -> dict[str, tuple[list[str | Path], str]]:
    good = dump(comment("c1"), name="good.ndjson")
    for name, data in {"cut.zst": b"\x28\xb5\x2f\xfd\x04\x58", "empty.ndjson": b"", "table.csv": b"weight,colour\n1,red\n"}.items():
        (folder / name).write_bytes(data)
    (folder / "nothing").mkdir()
    (folder / "nothing" / "thesis.txt").write_text("Once there was a kettle.")
    return {
        "missing": ([folder / "none.zst"], "none.zst: no such file; give the path of a dump"),
        "one of two missing": ([good, folder / "none.zst"], "none.zst: no such file"),
        "a directory of nothing": ([folder / "nothing"], "nothing: holds no file that a source recognises; known: journal, reddit-dump"),
        "truncated": ([folder / "cut.zst"], "cut.zst: cannot be read to its end"),
        "empty": ([folder / "empty.ndjson"], "empty.ndjson: is empty"),
        "no posts": ([folder / "table.csv"], "table.csv: cannot tell its columns: found weight, colour; still needed: text"),
        "unknown community": ([good, "--subreddit", "Teapots"], "1 lines, and none of them is of Teapots; check the name and the days"),
        "other days": ([good, "--until", "1999-01-01"], "none of them is of the days asked for"),
    }


@pytest.mark.parametrize(
    "case", ["missing", "one of two missing", "a directory of nothing", "truncated", "empty", "no posts", "unknown community", "other days"]
)
def test_bad_input_to_import_is_one_line_and_leaves_what_was_there(
    tmp_path: Path, posts: Path, dump: Callable[..., Path], comment: Make, contents: Callable[[Path], dict[str, bytes]], case: str
) -> None:
    arguments, message = bad_import(tmp_path, dump, comment)[case]
    before = contents(posts)
    assert message in refused("import", *arguments, "--out", posts, "--quiet")
    assert contents(posts) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["filter", "none", "--out", "x"], "none: is no folder that lorum made; give a folder of posts"),
        (["filter", "judged", "--out", "x"], "judged: holds judged posts, as `lorum filter` writes; give a folder of posts"),
        (["filter", "posts", "--out", "posts"], "posts: holds posts, as `lorum import` writes, which would be lost; name another folder"),
        (["filter", "posts", "--out", "mine"], "mine: is there already and was not made by lorum"),
        (["filter", "posts", "--out", "x", "--set", "min_scor=1"], "unknown rule 'min_scor'; known: removed"),
        (["filter", "posts", "--out", "x", "--set", "min_score"], "--set min_score: expected key=value"),
        (["filter", "posts", "--out", "x", "--set", "min_score=many"], "min_score.minimum: Input should be a valid integer"),
        (["filter", "posts", "--out", "x", "--set", "toxicity=perspective"], "toxicity: unknown scorer 'perspective'"),
        (["filter", "posts", "--out", "x", "--recipe", "none.toml"], "none.toml: no such recipe"),
        (["filter", "posts", "--out", "x", "--recipe", "bad.toml"], "bad.toml: unknown key 'nmae'; did you mean name?"),
        (["filter", "judged", "--explain", "low"], "judged: holds no post low; ids have their prefix, as in t1_abc123"),
        (["filter", "posts", "--explain", "low"], "posts: holds no post low; ids have their prefix, as in t1_abc123"),
        (["filter", "none", "--explain", "t1_low"], "none: is no folder that lorum made; give a folder of posts"),
        (["filter", "none", "--dry-run"], "none: is no folder that lorum made; give a folder of posts"),
        (["filter", "judged", "--try", "min_score=1"], "judged: holds judged posts, as `lorum filter` writes; give a folder of posts"),
        (["filter", "posts", "--try", "min_scor=1"], "unknown rule 'min_scor'; known: removed"),
        (
            ["filter", "judged", "--explain-threshold"],
            "judged: was judged without toxicity, so nothing was scored; give the folder of posts",
        ),
        (
            ["filter", "judged", "--explain", "t1_c1", "--set", "min_score=5"],
            "judged: holds judged posts, which are explained by what judged them; leave --recipe and --set out",
        ),
        (["filter", "posts", "--try", "min_score"], "--try min_score: expected key=value, as in train.max_steps=200"),
        (
            ["filter", "posts", "--set", "toxicity=false", "--explain-threshold"],
            "toxicity: is left out, so there is no threshold to explain",
        ),
        (["format", "none", "--out", "x"], "none: is no folder that lorum made; give a folder of judged posts"),
        (["format", "posts", "--out", "x"], "posts: holds posts, as `lorum import` writes; give a folder of judged posts"),
        (["format", "judged", "--out", "judged"], "judged: holds judged posts, as `lorum filter` writes, which would be lost"),
        (["format", "judged", "--out", "x", "--template", "koala"], "template koala: neither built in (alpaca, chatml, "),
        (["format", "judged", "--out", "x", "--split", "90/20"], "split is '90/20'; expected three percentages"),
        (["format", "strict", "--out", "x"], "strict: no reply is left to learn: 0 posts pass the filters"),
        (["preview", "none"], "none/train.parquet: no such file; give a folder of samples"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_to_the_other_commands_is_one_line_and_leaves_what_was_there(
    tmp_path: Path,
    judged: Path,
    contents: Callable[[Path], dict[str, bytes]],
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("ten years of work")
    (tmp_path / "bad.toml").write_text('nmae = "x"\nname = "x"\n[gather]\nfiles = ["x"]')
    if "strict" in arguments:
        lorum("filter", "posts", "--out", "strict", "--set", "toxicity=false", "--set", "min_score=1000", "--quiet")
    before = contents(tmp_path)
    assert message in refused(*arguments, "--quiet")
    after = contents(tmp_path)
    assert {name: after.get(name) for name in before} == before
    assert not (tmp_path / "x").exists()


def test_a_traceback_comes_with_debug_and_never_without(tmp_path: Path) -> None:
    arguments = ["import", tmp_path / "none.zst", "--out", tmp_path / "posts"]
    assert "Traceback" not in process("from curate.cli import main; main()", *arguments).stderr
    shown = process("from curate.cli import main; main()", *arguments, "--debug")
    assert "Traceback (most recent call last)" in shown.stderr
    assert "none.zst: no such file" in shown.stderr.strip().split("\n")[-1]


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing beyond the limit fails as on a full disk
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from curate.cli import main
main()
"""


@pytest.mark.parametrize("room", [0, 40, 2_000, 20_000])
def test_a_full_disk_is_one_line_exit_code_1_and_what_was_there_stays(
    tmp_path: Path, posts: Path, dump: Callable[..., Path], comment: Make, contents: Callable[[Path], dict[str, bytes]], room: int
) -> None:
    before = contents(posts)
    large = dump(*(comment(f"c{number}", body=f"{number * 7919**3:x} " * 9) for number in range(3000)), name="large.ndjson")
    done = process(FULL_DISK, str(room), "import", large, "--out", posts, "--quiet", PYTHONDONTWRITEBYTECODE="1")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.strip().split("\n")
    assert line.startswith("lorum: the disk is full (")
    assert line.endswith("make room and run the same command again; what was finished is kept")
    assert contents(posts) == before
    assert lorum("import", large, "--out", posts, "--quiet").exit_code == 0


def test_a_disk_that_is_full_while_posts_are_judged_leaves_the_verdicts_that_were_there(
    tmp_path: Path, judged: Path, contents: Callable[[Path], dict[str, bytes]]
) -> None:
    before = contents(judged)
    arguments = ["filter", tmp_path / "posts", "--out", judged, "--set", "toxicity=false", "--set", "min_score=0", "--quiet"]
    done = process(FULL_DISK, "1000", *arguments, PYTHONDONTWRITEBYTECODE="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("lorum: the disk is full (")
    assert len(done.stderr.strip().split("\n")) == 1
    assert contents(judged) == before
