"""`lorum preview`: samples on the terminal, as plain text, as JSON, and as a page."""

import json
import math
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from curate import preview
from curate.cli import main
from curate.preview import draw_samples, find_samples, plain
from formats.contract.report import ContractReport, Point, StopSpec
from formats.errors import UserError
from formats.templates.template import load_template

TEMPLATE = load_template("comment-response")


def lorum(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def rows(first: int, count: int, **columns: Any) -> pl.DataFrame:
    numbers = range(first, first + count)
    return pl.DataFrame(
        {
            "id": [f"t1_{number}" for number in numbers],
            "community": ["KettleCourt"] * count,
            "score": [number * 1000 for number in numbers],
            "turn_ids": [[f"t1_{number}", "t1_x"] for number in numbers],
            "prompt": [f"### Comment:\nCase {number}?\n\n### Response:\n" for number in numbers],
            "completion": [f"Guilty of {number}.\n\n### END" for number in numbers],
            **columns,
        },
        schema_overrides={"id": pl.String, "community": pl.String, "score": pl.Int32, "prompt": pl.String, "completion": pl.String},
    )


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    folder = tmp_path / "court" / "samples"
    folder.mkdir(parents=True)
    rows(0, 40, num_tokens=list(range(40))).write_parquet(folder / "train.parquet", row_group_size=7)
    rows(40, 5).write_parquet(folder / "validation.parquet")
    rows(45, 0).write_parquet(folder / "test.parquet")
    (folder / "template.toml").write_text(TEMPLATE.to_toml(), encoding="utf-8")
    return folder


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> str:
    """A base whose tokenizer knows bytes and an end token, with a contract that fails."""
    backend = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, merges=[]))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>")
    monkeypatch.setattr(preview, "reader_of", lambda name: preview.Reader(name, tokenizer))

    def report(folder: Path, reader: preview.Reader, max_tokens: int) -> ContractReport:
        point = Point("loss", False, 0, 45, f"a limit of {max_tokens}")
        return ContractReport(45, 0, StopSpec("<|im_end|>", 256, (TEMPLATE.stop,), "### Response:\n"), (256,), 9, (point,))

    monkeypatch.setattr(preview, "_report", report)
    return "kettle-135m"


def test_samples_are_drawn_by_the_seed_without_reading_all_at_once(samples: Path) -> None:
    drawn = draw_samples(samples, 5, seed=1)
    assert drawn.equals(draw_samples(samples, 5, seed=1))
    assert drawn["id"].to_list() != draw_samples(samples, 5, seed=2)["id"].to_list()
    assert drawn.columns == [*rows(0, 1).columns, "num_tokens"]
    assert draw_samples(samples, 100)["id"].to_list() == [f"t1_{number}" for number in range(40)]
    assert draw_samples(samples, 3, "test").is_empty()


def test_samples_are_found_by_id_in_any_split_in_the_order_asked(samples: Path) -> None:
    found = find_samples(samples, ["t1_44", "t1_3", "t1_44"])
    assert found.select("id", "split").rows() == [("t1_44", "validation"), ("t1_3", "train")]
    with pytest.raises(UserError, match="no sample has the id t1_99; ids are those of the replies"):
        find_samples(samples, ["t1_3", "t1_99"])


def test_the_terminal_shows_what_is_known_and_the_parts(samples: Path) -> None:
    done = lorum("preview", samples, "--id", "t1_7")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-6:] == [
        "t1_7 · train · KettleCourt · score 7,000 · 7 tokens",
        "- │ ### Comment:↵",
        ". │ Case 7?",
        "- │ ↵↵### Response:↵",
        "> ┃ Guilty of 7.",
        "! ┃ ↵↵### END",
    ]
    assert "\x1b" not in done.stdout


def test_a_toxicity_that_is_not_a_number_is_not_told(samples: Path) -> None:
    rows(0, 2, toxicity=[math.nan, 0.25]).write_parquet(samples / "train.parquet")
    told = lorum("preview", samples).stdout
    assert "nan" not in told
    assert "score 1,000 · toxicity 0.25" in told


def test_split_count_and_seed_choose(samples: Path) -> None:
    done = lorum("preview", samples, "--split", "validation", "--count", "9", "--seed", "4")
    assert re.findall(r"^t1_\d+", done.stdout, re.MULTILINE) == [f"t1_{number}" for number in range(40, 45)]
    refused = lorum("preview", samples, "--split", "test")
    assert (refused.exit_code, refused.stderr) == (2, f"lorum: {samples}: its split test holds no sample; name another with --split\n")


def test_a_base_counts_tokens_and_names_the_end_token(samples: Path, base: str) -> None:
    shown = lorum("preview", samples, "--id", "t1_7", "--base", base).stdout
    assert "58 tokens: 36 prompt + 12 reply + 10 stop" in " ".join(shown.split())
    assert shown.endswith("! ┃ ↵↵### END\n! ┃ <|im_end|>\n")
    tokens = lorum("preview", samples, "--id", "t1_7", "--base", base, "--tokens").stdout
    assert len(re.findall(r"(?<![^ ])\d+:\S", tokens)) == 58
    assert tokens.rstrip().endswith("<|im_end|>")


def test_tokens_need_a_base(samples: Path) -> None:
    refused = lorum("preview", samples, "--tokens")
    assert refused.exit_code == 2
    assert "name one with --base" in refused.stderr


def test_plain_is_the_text_alone_with_a_form_feed_between(samples: Path) -> None:
    done = lorum("preview", samples, "--id", "t1_1", "--id", "t1_2", "--plain")
    assert done.stdout.split("\n\f\n") == [
        "### Comment:\nCase 1?\n\n### Response:\nGuilty of 1.\n\n### END",
        "### Comment:\nCase 2?\n\n### Response:\nGuilty of 2.\n\n### END\n",
    ]


def test_no_text_can_stand_for_the_line_between_two() -> None:
    forged = pl.DataFrame({"prompt": ["a\n\f\nb", "\x1b[2J"], "completion": ["\x0c", "d"]})
    assert plain(forged) == "a\n␌\nb␌\n\f\n␛[2Jd\n"


def test_json_holds_the_rows_as_they_are(samples: Path) -> None:
    done = lorum("preview", samples, "--id", "t1_41", "--json")
    told = json.loads(done.stdout)
    assert told["split"] is None
    assert told["samples"][0]["turn_ids"] == ["t1_41", "t1_x"]
    assert json.loads(lorum("preview", samples, "--count", "2", "--json").stdout)["split"] == "train"


def test_a_page_holds_every_split_and_the_contract(samples: Path, base: str, tmp_path: Path) -> None:
    path = tmp_path / "pages" / "court.html"
    done = lorum("preview", samples, "--html", path, "--base", base, "--max-tokens", "64", "--json")
    assert json.loads(done.stdout) == {"page": str(path), "samples": 45, "bytes": path.stat().st_size, "contract_holds": False}
    page = path.read_text(encoding="utf-8")
    assert "<h1>Samples of <bdi" in page
    assert ">court</bdi>" in page  # the folder that holds `samples`
    assert "a limit of 64" in page
    assert '"split": ["train", "validation"]' in page
    told = lorum("preview", samples, "--html", path)
    assert re.fullmatch(r"45 samples, 0\.\d MB -> .*court\.html\n", told.stdout)
    assert "not checked" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["train.parquet", "template.toml", "notes.html", "empty.txt", "folder.d"])
def test_a_page_never_takes_the_place_of_something_else(samples: Path, name: str) -> None:
    (samples / "notes.html").write_text("<!doctype html><title>Of kettles</title>")
    (samples / "empty.txt").touch()
    (samples / "folder.d").mkdir()
    path = samples / name
    before = path.read_bytes() if path.is_file() else None
    refused = lorum("preview", samples, "--html", path)
    assert refused.exit_code == 2
    assert "no page of samples, so it is not replaced" in refused.stderr or "is a directory" in refused.stderr
    assert (path.read_bytes() if path.is_file() else None) == before
    assert lorum("preview", samples).exit_code == 0


@pytest.mark.parametrize("options", [["--split", "test"], ["--count", "3"], ["--seed", "0"], ["--id", "t1_1"], ["--plain"], ["--tokens"]])
def test_a_page_refuses_options_that_choose_what_a_terminal_shows(samples: Path, tmp_path: Path, options: list[str]) -> None:
    refused = lorum("preview", samples, "--html", tmp_path / "page.html", *options)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"lorum: --html with {options[0]}: the page holds all samples")
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("option", ["--tokens", "--json"])
def test_plain_is_nothing_else(samples: Path, option: str) -> None:
    refused = lorum("preview", samples, "--plain", option)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == f"lorum: --plain with {option}: the texts alone, or more of them; leave one out\n"


@pytest.mark.parametrize("arguments", [[], ["--html", "page.html"]])
def test_the_folder_of_a_whole_run_leads_to_its_samples(samples: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(samples.parent)
    refused = lorum("preview", samples.parent, *arguments)
    assert refused.exit_code == 2
    assert refused.stderr.endswith(f": no such file; did you mean {samples}?\n")


@pytest.mark.parametrize("arguments", [["--count", "2"], ["--html", "page.html"], ["--id", "t1_1"]])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused = lorum("preview", "none", *arguments)
    assert refused.exit_code == 2
    assert "no such file; give a folder of samples" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_forum_without_samples_has_no_page(samples: Path, tmp_path: Path) -> None:
    for split in ("train", "validation"):
        rows(0, 0).write_parquet(samples / f"{split}.parquet")
    refused = lorum("preview", samples, "--html", tmp_path / "page.html")
    assert refused.exit_code == 2
    assert "holds no sample to show" in refused.stderr
    assert not (tmp_path / "page.html").exists()
