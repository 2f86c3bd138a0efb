import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pytest
from transformers import AutoTokenizer

from curate import store
from curate.gather import import_files
from curate.judging.judge import judge_posts
from curate.rendering import Fit
from curate.samples import Sampled, make_samples
from curate.splits import SPLITS, SplitSettings
from filters.catalogue import build_filter
from formats.errors import UserError
from formats.rendering.render import SAMPLE_COLUMNS as RENDERED
from formats.samples import read_split
from formats.templates.template import load_template, read_template
from formats.tokens.encoding import encode_sample

Record = dict[str, Any]
Make = Callable[..., Record]
TEMPLATE = load_template("comment-response")
SAMPLE_COLUMNS = (*RENDERED, "num_tokens", "toxicity")
THIRDS = (0.34, 0.33, 0.33)


def read_samples(folder: Path, split: str, columns: Sequence[str] = SAMPLE_COLUMNS) -> pl.DataFrame:
    return read_split(folder, split, columns)


@pytest.fixture
def judged(tmp_path: Path, dump: Callable[..., Path]) -> Callable[..., Path]:
    """A judged store of these records."""

    def make(*records: Record, name: str = "judged", **rules: Any) -> Path:
        import_files([dump(*records)], tmp_path / f"posts of {name}")
        judge_posts(tmp_path / f"posts of {name}", tmp_path / name, build_filter({"toxicity": False, **rules}), tmp_path / "scores")
        return tmp_path / name

    return make


@pytest.fixture
def forum(comment: Make, submission: Make) -> list[Record]:
    """40 threads of a submission, a comment and a reply to it."""
    return [
        record
        for number in range(40)
        for record in (
            submission(f"s{number}"),
            comment(f"c{number}", thread=f"s{number}"),
            comment(f"d{number}", parent=f"c{number}", thread=f"s{number}", author=f"author_s{number}"),
        )
    ]


def make(source: Path, out: Path, **changes: Any) -> Sampled:
    settings: dict[str, Any] = {"template": TEMPLATE, "max_turns": 4, "shares": THIRDS, "seed": 0, "by": "thread"} | changes
    split = SplitSettings(settings.pop("shares"), settings.pop("seed"), settings.pop("by"))
    return make_samples(source, out, settings.pop("template"), split=split, **settings)


def sha256(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize("rows", [500_000, 5])
def test_every_kept_reply_is_a_sample_in_one_split(
    tmp_path: Path, forum: list[Record], judged: Callable[..., Path], rows: int, rows_per_bucket: Callable[[float], None]
) -> None:
    rows_per_bucket(rows)
    source = judged(*forum, turns=False)
    assert (len(store.bucket_numbers(source)) > 4) == (rows == 5)
    sampled = make(source, tmp_path / "samples")
    splits = {name: read_samples(tmp_path / "samples", name) for name in SPLITS}
    assert (sampled.targets, sampled.roots, sampled.without_context, sampled.samples) == (120, 40, 0, 80)
    assert {name: table.height for name, table in splits.items()} == {name: getattr(sampled, name) for name in SPLITS}
    assert min(sampled.train, sampled.validation, sampled.test) > 0
    assert sorted(pl.concat(splits.values())["id"]) == sorted(f"t1_{kind}{number}" for kind in "cd" for number in range(40))
    threads = [set(table["thread_id"]) for table in splits.values()]
    assert sum(map(len, threads)) == len(set.union(*threads)) == 40
    assert all(table.columns == list(SAMPLE_COLUMNS) for table in splits.values())
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [
        ".manifest.json", "README.md", "template.toml", "test.parquet", "train.parquet", "validation.parquet",
    ]  # fmt: skip


def test_a_sample_holds_its_turns_in_the_template(tmp_path: Path, comment: Make, submission: Make, judged: Callable[..., Path]) -> None:
    source = judged(submission(title="The case", selftext="of tea"), comment("c1", body="I object, and loudly so."))
    make(source, tmp_path / "samples", shares=(1.0, 0.0, 0.0))
    (row,) = read_samples(tmp_path / "samples", "train").to_dicts()
    assert row["prompt"] == "### Comment:\nThe case\n\nof tea\n\n### Response:\n"
    assert row["completion"] == "I object, and loudly so.\n\n### END"
    assert row["text"] == row["prompt"] + row["completion"]
    assert row["messages"] == [
        {"role": "user", "content": "The case\n\nof tea"},
        {"role": "assistant", "content": "I object, and loudly so."},
    ]
    assert (row["id"], row["thread_id"], row["community"], row["score"]) == ("t1_c1", "t3_s1", "KettleCourt", 5)


def test_kept_posts_that_are_no_samples_are_counted_with_the_reason(
    tmp_path: Path, comment: Make, submission: Make, judged: Callable[..., Path]
) -> None:
    records = [
        submission(),
        comment("c1"),
        comment("orphan", parent="gone"),
        comment("low", score=0),
        comment("removed", body="[removed]"),
        comment("cut", parent="removed"),
    ]
    sampled = make(judged(*records, turns=False), tmp_path / "samples", shares=(1.0, 0.0, 0.0))
    assert sampled == Sampled(targets=4, roots=1, without_context=2, samples=1, train=1, validation=0, test=0)
    by_default = make(judged(*records, name="by default"), tmp_path / "samples", shares=(1.0, 0.0, 0.0))
    assert by_default == Sampled(targets=1, roots=0, without_context=0, samples=1, train=1, validation=0, test=0)


def test_counts_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match="do not add up"):
        Sampled(targets=4, roots=1, without_context=1, samples=1, train=1, validation=0, test=0)
    with pytest.raises(ValueError, match="do not add up"):
        Sampled(targets=3, roots=1, without_context=1, samples=1, train=1, validation=1, test=0)


def test_the_turns_are_at_most_as_many_as_asked_for(tmp_path: Path, comment: Make, submission: Make, judged: Callable[..., Path]) -> None:
    chain = [submission(), comment("c1"), *(comment(f"c{depth}", parent=f"c{depth - 1}") for depth in range(2, 7))]
    source = judged(*chain)
    for max_turns in (2, 4):
        make(source, tmp_path / "samples", max_turns=max_turns, shares=(1.0, 0.0, 0.0))
        rows = read_samples(tmp_path / "samples", "train", ["id", "prompt"])
        prompts = dict(rows.iter_rows())
        assert prompts["t1_c6"].count("### Comment:\n") == max_turns - 1


@pytest.mark.parametrize("rows", [500_000, 5])
def test_a_second_run_writes_the_same_bytes(
    tmp_path: Path, forum: list[Record], judged: Callable[..., Path], rows: int, rows_per_bucket: Callable[[float], None]
) -> None:
    rows_per_bucket(rows)
    make(judged(*forum, name="first"), tmp_path / "samples")
    make(judged(*forum, name="second"), tmp_path / "again")
    first, again = sha256(tmp_path / "samples"), sha256(tmp_path / "again")
    assert first.pop(".manifest.json") != again.pop(".manifest.json")  # it tells which posts they were made from
    assert first == again


def test_the_samples_are_the_same_however_many_buckets_there_are(
    tmp_path: Path, forum: list[Record], judged: Callable[..., Path], rows_per_bucket: Callable[[float], None]
) -> None:
    found = []
    for rows in (500_000, 50, 5):
        rows_per_bucket(rows)
        sampled = make(judged(*forum, name=f"judged {rows}"), tmp_path / f"{rows}")
        found.append((sampled, {name: read_samples(tmp_path / f"{rows}", name).sort("id").to_dicts() for name in SPLITS}))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("rows", [500_000, 5])
def test_datasets_loads_the_files_and_the_folder_as_they_are(
    tmp_path: Path, forum: list[Record], judged: Callable[..., Path], rows: int, rows_per_bucket: Callable[[float], None]
) -> None:
    rows_per_bucket(rows)
    make(judged(*forum), tmp_path / "samples")
    cache = str(tmp_path / "cache")
    files = {name: str(tmp_path / "samples" / f"{name}.parquet") for name in SPLITS}
    by_file = datasets.load_dataset("parquet", data_files=files, cache_dir=cache)
    by_folder = datasets.load_dataset(str(tmp_path / "samples"), cache_dir=cache)
    for found in (by_file, by_folder):
        assert {name: split.num_rows for name, split in found.items()} == {
            name: read_samples(tmp_path / "samples", name).height for name in SPLITS
        }
        for name in SPLITS:
            assert found[name].column_names == list(SAMPLE_COLUMNS)
            assert found[name].to_list() == read_samples(tmp_path / "samples", name).to_dicts()


def test_datasets_loads_a_folder_in_which_a_split_is_empty(tmp_path: Path, forum: list[Record], judged: Callable[..., Path]) -> None:
    make(judged(*forum), tmp_path / "samples", shares=(0.5, 0.0, 0.5))
    found = datasets.load_dataset(str(tmp_path / "samples"), cache_dir=str(tmp_path / "cache"))
    assert set(found) == {"train", "test"}
    assert found["train"].num_rows + found["test"].num_rows == 80
    empty = read_samples(tmp_path / "samples", "validation")
    assert (empty.height, empty.schema) == (0, read_samples(tmp_path / "samples", "train").schema)


def test_the_template_lies_beside_the_samples(tmp_path: Path, forum: list[Record], judged: Callable[..., Path]) -> None:
    for name in ("comment-response", "speakers"):
        make(judged(*forum, name=f"judged {name}"), tmp_path / name, template=load_template(name))
        assert read_template(tmp_path / name / "template.toml") == load_template(name)


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ({"min_score": 100}, "0 posts pass the filters, 0 become samples"),
        ({"length": {"minimum": 1, "maximum": 10}}, "0 posts pass the filters, 0 become samples"),
        ({"bots": ["author_s1"], "turns": False}, "2 posts pass the filters, 1 nothing left before them, 1 become samples"),
    ],
)
def test_where_no_reply_is_left_to_learn_one_line_says_why_and_what_was_there_stays(
    tmp_path: Path, comment: Make, submission: Make, judged: Callable[..., Path], rules: Record, why: str
) -> None:
    records = [submission(), comment("c1"), comment("c2", parent="c1")]
    make(judged(*records), tmp_path / "samples", shares=(1.0, 0.0, 0.0))
    before = sha256(tmp_path / "samples")
    strict = judged(*records, name="strict", **rules)
    with pytest.raises(UserError) as caught:
        make(strict, tmp_path / "samples", shares=(1e-9, 0.0, 1 - 1e-9))
    assert str(caught.value).startswith(f"{strict}: no reply is left to learn: ")
    assert why in str(caught.value)
    assert "0 of them for training" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sha256(tmp_path / "samples") == before


def test_stopped_before_any_change_the_samples_end_with_the_same_bytes(
    tmp_path: Path,
    forum: list[Record],
    judged: Callable[..., Path],
    stopped_before: Callable[..., Any],
    rows_per_bucket: Callable[[float], None],
) -> None:
    rows_per_bucket(3)
    source = judged(*forum[:12])
    assert len(store.bucket_numbers(source)) > 1
    sampled = make(source, tmp_path / "whole" / "samples")
    for number in range(1000):
        out = tmp_path / str(number) / "samples"
        with stopped_before(number, out.parent) as stop:
            make(source, out)
        if not stop.happened:
            break
        assert make(source, out) == sampled
        assert sha256(out) == sha256(tmp_path / "whole" / "samples")
        assert [path.name for path in out.parent.iterdir()] == ["samples"]
    assert number > 20


def test_stopped_with_all_in_one_bucket_the_samples_end_with_the_same_bytes(
    tmp_path: Path, forum: list[Record], judged: Callable[..., Path], stopped_before: Callable[..., Any]
) -> None:
    source = judged(*forum)
    sampled = make(source, tmp_path / "whole" / "samples")
    for number in range(1000):
        out = tmp_path / str(number) / "samples"
        with stopped_before(number, out.parent) as stop:
            make(source, out)
        if not stop.happened:
            break
        assert make(source, out) == sampled
        assert sha256(out) == sha256(tmp_path / "whole" / "samples")
    assert number > 10


@pytest.mark.parametrize("change", [{"template": load_template("speakers")}, {"max_turns": 2}, {"shares": (0.5, 0.25, 0.25)}, {"seed": 1}])
def test_another_setting_makes_other_samples_and_the_same_makes_none(
    tmp_path: Path, forum: list[Record], judged: Callable[..., Path], change: Record
) -> None:
    source = judged(*forum)
    make(source, tmp_path / "samples")
    first = sha256(tmp_path / "samples")
    inode = (tmp_path / "samples").stat().st_ino
    make(source, tmp_path / "samples")
    assert (tmp_path / "samples").stat().st_ino == inode
    make(source, tmp_path / "samples", **change)
    assert sha256(tmp_path / "samples") != first


def test_what_is_no_folder_of_judged_posts_is_told(tmp_path: Path, forum: list[Record], judged: Callable[..., Path]) -> None:
    source = judged(*forum)
    with pytest.raises(UserError, match="holds posts, as `lorum import` writes; give a folder of judged posts, as `lorum filter` writes"):
        make(tmp_path / "posts of judged", tmp_path / "samples")
    with pytest.raises(UserError, match="judged: holds judged posts, as `lorum filter` writes, which would be lost"):
        make(source, source)
    with pytest.raises(UserError, match=r"train\.parquet: no such file; give a folder of samples, as `lorum format`"):
        read_samples(tmp_path, "train")


def test_a_sample_names_the_posts_of_its_turns(tmp_path: Path, comment: Make, submission: Make, judged: Callable[..., Path]) -> None:
    source = judged(submission(), comment("c1"), comment("c2", parent="c1"), comment("c3", parent="c2"))
    make(source, tmp_path / "samples", max_turns=3, shares=(1.0, 0.0, 0.0))
    rows = read_samples(tmp_path / "samples", "train", ["id", "turn_ids"])
    assert dict(rows.iter_rows()) == {
        "t1_c1": ["t3_s1", "t1_c1"],
        "t1_c2": ["t3_s1", "t1_c1", "t1_c2"],
        "t1_c3": ["t1_c1", "t1_c2", "t1_c3"],
    }


def test_only_what_a_persona_wrote_is_learned_in_whatever_case_it_is_named(
    tmp_path: Path, comment: Make, submission: Make, judged: Callable[..., Path]
) -> None:
    records = [
        submission(author="Plaintiff"),
        comment("c1", author="TeaClerk", body="The clerk has seen this kettle before."),
        comment("c2", parent="c1", author="Bailiff", body="The bailiff has not, and says so."),
        comment("c3", parent="c2", author="TeaClerk", body="The bailiff was asleep, as noted."),
    ]
    source = judged(*records)
    sampled = make(source, tmp_path / "samples", personas=("u/teaclerk",), shares=(1.0, 0.0, 0.0))
    assert (sampled.targets, sampled.samples, sampled.other_authors) == (3, 2, 1)
    rows = read_samples(tmp_path / "samples", "train", ["id", "prompt"])
    assert rows["id"].to_list() == ["t1_c1", "t1_c3"]
    assert "The bailiff has not" in rows["prompt"][1]
    with pytest.raises(
        UserError, match="judged: no reply that could be learned is by nobody; give names as they stand in the column author"
    ):
        make(source, tmp_path / "none", personas=("/u/TeaClerk", "nobody"))


def test_samples_are_fitted_to_a_number_of_tokens_and_count_them(
    tmp_path: Path, comment: Make, submission: Make, judged: Callable[..., Path], base_folder: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base_folder)
    records = [
        submission(title="The case of the kettle", selftext="It was boiled twice. " * 10),
        comment("c1", body="The court finds the kettle guilty."),
        comment("c2", parent="c1", body="Milk goes in after, as the statute says."),
        comment("long", parent="c1", body="The kettle, the mug and the spoon, in this order. " * 30),
    ]
    source = judged(*records, repetition=False)
    whole = make(source, tmp_path / "whole", shares=(1.0, 0.0, 0.0), fit_to=Fit(str(base_folder)))
    rows = read_samples(tmp_path / "whole", "train", ["id", "num_tokens", "prompt", "completion"])
    assert whole.samples == 3
    for _, count, prompt, completion in rows.iter_rows():
        assert count == len(encode_sample(TEMPLATE, prompt, completion, tokenizer).input_ids)
    lengths = dict(rows["id", "num_tokens"].iter_rows())
    fitted = make(source, tmp_path / "fitted", shares=(1.0, 0.0, 0.0), fit_to=Fit(str(base_folder), lengths["t1_c2"] - 1))
    assert (fitted.samples, fitted.long_replies, fitted.long_contexts) == (1 + (lengths["t1_c1"] < lengths["t1_c2"]), 1, 0)
    left = read_samples(tmp_path / "fitted", "train", ["id", "turn_ids", "num_tokens"]).filter(pl.col("id") == "t1_c2").to_dicts()
    assert [row["turn_ids"] for row in left] == [["t1_c1", "t1_c2"]]
    assert left[0]["num_tokens"] < lengths["t1_c2"]


def test_what_says_nearly_the_same_as_a_sample_for_training_is_not_held_out(
    tmp_path: Path, forum: list[Record], comment: Make, submission: Make, judged: Callable[..., Path]
) -> None:
    copied = "The court has heard the kettle, the mug and eleven witnesses, and it finds that nobody in this room can make tea."
    twins = [
        record
        for number in range(40, 60)
        for record in (submission(f"s{number}"), comment(f"c{number}", thread=f"s{number}", author=f"writer{number}", body=copied))
    ]
    sampled = make(judged(*forum, *twins, duplicates=False, near_duplicates=False), tmp_path / "samples")
    splits = {name: read_samples(tmp_path / "samples", name) for name in SPLITS}
    saying_so = {name: table.filter(pl.col("completion").str.contains("eleven witnesses")).height for name, table in splits.items()}
    assert saying_so["train"] > 0
    assert (saying_so["validation"], saying_so["test"]) == (0, 0)
    assert sampled.near_copies >= 20 - saying_so["train"] > 0
    assert sum(table.height for table in splits.values()) == sampled.samples


def test_a_score_of_the_reply_stands_beside_it(tmp_path: Path, comment: Make, submission: Make, judged: Callable[..., Path]) -> None:
    source = judged(submission(), comment("c1"), toxicity={"scorer": "lite"})
    make(source, tmp_path / "samples", shares=(1.0, 0.0, 0.0))
    (score,) = read_samples(tmp_path / "samples", "train")["toxicity"]
    assert 0 <= score < 0.8
    make(judged(submission(), comment("c1"), name="not scored"), tmp_path / "unscored", shares=(1.0, 0.0, 0.0))
    assert read_samples(tmp_path / "unscored", "train")["toxicity"].to_list() == [None]


def test_a_template_that_tells_the_community_has_its_name_where_there_is_one(
    tmp_path: Path, forum: list[Record], comment: Make, submission: Make, judged: Callable[..., Path]
) -> None:
    template = replace(load_template("chatml"), system_text="A reply in {community}[[, by {flair}]][[, of {community}]].")
    make(judged(*forum), tmp_path / "samples", template=template)
    assert read_template(tmp_path / "samples" / "template.toml").system_text == "A reply in KettleCourt[[, by {flair}]], of KettleCourt."
    assert read_samples(tmp_path / "samples", "train")["prompt"][0].startswith(
        "<|im_start|>system\nA reply in KettleCourt, of KettleCourt.<|im_end|>\n<|im_start|>user\n"
    )
    other = (submission("o1", subreddit="TeaBench"), comment("o2", thread="o1", subreddit="TeaBench"))
    make(judged(*forum, *other, name="of two"), tmp_path / "two", template=template)
    assert read_template(tmp_path / "two" / "template.toml") == template
