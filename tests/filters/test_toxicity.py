"""The rule toxicity. The scorers have tests of their own."""

import subprocess
import sys

import polars as pl
import pytest

from filters.rule import BOTH, CONTEXT, TARGET, Phase, RuleError
from filters.scorers.scorer import LABELS, Sampling
from filters.scores import score_texts
from filters.toxicity import DEFAULTS, Toxicity
from filters.verdicts import judge
from tests.filters.scorer_models import RUDE, VILE, write_detoxify, write_transformers


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_detoxify(tmp_path_factory.mktemp("detoxify"))


def scored(**columns):
    """Posts with the struct column `toxicity`, as the runner of the rules makes it; null where a label is not named."""
    height = len(next(iter(columns.values())))
    own = {label: columns[label] for label in columns if label not in LABELS}
    scores = {**{label: columns.get(label, [None] * height) for label in LABELS}, **own}
    return pl.DataFrame(scores, schema=dict.fromkeys(scores, pl.Float32)).select(toxicity=pl.struct(pl.all()))


def refusal(*arguments, **settings):
    with pytest.raises(RuleError) as refused:
        Toxicity(*arguments, **settings).load()
    assert "\n" not in str(refused.value)
    return str(refused.value)


# What it drops


def test_a_score_above_the_threshold_drops_and_the_threshold_itself_does_not():
    judged = judge(scored(toxicity=[0.9, 0.9001, 0.0, 1.0, None]), [Toxicity(thresholds=DEFAULTS)])
    assert judged["target_reason"].to_list() == [None, "toxicity", None, "toxicity", None]


def test_a_post_that_was_not_scored_is_kept():
    posts = scored(toxicity=[1.0, 1.0]).with_columns(toxicity=pl.when(pl.Series([True, False])).then("toxicity"))
    assert judge(posts, [Toxicity()])["target_reason"].to_list() == ["toxicity", None]


def test_only_replies_are_judged_unless_a_threshold_for_context_is_named():
    posts = scored(toxicity=[1.0, 0.6])
    assert Toxicity().judging() == TARGET
    assert judge(posts, [Toxicity()])["context_reason"].to_list() == [None, None]
    both = Toxicity(context_thresholds={"toxicity": 0.5})
    assert both.judging() == BOTH
    assert judge(posts, [both])["context_reason"].to_list() == ["toxicity", "toxicity"]
    assert judge(posts, [both])["target_reason"].to_list() == ["toxicity", None]
    context = Toxicity(thresholds={}, context_thresholds={"toxicity": 0.5})
    assert context.judging() == CONTEXT
    assert judge(posts, [context])["target_reason"].to_list() == [None, None]


def test_any_label_with_a_threshold_drops_and_the_others_do_not():
    table = scored(toxicity=[0.5, 0.5, 0.5, None], threat=[0.51, 0.5, None, 0.9], obscene=[0.0, 1.0, 1.0, None])
    assert judge(table, [Toxicity(thresholds=DEFAULTS)])["target_reason"].to_list() == ["toxicity", None, None, "toxicity"]
    assert judge(table, [Toxicity(thresholds={"obscene": 0.2})])["target_reason"].to_list() == [None, "toxicity", "toxicity", None]


def test_the_defaults_keep_rude_humour_and_drop_hatred():
    table = scored(toxicity=[0.89, 0.89], insult=[1.0, 1.0], obscene=[1.0, 1.0], identity_attack=[0.1, 0.6])
    assert judge(table, [Toxicity("detoxify:original")])["target_reason"].to_list() == [None, "toxicity"]


def test_the_defaults_are_those_of_the_scorer():
    assert Toxicity().thresholds == Toxicity("lite").thresholds == {"toxicity": 0.8}
    assert Toxicity("detoxify:original").thresholds == Toxicity("transformers:kettle/court").thresholds == DEFAULTS
    assert Toxicity("detoxify:original", {"threat": 0.1}).thresholds == {"threat": 0.1}


def test_a_label_of_a_models_own_can_have_a_threshold():
    rule = Toxicity("transformers:kettle/court", {"HEATED": 0.7})
    assert judge(scored(HEATED=[0.7, 0.71]), [rule])["target_reason"].to_list() == [None, "toxicity"]


def test_it_judges_texts_that_stand_in_a_conversation():
    assert Toxicity.phase is Phase.TEXT


def test_the_model_the_rule_and_the_sidecar_together_drop_what_is_rude(checkpoint, tmp_path):
    texts = pl.Series(["tea and jam", f"{RUDE} tea", "the mug", f"{RUDE} tea", VILE, None])
    rule = Toxicity(f"detoxify:{checkpoint}")
    posts = score_texts(texts, rule.load(), tmp_path).select(toxicity=pl.struct(pl.all()))
    assert judge(posts, [rule])["target_reason"].to_list() == [None, "toxicity", None, "toxicity", "toxicity", None]
    vile = Toxicity(f"detoxify:{checkpoint}", {"severe_toxicity": 0.5})
    assert judge(posts, [vile])["target_reason"].to_list() == [None, None, None, None, "toxicity", None]


# What it refuses


@pytest.mark.parametrize(
    "name",
    ["light", "lite:small", "detoxify", "detoxify:", "detoxify:originals", "Detoxify:original", "", "detoxify:/no/such/file.ckpt",
     "transformers", "transformers:", "transformers: "],
)  # fmt: skip
def test_an_unknown_scorer_is_refused_when_the_recipe_is_read(name):
    with pytest.raises(RuleError) as refused:
        Toxicity(scorer=name)
    assert str(refused.value) == (
        f"toxicity: unknown scorer {name!r}; known: lite, detoxify:MODEL with original, unbiased, multilingual, original-small, "
        "unbiased-small, detoxify:FILE with an existing checkpoint, or transformers:MODEL with a name on the Hub or a folder"
    )


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(RuleError, match="unknown scorer"):
        Toxicity(scorer=f"detoxify:{tmp_path}")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"thresholds": {}},
            "toxicity: thresholds is empty, so nothing would be dropped; name a label, or leave the rule out: toxicity = false",
        ),
        ({"thresholds": {"rude": 0.5}}, f"toxicity: unknown label 'rude' in thresholds; known: {', '.join(LABELS)}"),
        ({"context_thresholds": {"rude": 0.5}}, f"toxicity: unknown label 'rude' in context_thresholds; known: {', '.join(LABELS)}"),
        ({"thresholds": {"threat": 90}}, "toxicity: the threshold of threat in thresholds is 90; expected 0 to 1"),
        ({"thresholds": {"threat": float("nan")}}, "toxicity: the threshold of threat in thresholds is nan; expected 0 to 1"),
        (
            {"runtime": "onnx", "precision": "bfloat16"},
            "toxicity: precision is bfloat16 and runtime onnx, which has none; leave one of them out",
        ),
        (
            {"runtime": "onnx-int8", "device": "cuda"},
            "toxicity: device is cuda and runtime onnx-int8, which is for the processor; leave one of them out",
        ),
        (
            {"cascade": True},
            "toxicity: cascade saves nothing with the scorer lite, a linear model itself; leave it out, or take another scorer",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_when_the_recipe_is_read(settings, said):
    with pytest.raises(RuleError) as refused:
        Toxicity(**settings)
    assert str(refused.value) == said


def test_thresholds_of_labels_that_the_model_does_not_know_are_refused_once_it_is_loaded(checkpoint, tmp_path):
    assert refusal("lite", {"threat": 0.5}) == (
        "toxicity: lite knows toxicity and none of the labels in thresholds, so it would drop nothing; name one"
    )
    folder = write_transformers(tmp_path, id2label={0: "HEATED", 1: "VILE", 2: "BORED"})
    assert refusal(f"transformers:{folder}", {"HEATED": 0.5, "RUDE": 0.5}) == (
        f"toxicity: transformers:{folder} does not know the label 'RUDE' in thresholds; it knows HEATED, VILE, BORED"
    )
    assert refusal(f"transformers:{folder}") == (
        f"toxicity: transformers:{folder} knows HEATED, VILE, BORED and none of the labels in thresholds, so it would drop nothing; "
        "name one"
    )
    assert refusal(f"transformers:{folder}", {"HEATED": 0.5}, context_thresholds={"RUDE": 0.5}).endswith("it knows HEATED, VILE, BORED")


# What it loads


def test_every_scorer_gives_all_labels_and_a_report(checkpoint, tmp_path):
    folder = write_transformers(tmp_path, id2label={0: "toxicity", 1: "VILE", 2: "insult"})
    for name in ("lite", f"detoxify:{checkpoint}", f"transformers:{folder}"):
        scorer = Toxicity(name).load()
        assert isinstance(scorer, Sampling)
        assert list(scorer.schema)[: len(LABELS)] == list(LABELS)
        assert scorer.score(["tea", "a mug"]).schema == scorer.schema
        assert scorer.report() == {"scorer": scorer.key}
    assert list(scorer.schema)[len(LABELS) :] == ["VILE"]


def test_the_precision_is_part_of_the_key_and_only_an_inexact_one_has_an_exact_one_beside_it(checkpoint):
    exact, inexact = (Toxicity(f"detoxify:{checkpoint}", precision=precision).load() for precision in ("float32", "bfloat16"))
    assert exact.exact() is None
    assert inexact.exact().key == exact.key
    assert (exact.key.rpartition("-")[2], inexact.key.rpartition("-")[2]) == ("float32", "bfloat16")


def test_a_run_says_how_many_verdicts_differ_from_float32_and_keeps_those_scores(checkpoint, tmp_path):
    texts = pl.Series([f"{RUDE} tea", "the mug", "a kettle", VILE, "tea", "tea"])
    rule = Toxicity(f"detoxify:{checkpoint}", precision="bfloat16")
    scorer = rule.load()
    score_texts(texts, scorer, tmp_path)
    report = scorer.report()
    assert report["precision"] == {
        "sampled": 5, "dropped": 2, "differing": 0, "share": 0.0, "largest_difference": pytest.approx(0.005, abs=0.005),
    }  # fmt: skip
    assert report["precision"]["largest_difference"] > 0
    saved = pl.read_json(tmp_path / scorer.key / "report.json")
    assert saved["scorer"].to_list() == [scorer.key]
    assert sorted(folder.name.rpartition("-")[2] for folder in tmp_path.iterdir()) == ["bfloat16", "float32"]


def test_the_exact_model_is_loaded_for_the_sample_once(checkpoint, tmp_path, monkeypatch):
    texts = pl.Series(["tea", VILE])
    rule = Toxicity(f"detoxify:{checkpoint}", precision="bfloat16")
    score_texts(texts, rule.load(), tmp_path)
    scorer = rule.load()
    monkeypatch.setattr("filters.toxicity.load_detoxify", lambda name: pytest.fail("loaded again"))
    score_texts(texts, scorer, tmp_path)
    assert scorer.report()["precision"]["sampled"] == 2


def test_naming_a_rule_in_a_recipe_loads_neither_a_scorer_nor_torch():
    code = (
        "import sys\nfrom filters.toxicity import Toxicity\n"
        "Toxicity(), Toxicity('detoxify:original'), Toxicity('transformers:kettle/court')\n"
        "print(sorted({'torch', 'transformers', 'detoxify', 'sklearn', 'profanity_check', 'onnxruntime', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
