"""An evaluation as a whole, on a tiny base: what it says, what it writes, and what it says of too little."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from formats.errors import UserError
from formats.samples import folder_template
from tests.train.conftest import SENTENCES, sample
from train.adapters.folder import read_adapter
from train.bases.base_model import Base, load_tokenizer
from train.evaluation.comparing import chosen_to_show
from train.evaluation.evaluate import EVALUATION, evaluate
from train.evaluation.figures import VERSION
from train.evaluation.held_out import distinct_prompts, drawn, held_out, threads_of
from train.evaluation.intervals import Estimate
from train.evaluation.keys import sample_key
from train.learning.trainer import train
from train.settings import DecodingSettings, EvalSettings, TrainSettings

QUICK = EvalSettings(prompts=12, shown=4, max_new_tokens=40)


@pytest.fixture(scope="module")
def trained(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder: an adapter that learned eight sentences by heart, and its samples, of which 16 are held out."""
    from formats.templates.template import load_template

    template = load_template("comment-response")
    run = tmp_path_factory.mktemp("run")
    folder = run / "samples"
    folder.mkdir()
    rows = [sample(template, SENTENCES[place % 8], SENTENCES[(3 * place + 1) % 8]) for place in range(24)]
    pl.DataFrame(rows).write_parquet(folder / "train.parquet")
    pl.DataFrame([sample(template, f"{text} Why?", f"{text} So.") for text in SENTENCES]).write_parquet(folder / "test.parquet")
    pl.DataFrame([sample(template, f"{text} How?", f"Thus: {text}") for text in SENTENCES]).write_parquet(folder / "validation.parquet")
    (folder / "template.toml").write_text(template.to_toml(), encoding="utf-8")
    settings = TrainSettings(rank=8, batch=4, max_tokens=128, max_steps=60, learning_rate=2e-2, save_every=100)
    train(folder, str(base_folder), run / "adapter", settings, DecodingSettings(temperature=0.3))
    return run


def test_an_evaluation_compares_base_adapter_and_forum(trained: Path) -> None:
    stages: list[tuple[str, int, int]] = []
    found = evaluate(trained / "adapter", trained / "samples", QUICK, progress=lambda *stage: stages.append(stage))
    base, adapter = found.base, found.adapter
    assert base.greedy.prompts == adapter.shipped.prompts == 12
    assert adapter.perplexity.samples == 16
    assert (adapter.perplexity.reply.value or 0) < (base.perplexity.reply.value or 0) / 2
    assert (adapter.perplexity.stop_probability.value or 0) > 0.02 > 1e-6 > (base.perplexity.stop_probability.value or 0)
    assert adapter.shipped.rate > 0.8 > base.shipped.rate
    assert stages[0] == ("measure base and adapter", 0, 7)
    assert stages[-1] == ("measure base and adapter", 7, 7)

    assert found.forum.whole == Estimate(1.0, found.forum.whole.interval)
    assert found.forum.wording.lengths.distance.value is None
    assert len(found.forum.wording.lengths.tokens) == 12
    copying = adapter.wording.copying
    assert copying is not None
    assert copying.longest == max(copying.words)
    assert len(copying.words) == 12
    assert adapter.style.auc.interval is not None
    assert found.differences["perplexity_ratio"].value == pytest.approx(
        (adapter.perplexity.reply.value or 0) / (base.perplexity.reply.value or 1), rel=1e-6
    )
    assert (found.differences["shipped_rate"].value or 0) > 0.5
    assert (found.differences["length_distance"].value or 0) < 0

    assert len(found.examples) == 4
    template, rows = folder_template(trained / "samples"), pl.read_parquet(trained / "samples" / "train.parquet")
    keys = {sample_key(row["prompt"], row["completion"].removesuffix(template.stop)) for row in rows.to_dicts()}
    for example in found.examples:
        assert example.endings["adapter"] in ("stop", "other end", "length")
        assert set(example.copied_from) == set(example.overlaps)
        assert {key for copied in example.copied_from.values() for key in copied} <= keys
        for who, overlap in example.overlaps.items():
            assert overlap.words >= 8
            assert getattr(example, who)[overlap.begin : overlap.end]


def test_it_writes_whole_figures_without_a_members_words_and_says_the_same_twice(trained: Path, base_folder: Path) -> None:
    first = evaluate(trained / "adapter", trained / "samples", QUICK)
    written = json.loads((trained / "adapter" / EVALUATION).read_text())
    told = json.loads(json.dumps(first.to_dict(), allow_nan=False))
    assert written == {name: value for name, value in told.items() if name != "examples"}
    assert (written["version"], written["confidence"]) == (VERSION, 0.95)
    low, high = written["adapter"]["shipped"]["shares"]["stopped"]["interval"]
    assert low < written["adapter"]["shipped"]["shares"]["stopped"]["value"] <= high
    assert written["about"]["base_model"] == base_folder.name, "a folder that is passed on does not say where it was made"
    text = (trained / "adapter" / EVALUATION).read_text()
    assert not [sentence for sentence in SENTENCES if sentence[:12] in text]
    noted = json.loads((trained / "adapter" / "stop.json").read_text())["termination_rate"]
    assert noted == {"base": first.base.shipped.rate, "adapter": first.adapter.shipped.rate, "prompts": 12, "max_new_tokens": 40}
    assert read_adapter(trained / "adapter").stop.termination_rate == noted
    (trained / "adapter" / EVALUATION).write_text(json.dumps({**written, "judged": {"questions": 80}, "version": 0}))
    assert evaluate(trained / "adapter", trained / "samples", QUICK).to_dict() == first.to_dict()
    assert json.loads((trained / "adapter" / EVALUATION).read_text()) == {**written, "judged": {"questions": 80}}


def test_what_is_measured_is_of_many_threads(trained: Path, tmp_path: Path, base: Base) -> None:
    samples = tmp_path / "samples"
    shutil.copytree(trained / "samples", samples)
    for split in ("validation", "test"):
        table = pl.read_parquet(samples / f"{split}.parquet")
        threads = [f"t3_{split}{place // 4}" for place in range(table.height)]
        table.with_columns(thread_id=pl.Series(threads)).write_parquet(samples / f"{split}.parquet")
    rows = held_out(samples, folder_template(samples), load_tokenizer(base), 128)
    assert [row.thread for row in rows[::4]] == ["t3_test0", "t3_test1", "t3_validation0", "t3_validation1"]
    assert {row.thread for row in rows[:6]} != {row.thread for row in drawn(rows, 6, 0)}, "the first rows are of two threads"
    assert len({row.thread for row in drawn(rows, 6, 0)}) > 2
    assert drawn(rows, 6, 0) == drawn(rows, 16, 0)[:6] != drawn(rows, 6, 1)
    first = drawn(rows, 11, 0, test_first=True)
    assert [row.split for row in first] == ["test"] * 8 + ["validation"] * 3
    assert [row.prompt for row in distinct_prompts([*rows, *rows], 20, 0)] == [row.prompt for row in drawn(rows, 16, 0)]
    assert threads_of(rows[2:9]).tolist() == [0, 0, 1, 1, 1, 1, 2]
    assert threads_of([replace(row, thread=None) for row in rows[:3]]).tolist() == [0, 1, 2]


def test_weights_chosen_by_the_validation_split_are_measured_on_the_test_split(trained: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(trained / "adapter", adapter)
    said = (adapter / "settings.toml").read_text()
    (adapter / "settings.toml").write_text(re.sub(r"(?m)^eval_every *=.*$", "", said).replace("[train]\n", "[train]\neval_every = 5\n"))
    few = EvalSettings(prompts=8, shown=1, max_new_tokens=4, perplexity_samples=10, toxicity="none")
    (note,) = [note for note in evaluate(adapter, trained / "samples", few).notes if "validation split" in note]
    assert "0 of the prompts and 2 of the samples" in note


def test_an_answer_that_runs_on_beyond_what_the_base_reads_is_refused(trained: Path) -> None:
    with pytest.raises(UserError, match=r"reads 512 tokens, the longest prompt has \d+ tokens, and up to 512 of an answer"):
        evaluate(trained / "adapter", trained / "samples", EvalSettings(max_new_tokens=512))


def test_of_too_little_it_says_so_and_no_number_is_none(trained: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    shutil.copytree(trained / "samples", samples)
    pl.read_parquet(samples / "test.parquet").head(3).write_parquet(samples / "test.parquet")
    for split in ("validation", "train"):
        pl.read_parquet(samples / f"{split}.parquet").head(0).write_parquet(samples / f"{split}.parquet")
    settings = EvalSettings(max_new_tokens=4, toxicity="none")
    told = evaluate(trained / "adapter", samples, settings).to_dict()
    json.dumps(told, allow_nan=False)
    assert told["about"]["prompts"] == 3
    assert told["adapter"]["style"]["auc"] == {"value": None, "interval": None}
    assert told["adapter"]["perplexity"]["reply"]["interval"] is None
    assert told["adapter"]["perplexity"]["reply"]["value"] > 1
    assert told["adapter"]["wording"]["copying"] is told["adapter"]["wording"]["toxicity"] is None
    assert told["forum"]["whole"]["value"] < 1, "real replies of more than four tokens do not end within them"
    assert max(told["forum"]["wording"]["lengths"]["tokens"]) <= 4
    assert [note.split(":")[0] for note in told["notes"]] == [
        "Only 3 different held-out prompts, not 64",
        "Fewer than 10 prompts",
        "Fewer than 10 held-out samples",
        "The training split is empty",
        "Toxicity is not measured",
    ]


def test_without_held_out_samples_it_is_refused(trained: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    shutil.copytree(trained / "samples", samples)
    for split in ("validation", "test"):
        pl.read_parquet(samples / f"{split}.parquet").head(0).write_parquet(samples / f"{split}.parquet")
    with pytest.raises(UserError, match="hold no sample of at most 128 tokens; hold more threads out"):
        evaluate(trained / "adapter", samples, QUICK)
    with pytest.raises(UserError, match=r"template\.toml: no such file; give a folder of samples"):
        evaluate(trained / "adapter", tmp_path / "gone", QUICK)


def test_samples_of_another_template_are_refused(trained: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    shutil.copytree(trained / "samples", samples)
    (samples / "template.toml").write_text((samples / "template.toml").read_text().replace("### END", "### FIN"))
    with pytest.raises(UserError, match="its template is comment-response"):
        evaluate(trained / "adapter", samples, QUICK)


def test_the_answer_that_copies_most_is_among_thosechosen_to_show() -> None:
    assert chosen_to_show([3, 4, 9, 12, 5], 5, 2) == [0, 3]
    assert chosen_to_show([3, 12, 9, 5, 5], 5, 2) == [0, 1]
    assert chosen_to_show([3, 4, 5, 7], 4, 2) == [0, 1], "seven words are a phrase"
    assert chosen_to_show([], 3, 6) == [0, 1, 2]
    assert chosen_to_show([9], 1, 0) == []
