import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.recipe import Recipe
from curate.settings import build_settings, set_value
from filters.catalogue import RULES, TRANSFORMS
from filters.toxicity import Toxicity
from formats.errors import UserError
from formats.templates.template import load_template
from train.settings import DecodingSettings, TrainSettings

LEAST = 'name = "court"\n[gather]\nfiles = ["a.zst"]\n'


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(LEAST)
    return path


def rejected(path: Path, text: str, *changes: str) -> str:
    """The message, which must be one line."""
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        Recipe.read(path, changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_recipe_of_three_lines_has_a_default_for_all_the_rest(recipe_file: Path) -> None:
    recipe = Recipe.read(recipe_file)
    assert (recipe.name, recipe.gather.files, recipe.gather.subreddits, recipe.gather.since) == ("court", ("a.zst",), (), None)
    assert (recipe.format.template, recipe.format.max_turns, recipe.format.split) == ("comment-response", 4, "90/5/5")
    assert recipe.train == TrainSettings()
    assert recipe.template() == load_template("comment-response")
    chosen = recipe.chosen()
    assert [rule.name() for rule in chosen.rules] == [name for name, rule in RULES.items() if rule.by_default]
    assert [transform.name() for transform in chosen.transforms] == [name for name, transform in TRANSFORMS.items() if transform.by_default]


def test_what_a_recipe_says_is_what_it_holds(recipe_file: Path) -> None:
    recipe_file.write_text("""
        name = "court-2.1"
        gather = { files = ["a.zst", "b.gz"], subreddits = ["KettleCourt"], since = 2020-01-01, until = "2021-06-30" }
        filter = { min_score = 7, nsfw = false, length = { maximum = 90 }, toxicity.scorer = "lite" }
        format = { template = "speakers", max_turns = 2, split = "80/10/10", seed = 3 }
        train = { learning_rate = 2e-4, target_modules = ["q_proj", "v_proj"], rank = 8 }
        decoding = { temperature = 0 }
    """)
    recipe = Recipe.read(recipe_file)
    assert (recipe.gather.since, recipe.gather.until) == (datetime.date(2020, 1, 1), datetime.date(2021, 6, 30))
    rules = {rule.name(): rule for rule in recipe.chosen().rules}
    assert "nsfw" not in rules
    assert (rules["min_score"].minimum, rules["length"].maximum, rules["toxicity"]) == (7, 90, Toxicity("lite"))
    assert (recipe.template().name, recipe.format.max_turns, recipe.format.seed) == ("speakers", 2, 3)
    assert (recipe.train.target_modules, recipe.train.learning_rate, recipe.decoding.temperature) == (("q_proj", "v_proj"), 2e-4, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('nmae = "x"\n' + LEAST, "unknown key 'nmae'; did you mean name?"),
        (LEAST + "fiels = []", "[gather] unknown key 'fiels'; did you mean files?"),
        (LEAST + "[format]\ntemplat = 'speakers'", "[format] unknown key 'templat'; did you mean template?"),
        (LEAST + "[train]\nlearning-rate = 1", "[train] unknown key 'learning-rate'; did you mean learning_rate?"),
        (LEAST + "[trian]\nrank = 1", "unknown key 'trian'; did you mean train?"),
        (
            LEAST + "[decoding]\nzzz = 1",
            "[decoding] unknown key 'zzz'; known: temperature, top_p, top_k, repetition_penalty, max_new_tokens",
        ),
        ("folder = '/'\n" + LEAST, "unknown key 'folder'; known: name, gather, filter, format, train, decoding, eval"),
        (LEAST + "[train]\nrnak = 1\nalhpa = 2", "[train] unknown key 'rnak'; did you mean rank? (and 1 more)"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest_known_one(recipe_file: Path, text: str, message: str) -> None:
    assert rejected(recipe_file, text) == f"{recipe_file}: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train = 5\n" + LEAST, "train: expected a table, found 5"),
        ("filter = true\n" + LEAST, "filter: expected a table, found True"),
        (LEAST + "[train]\nrank = 'many'", "[train] rank: Input should be a valid integer, found"),
        (LEAST + "[train]\nbatch = 0", "[train] batch: Input should be greater than or equal to 1, found 0"),
        (LEAST + "[train]\nschedule = 'linera'", "[train] schedule: Input should be 'linear', 'cosine', 'constant' or"),
        (LEAST + "[format]\nmax_turns = 1", "[format] max_turns: Input should be greater than or equal to 2, found 1"),
        (LEAST + "[format]\nsplit = 90", "[format] split: Input should be a valid string, found 90"),
        (LEAST + "[format]\nsplit = '90/20/5'", "[format] split: split is '90/20/5', which adds up to 115"),
        (LEAST + "since = 'yesterday'", "[gather] since: expected a day, as in 2020-01-31, found 'yesterday'"),
        (LEAST + "since = 2020", "[gather] since: expected a day, as in 2020-01-31, found 2020"),
        (LEAST.replace('["a.zst"]', '"a.zst"'), """[gather] files: expected a list, as in ["a", "b"], found 'a.zst'"""),
        (LEAST.replace('["a.zst"]', "[]"), "[gather] expected files, or something to scrape"),
        (LEAST + "[train]\npatience = 2", "[train] patience = 2 needs eval_every: without measurements nothing can say when to stop; set"),
        (LEAST + "[train]\npreset = 'small-gpu'\ninit = 'pissa'", '[train] init = "pissa" does not go with quantisation = "nf4"'),
        (LEAST + "[train]\npreset = 'tutrial'", "[train] preset: Input should be 'tutorial', 'qlora-paper', 'small-gpu' or 'cpu-demo'"),
        ("[gather]\nfiles = ['a.zst']", "name is missing; give it"),
        ("name = 'court'", "gather is missing; give it"),
        (LEAST.replace("court", "../court"), "name: String should match pattern"),
        (LEAST.replace("court", ""), "name: String should match pattern"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_told_with_file_key_and_what_was_found(recipe_file: Path, text: str, message: str) -> None:
    assert rejected(recipe_file, text).startswith(f"{recipe_file}: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[filter]\nmin_scor = 3", "[filter] unknown rule 'min_scor'; known: removed, no_author, bots, "),
        ("[filter]\nmin_score = 'x'", "[filter] min_score.minimum: Input should be a valid integer"),
        ("[filter]\nlength = { minimun = 3 }", "[filter] length: unknown setting 'minimun'; known: minimum, maximum"),
        ("[filter]\ntoxicity = 'perspective'", "[filter] toxicity: unknown scorer 'perspective'; known: lite, detoxify:MODEL"),
        ("[filter]\ntoxicity = 'detoxify:nowhere.ckpt'", "[filter] toxicity: unknown scorer 'detoxify:nowhere.ckpt'"),
        ("[filter]\nrecency.since = 2022-01-01\nrecency.until = 2021-01-01", "[filter] recency: since (2022-01-01) is not before until"),
        (
            "[format]\ntemplate = 'koala'",
            "[format] template koala: neither built in (alpaca, chatml, comment-reply-end, comment-response, ",
        ),
    ],
)
def test_an_unknown_rule_setting_scorer_or_template_is_told_with_those_that_are_known(recipe_file: Path, text: str, message: str) -> None:
    assert rejected(recipe_file, LEAST + text).startswith(f"{recipe_file}: {message}")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[format\n", r"not valid TOML: Expected ']' at the end of a table declaration (at line 1, column 8)"),
        (b"name = court\n", "not valid TOML: Invalid value (at line 1, column 8)"),
        (b"name = 'a'\nname = 'b'\n", "not valid TOML: Cannot overwrite a value (at line 2, column 11)"),
        (b"name = '\xff'\n", "not valid TOML: 'utf-8' codec can't decode byte 0xff"),
        (b"\x28\xb5\x2f\xfd", "not valid TOML"),
        (b"", "name is missing; give it (and 1 more)"),
    ],
)
def test_what_is_not_toml_is_told_with_file_and_place(recipe_file: Path, data: bytes, message: str) -> None:
    recipe_file.write_bytes(data)
    with pytest.raises(UserError) as caught:
        Recipe.read(recipe_file)
    assert str(caught.value).startswith(f"{recipe_file}: {message}")


def test_a_missing_recipe_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.toml: no such recipe; write one"):
        Recipe.read(tmp_path / "none.toml")
    with pytest.raises(UserError, match="is a directory; give the recipe file in it"):
        Recipe.read(tmp_path)


def test_a_byte_order_mark_is_no_obstacle(recipe_file: Path) -> None:
    """Windows' Notepad writes one."""
    recipe_file.write_bytes(b"\xef\xbb\xbf" + LEAST.encode())
    assert Recipe.read(recipe_file).name == "court"


@pytest.mark.parametrize(
    ("change", "read", "value"),
    [
        ("train.max_steps=200", lambda recipe: recipe.train.max_steps, 200),
        ("train.learning_rate = 2e-4", lambda recipe: recipe.train.learning_rate, 2e-4),
        ("train.target_modules=['q_proj']", lambda recipe: recipe.train.target_modules, ("q_proj",)),
        ("train.base=org/model=b", lambda recipe: recipe.train.base, "org/model=b"),
        ("train.rslora=true", lambda recipe: recipe.train.rslora, True),
        ("format.split=80/10/10", lambda recipe: recipe.format.split, "80/10/10"),
        ("format.template='speakers'", lambda recipe: recipe.template().name, "speakers"),
        ("gather.since=2020-01-01", lambda recipe: recipe.gather.since, datetime.date(2020, 1, 1)),
        ("gather.files=['b.zst','c.zst']", lambda recipe: recipe.gather.files, ("b.zst", "c.zst")),
        ("filter.min_score=9", lambda recipe: recipe.filter, {"min_score": 9}),
        ("filter.toxicity.scorer=lite", lambda recipe: recipe.filter, {"toxicity": {"scorer": "lite"}}),
        ("name=other", lambda recipe: recipe.name, "other"),
    ],
)
def test_set_changes_one_value(recipe_file: Path, change: str, read: Any, value: object) -> None:
    assert read(Recipe.read(recipe_file, [change])) == value


def test_of_two_changes_of_the_same_key_the_last_holds_and_the_file_stays(recipe_file: Path) -> None:
    assert Recipe.read(recipe_file, ["train.rank=4", "train.rank=8"]).train.rank == 8
    assert recipe_file.read_text() == LEAST
    assert Recipe.read(recipe_file).train.rank == TrainSettings().rank


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.max_stesp=1", "[train] unknown key 'max_stesp'; did you mean max_steps?"),
        ("train.rank=many", "[train] rank: Input should be a valid integer"),
        ("train=3", "train: expected a table, found 3"),
        ("name=2024", "name: Input should be a valid string, found 2024"),
        ("format.template=koala", "[format] template koala: neither built in"),
    ],
)
def test_a_wrong_change_is_told_like_a_wrong_file(recipe_file: Path, change: str, message: str) -> None:
    assert rejected(recipe_file, LEAST, change).startswith(f"{recipe_file}: {message}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.max_steps", "expected key=value, as in train.max_steps=200"),
        ("=3", "expected key=value, as in train.max_steps=200"),
        ("", "expected key=value, as in train.max_steps=200"),
        ("name.x=3", "name is not a table"),
        ("gather.files.x=3", "files is not a table"),
    ],
)
def test_a_change_that_is_none_is_told(recipe_file: Path, change: str, message: str) -> None:
    assert rejected(recipe_file, LEAST, change) == f"--set {change}: {message}"


words = st.text(st.characters(codec="ascii", categories=["L", "N"])).map(lambda text: f"t{text}").filter(lambda text: text != "true")
toml_values = st.one_of(st.integers(-(2**60), 2**60), st.booleans(), st.dates(), words)


@given(st.lists(st.sampled_from(["a", "b", "c-d"]), min_size=1, max_size=3), toml_values)
def test_a_change_is_the_value_at_its_path(path: list[str], value: Any) -> None:
    settings: dict[str, Any] = {}
    set_value(settings, f"{'.'.join(path)}={str(value).lower() if isinstance(value, bool) else value}")
    for key in path:
        settings = settings[key]
    assert settings == value


def test_files_come_in_the_order_of_the_recipe_and_matches_in_the_order_of_their_names(recipe_file: Path) -> None:
    for name in ("RC_2020-02.zst", "RC_2020-01.zst", "RS_2020-01.zst", "notes.txt"):
        (recipe_file.parent / name).touch()
    recipe = Recipe.read(recipe_file, ["gather.files=['RS_2020-01.zst', 'RC_*.zst']"])
    assert [Path(name).name for name in recipe.files()] == ["RS_2020-01.zst", "RC_2020-01.zst", "RC_2020-02.zst"]
    assert {Path(name).parent for name in recipe.files()} == {recipe_file.parent}


@pytest.mark.parametrize("pattern", ["*.zst", "RC_2020-0?.zst", "RC_2020-0[1-9].zst", "**/RC_2020-01.zst", "{folder}/RC_*.zst"])
def test_a_glob_may_be_any_of_the_shells_and_absolute(recipe_file: Path, pattern: str) -> None:
    (recipe_file.parent / "RC_2020-01.zst").touch()
    recipe = Recipe.read(recipe_file, [f"gather.files=['{pattern.format(folder=recipe_file.parent)}']"])
    assert [Path(name).resolve() for name in recipe.files()] == [(recipe_file.parent / "RC_2020-01.zst").resolve()]


def test_a_glob_without_a_match_is_told_with_its_folder(recipe_file: Path) -> None:
    recipe = Recipe.read(recipe_file, ["gather.files=['*.gz']"])
    with pytest.raises(UserError) as caught:
        recipe.files()
    assert str(caught.value) == f"{recipe_file.parent}/*.gz: matches no file"


def test_a_name_that_looks_like_a_glob_is_a_file_where_it_is_one(recipe_file: Path) -> None:
    (recipe_file.parent / "dump [2020].zst").touch()
    recipe = Recipe.read(recipe_file, ["gather.files=['dump [2020].zst']"])
    assert [Path(name).name for name in recipe.files()] == ["dump [2020].zst"]


def test_a_file_without_a_glob_may_be_missing_until_it_is_read(recipe_file: Path) -> None:
    assert Recipe.read(recipe_file).files() == [str(recipe_file.parent / "a.zst")]


def test_a_template_of_ones_own_lies_beside_the_recipe_wherever_one_stands(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = load_template("speakers")
    (tmp_path / "mine.toml").write_text(template.to_toml().replace("### END CONVERSATION ###", "### FIN ###"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert Recipe.read(recipe_file, ["format.template=mine.toml"]).template().stop == "\n\n### FIN ###"
    message = rejected(recipe_file, LEAST, "format.template=yours.toml")
    assert message.startswith(f"{recipe_file}: [format] template {tmp_path}/yours.toml: neither built in")


def test_a_recipe_as_json_is_a_recipe_again(recipe_file: Path) -> None:
    recipe = Recipe.read(recipe_file, ["gather.since=2020-01-01", "filter.min_score=2", "train.rank=4"])
    written = recipe.model_dump(mode="json")
    assert "folder" not in written
    assert Recipe.build(written, recipe_file.parent) == recipe


def test_settings_of_one_section_are_told_with_its_name() -> None:
    assert build_settings(DecodingSettings, {"temperature": 0.5}, "--set").temperature == 0.5
    with pytest.raises(UserError, match="--set: unknown key 'temprature'; did you mean temperature"):
        build_settings(DecodingSettings, {"temprature": 0.5}, "--set")


def test_the_sample_recipe_is_valid() -> None:
    recipe = Recipe.read(Path(__file__).parents[2] / "sample_data" / "recipe.toml")
    assert [Path(name).exists() for name in recipe.files()] == [True, True]


def test_a_preset_is_laid_beneath_what_the_recipe_and_the_command_line_say(recipe_file: Path) -> None:
    recipe_file.write_text(LEAST + '[train]\npreset = "tutorial"\nrank = 8\n')
    settings = Recipe.read(recipe_file, ["train.batch=4"]).train
    assert (settings.preset, settings.rank, settings.batch, settings.alpha, settings.max_grad_norm) == ("tutorial", 8, 4, 16.0, 0.3)


def test_settings_that_do_not_go_together_are_told_in_a_line() -> None:
    with pytest.raises(UserError, match=r'^train: init = "loftq" does not go with quantisation = "int8": it makes up'):
        build_settings(TrainSettings, {"init": "loftq", "quantisation": "int8"}, "train")
