"""`lorum check` of folders of samples, of anybody's dataset, and its exit codes."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from click.testing import CliRunner, Result
from transformers import AutoTokenizer

from curate.check import require_contract, require_fitting
from curate.cli import main
from curate.dataset_rows import open_dataset
from formats.contract.lines import WIDTH
from formats.contract.rows import Chats, Message, Pairs, Rows, Texts
from formats.errors import ContractError, UserError
from formats.templates.template import load_template
from train.settings import TrainSettings

STOP = "\n\n### END"
PROMPT = "### Comment:\nIs the kettle warm?\n\n### Response:\n"
REPLIES = ["Why?", "Tea", "Overruled, with jam!", "Guilty"]
PAIRS = [{"id": f"t1_{number}", "prompt": PROMPT, "completion": reply + STOP} for number, reply in enumerate(REPLIES)]
CHATS: list[dict[str, list[Message]]] = [
    {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": reply}]} for reply in REPLIES
]

Check = Callable[..., Result]


@pytest.fixture
def check(base_folder: Path) -> Check:
    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(main, ["check", *map(str, arguments), "--base", str(base_folder)])

    return run


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    folder = tmp_path / "samples"
    folder.mkdir()
    for split, rows in (("train", PAIRS), ("validation", PAIRS[:1]), ("test", PAIRS[:1])):
        pl.DataFrame(rows).write_parquet(folder / f"{split}.parquet")
    (folder / "template.toml").write_text(load_template("comment-response").to_toml(), encoding="utf-8")
    return folder


@pytest.fixture
def chat_base(base_folder: Path, tmp_path: Path) -> Path:
    """The base with a chat template."""
    folder = tmp_path / "chat-base"
    shutil.copytree(base_folder, folder)
    (folder / "chat_template.jinja").write_text(
        "{% for message in messages %}{{ message.role }}: {{ message.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    return folder


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def all_rows(name: Path, **more: Any) -> list[Rows]:
    return list(open_dataset(str(name), **more))


def test_a_folder_of_samples_holds_and_its_report_is_json(samples: Path, check: Check) -> None:
    ran = check(samples, "--json")
    assert ran.exit_code == 0, ran.output
    report = json.loads(ran.stdout)
    assert (report["rows"], report["trainer"], report["stop"]["token"]) == (6, "lorum", "<|end|>")
    assert len(report["points"]) == 13
    assert all(point["holds"] for point in report["points"])
    assert json.loads(check(samples, "--split", "train", "--json").stdout)["rows"] == 4


def test_what_is_printed_fits_eighty_columns_and_needs_no_colour(samples: Path, check: Check) -> None:
    broken = [*PAIRS, {"id": "t1_b", "prompt": PROMPT, "completion": "never\u202e stops " * 9}]
    pl.DataFrame(broken).write_parquet(samples / "train.parquet")
    ran = check(samples)
    assert ran.exit_code == 1
    lines = ran.stdout.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[0] == r"stop     '\n\n### END<|end|>'"
    assert "✗ 1 of 7 rows do not end with the stop '\\n\\n### END<|end|>'" in lines
    assert any(line.startswith("    such as t1_b: … ") for line in lines)
    assert "the stop contract is broken: 2 of 13 points fail" in lines
    assert "\x1b" not in ran.output
    assert "\u202e" not in ran.output
    assert ran.stderr.splitlines() == ["lorum: the stop contract does not hold: 2 of 13 points fail"]


def test_a_training_is_refused_with_the_failing_points(samples: Path, base_folder: Path) -> None:
    assert require_contract(samples, str(base_folder), 512).holds
    pl.DataFrame([{**PAIRS[0], "completion": "never"}]).write_parquet(samples / "train.parquet")
    with pytest.raises(ContractError, match=r"so nothing was trained: 1 of 3 rows do not end with the stop .*t1_0"):
        require_contract(samples, str(base_folder), 512)


@pytest.fixture
def untrained_base(base_folder: Path, tmp_path: Path) -> Path:
    """The base with an end token whose row is zero."""
    from transformers import AutoModelForCausalLM

    folder = tmp_path / "untrained-base"
    shutil.copytree(base_folder, folder)
    model = AutoModelForCausalLM.from_pretrained(base_folder)
    with torch.no_grad():
        model.get_input_embeddings().weight[1] = 0
    model.save_pretrained(folder)
    return folder


def test_an_end_token_that_the_base_never_learned_is_trained_or_refused(samples: Path, untrained_base: Path) -> None:
    for train_stop in ("auto", "always"):
        report = require_contract(samples, str(untrained_base), 512, train_stop)
        (said,) = [point.says for point in report.points if point.name == "its output row is trained"]
        assert said.endswith("nearly zero; the training trains this token's rows with the adapter")
    with pytest.raises(
        ContractError, match=r"was never trained to put out <\|end\|> \(1\).*take a stop whose token the base was trained on"
    ):
        require_contract(samples, str(untrained_base), 512, "never")


def test_other_trainers_do_not_train_an_end_token_by_themselves(samples: Path, untrained_base: Path) -> None:
    held = {}
    for trainer in ("lorum", "trl", "transformers"):
        ran = CliRunner().invoke(main, ["check", str(samples), "--base", str(untrained_base), "--trainer", trainer, "--json"])
        (point,) = [point for point in json.loads(ran.stdout)["points"] if point["name"] == "its output row is trained"]
        held[trainer] = point["holds"]
        assert (point["mend"] is None) is point["holds"]
    assert held == {"lorum": True, "trl": False, "transformers": False}


def test_settings_that_do_not_fit_the_base_are_refused_before_it_is_loaded(base_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.bases.base_model._load", lambda *given: pytest.fail("loaded"))
    require_fitting(TrainSettings(base=str(base_folder)))
    with pytest.raises(UserError, match="rank = 64: is more than the smaller side"):
        require_fitting(TrainSettings(base=str(base_folder), rank=64))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install trackio"):
        require_fitting(TrainSettings(base="nowhere", report_to=("trackio",)))


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv", "rows.parquet", "rows.jsonl.gz"])
def test_a_file_of_any_kind_is_read(name: str, tmp_path: Path) -> None:
    frame, path = pl.DataFrame(PAIRS), tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in PAIRS).encode()))
    elif name.endswith(".jsonl"):
        jsonl(path, PAIRS)
    elif name.endswith(".json"):
        path.write_text(json.dumps(PAIRS), encoding="utf-8")
    else:
        (frame.write_csv if name.endswith(".csv") else frame.write_parquet)(path)
    (found,) = all_rows(path)
    assert found == Pairs([row["id"] for row in PAIRS], [PROMPT] * 4, [row["completion"] for row in PAIRS])


@pytest.mark.parametrize("nested", [True, False])
def test_messages_are_read_under_both_names_nested_or_as_json(nested: bool, tmp_path: Path) -> None:
    chats = [chat["messages"] for chat in CHATS]
    others = [[{"from": message["role"], "value": message["content"]} for message in chat] for chat in chats]
    for column, values in (("messages", chats), ("conversations", others)):
        path = tmp_path / f"{column}.parquet"
        pl.DataFrame({column: values if nested else [json.dumps(value) for value in values]}).write_parquet(path)
        assert all_rows(path) == [Chats([f"row {number}" for number in range(1, 5)], chats)]


def test_a_conversational_prompt_and_completion_is_a_chat_that_knows_its_prompt(tmp_path: Path) -> None:
    rows = [{"prompt": chat["messages"][:1], "completion": chat["messages"][1:]} for chat in CHATS]
    (found,) = all_rows(jsonl(tmp_path / "rows.jsonl", rows))
    assert found == Chats([f"row {number}" for number in range(1, 5)], [chat["messages"] for chat in CHATS], [1] * 4)


def test_a_folder_is_read_file_by_file_or_by_split(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    jsonl(tmp_path / "data" / "train-00000.jsonl", [{"text": "Why?"}])
    jsonl(tmp_path / "data" / "train-00001.jsonl", [{"text": "Tea"}])
    jsonl(tmp_path / "data" / "trainer.jsonl", [{"text": "no"}])
    (tmp_path / "README.md").write_text("# Kettles", encoding="utf-8")
    assert [rows.texts for rows in all_rows(tmp_path) if isinstance(rows, Texts)] == [["Why?"], ["Tea"], ["no"]]
    assert [rows.texts for rows in all_rows(tmp_path, split="train") if isinstance(rows, Texts)] == [["Why?"], ["Tea"]]
    with pytest.raises(UserError, match="holds no file of a split 'test' with rows"):
        all_rows(tmp_path, split="test")


def test_a_dataset_saved_on_disk_is_read(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    DatasetDict({"train": Dataset.from_list(PAIRS[:3]), "test": Dataset.from_list(PAIRS[3:])}).save_to_disk(str(tmp_path / "saved"))
    assert sum(len(rows.ids) for rows in all_rows(tmp_path / "saved")) == 4
    assert sum(len(rows.ids) for rows in all_rows(tmp_path / "saved", split="test")) == 1


def test_a_column_text_beside_prompt_and_completion_is_told_unless_columns_are_chosen(tmp_path: Path, check: Check) -> None:
    path = jsonl(tmp_path / "rows.jsonl", [{**row, "text": row["prompt"] + row["completion"]} for row in PAIRS])
    ran = check(path)
    assert ran.exit_code == 1
    assert "end in 'END'" in ran.stdout or "end in ' END'" in ran.stdout or "an ordinary token" in ran.stdout
    assert "select_columns" in " ".join(ran.stdout.split())
    chosen = check(path, "--columns", "prompt,completion", "--template", "comment-response")
    assert chosen.exit_code == 0, chosen.output


def test_empty_texts_are_empty_replies(tmp_path: Path, check: Check) -> None:
    ran = check(jsonl(tmp_path / "rows.jsonl", [*PAIRS, {"id": "t1_n", "prompt": PROMPT, "completion": ""}]), "--json")
    assert ran.exit_code == 1
    empty = next(point for point in json.loads(ran.stdout)["points"] if point["name"] == "the reply is not empty")
    assert (empty["count"], empty["of"], empty["counterexample"][:5]) == (4, 5, "t1_n:")


def test_messages_are_rendered_with_a_template_that_is_named(tmp_path: Path, check: Check) -> None:
    path = jsonl(tmp_path / "rows.jsonl", CHATS)
    assert check(path, "--template", "comment-response", "--trainer", "lorum").exit_code == 0
    told = check(path)
    assert told.exit_code == 2
    assert "has no chat template, so no trainer reads messages with it" in told.stderr


@pytest.mark.parametrize("trainer", ["trl", "transformers"])
def test_a_template_named_for_messages_that_a_trainer_renders_itself_is_refused(trainer: str, tmp_path: Path, check: Check) -> None:
    """The verdict would be of a text that the trainer never sees."""
    ran = check(jsonl(tmp_path / "rows.jsonl", CHATS), "--template", "comment-response", "--trainer", trainer)
    assert ran.exit_code == 2
    assert f"{trainer} renders messages with the base's own chat template, so nothing is made with comment-response" in ran.stderr


def test_messages_of_a_samples_folder_are_read_with_the_base_s_chat_template(samples: Path, chat_base: Path) -> None:
    """The folder's template and its stop are in no text that TRL makes of them."""
    for split in ("train", "validation", "test"):
        with_messages = pl.read_parquet(samples / f"{split}.parquet").with_columns(
            pl.Series("messages", [chat["messages"] for chat in CHATS]).head(4 if split == "train" else 1)
        )
        with_messages.write_parquet(samples / f"{split}.parquet")
    asked = ["check", str(samples), "--base", str(chat_base), "--columns", "messages", "--trainer", "trl"]
    told = CliRunner().invoke(main, asked).stderr
    assert told.startswith("the folder's template (comment-response) does not count: trl renders messages with the base's own")
    report = json.loads(CliRunner().invoke(main, [*asked, "--json"]).stdout)
    assert (report["rows"], report["stop"]["strings"]) == (6, [])


def test_a_system_message_has_no_place_in_a_rendering_of_ours(tmp_path: Path, check: Check) -> None:
    rows = [{"messages": [{"role": "system", "content": "You are a clerk."}, *chat["messages"]]} for chat in CHATS]
    ran = check(jsonl(tmp_path / "rows.jsonl", rows), "--template", "chatml", "--trainer", "lorum")
    assert ran.exit_code == 2
    assert "row 1: has a system message, which no sample of ours would have" in ran.stderr


def test_a_folder_with_a_tokenizer_alone_will_do_for_a_check_but_for_no_training(samples: Path, base_folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "tokenizer"
    alone.mkdir()
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(base_folder / file, alone)
    ran = CliRunner().invoke(main, ["check", str(samples), "--base", str(alone), "--json"])
    assert ran.exit_code == 0, ran.output
    row = next(point for point in json.loads(ran.stdout)["points"] if point["name"] == "its output row is trained")
    assert row["holds"] is None
    with pytest.raises(UserError, match="no model directory"):
        require_contract(samples, str(alone), 512)


def test_the_ends_of_the_base_s_generation_config_are_end_tokens(base_folder: Path, tmp_path: Path) -> None:
    """Of Qwen's kind: the tokenizer ends at one token, and generating at the end of turn too."""
    base = tmp_path / "base"
    shutil.copytree(base_folder, base)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|turn|>", "<|other|>"]})
    tokenizer.save_pretrained(base)
    ends = {"eos_token_id": [1, tokenizer.convert_tokens_to_ids("<|turn|>")]}
    (base / "generation_config.json").write_text(json.dumps(ends), encoding="utf-8")
    for stop, held in (("<|turn|>", (True, 4)), ("<|other|>", (False, 0))):
        path = jsonl(tmp_path / "rows.jsonl", [{"text": f"Why? {reply}{stop}"} for reply in REPLIES])
        ran = CliRunner().invoke(main, ["check", str(path), "--base", str(base), "--trainer", "transformers", "--json"])
        point = next(point for point in json.loads(ran.stdout)["points"] if point["name"] == "ends in an end token")
        assert (point["holds"], point["count"]) == held


@pytest.mark.parametrize(
    ("rows", "arguments", "told"),
    [
        ([{"question": "Why?"}], [], "its columns are question; expected prompt and completion, messages, conversations, or text"),
        (PAIRS, ["--columns", "text"], "has no column 'text'; its columns: id, prompt, completion"),
        (PAIRS, ["--split", "test"], "is one file, which has no split 'test'"),
        (PAIRS, ["--trainer", "lorum"], "lorum trains on samples of a template; name theirs with --template"),
        ([{"messages": "kettle"}], [], "row 1: no list of messages, each with role and content"),
        ([{"messages": [{"content": "Why?"}]}], [], "row 1: no list of messages, each with role and content"),
        ([{"messages": ["hi", "there"]}], [], "row 1: no list of messages, each with role and content"),
        ([{"messages": {"role": "user", "content": "Why?"}}], [], "row 1: no list of messages, each with role and content"),
        ([*CHATS, {"messages": None}], [], "row 5: no list of messages, each with role and content"),
        ([{"messages": [None]}], [], "row 1: no list of messages, each with role and content"),
        ([{"messages": [{"role": 1, "content": "Why?"}]}], [], "row 1: no list of messages, each with role and content"),
        ([{"prompt": CHATS[0]["messages"], "completion": "Tea"}], [], "row 1: no list of messages, each with role and content"),
        (
            [{"messages": [{"role": "user", "content": [{"type": "text", "text": "Why?"}]}]}],
            [],
            'row 1: the content of a message is [{"type": "text", "text": "Why?"}], expected a text; join its parts to one',
        ),
        ([{"messages": [{"role": "assistant", "content": None, "tool_calls": [{"name": "boil"}]}]}], [], "row 1: a message has tool_calls"),
        ([*CHATS, {**CHATS[0], "tools": [{"name": "boil"}]}], [], "row 5: has tools, which TRL hands to the chat template"),
        ([*PAIRS, {"prompt": PROMPT, "completion": None}], [], "row 5: has no text in the column completion (null)"),
        ([{"prompt": None, "completion": "Tea"}], [], "row 1: has no text in the column prompt (null)"),
        ([{"prompt": PROMPT, "completion": 5}], [], "its column completion holds values such as 5, expected texts"),
        ([{"prompt": ["Why?"], "completion": "Tea"}], [], 'its column prompt holds values such as ["Why?"], expected texts'),
        ([{"text": True}], [], "its column text holds values such as true, expected texts"),
    ],
)
def test_mistakes_of_the_caller_are_told_in_one_line(
    rows: list[dict[str, Any]], arguments: list[str], told: str, tmp_path: Path, check: Check
) -> None:
    ran = check(jsonl(tmp_path / "rows.jsonl", rows), *arguments)
    assert ran.exit_code == 2, ran.output
    assert told in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize(("column", "value"), [("tools", []), ("tools", None), ("chat_template_kwargs", {})])
def test_tools_that_are_none_do_no_harm(column: str, value: Any, tmp_path: Path) -> None:
    (found,) = all_rows(jsonl(tmp_path / "rows.jsonl", [{**chat, column: value} for chat in CHATS]))
    assert isinstance(found, Chats)
    assert [messages[-1]["content"] for messages in found.messages] == REPLIES


def test_tools_do_no_harm_where_no_chat_template_is_applied(tmp_path: Path) -> None:
    assert isinstance(all_rows(jsonl(tmp_path / "rows.jsonl", [{**row, "tools": ["boil"]} for row in PAIRS]))[0], Pairs)


@pytest.mark.parametrize("prompt", ['[{"a": 0}] what?', '[{"a": 0}]', "[]", '[{"role": "user"', "[[]]", "[1]"])
def test_a_prompt_that_is_about_json_is_a_text(prompt: str, tmp_path: Path) -> None:
    (found,) = all_rows(jsonl(tmp_path / "rows.jsonl", [{"prompt": prompt, "completion": "Tea"}]))
    assert found == Pairs(["row 1"], [prompt], ["Tea"])


def test_one_prompt_of_json_messages_among_texts_is_a_text(tmp_path: Path) -> None:
    messages = json.dumps(CHATS[0]["messages"])
    for prompts in (["Why?", messages], [messages, "Why?"]):
        (found,) = all_rows(jsonl(tmp_path / "rows.jsonl", [{"prompt": prompt, "completion": "Tea"} for prompt in prompts]))
        assert isinstance(found, Pairs)
        assert found.prompts == prompts


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([7, None], ["7", "row 2"]),
        ([1.5, 2.0], ["1.5", "2.0"]),
        (["t1_a", ""], ["t1_a", "row 2"]),
        ([[1], [2]], ["row 1", "row 2"]),
        ([b"\xff", b"a"], ["row 1", "row 2"]),
        ([{"a": 1}, {"a": 2}], ["row 1", "row 2"]),
    ],
)
def test_ids_that_are_no_texts_or_numbers_are_numbers_of_rows(ids: list[Any], expected: list[str], tmp_path: Path) -> None:
    pl.DataFrame({"id": ids, "text": ["Why?", "Tea"]}).write_parquet(tmp_path / "rows.parquet")
    assert all_rows(tmp_path / "rows.parquet") == [Texts(expected, ["Why?", "Tea"])]


def test_messages_as_a_struct_of_lists_are_told(tmp_path: Path) -> None:
    pl.DataFrame({"messages": [{"role": ["user"], "content": ["Why?"]}]}).write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(UserError, match="row 1: no list of messages"):
        all_rows(tmp_path / "rows.parquet")


def test_texts_of_a_fixed_set_are_texts(tmp_path: Path) -> None:
    pl.DataFrame({"text": pl.Series(["Why?", "Tea"], dtype=pl.Enum(["Tea", "Why?"]))}).write_parquet(tmp_path / "rows.parquet")
    assert all_rows(tmp_path / "rows.parquet") == [Texts(["row 1", "row 2"], ["Why?", "Tea"])]


def test_blank_lines_are_passed_over_and_bad_bytes_are_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\n\n{"text": "Why?"}\r\n\n{"text": "Tea"}\n \n')
    assert all_rows(path) == [Texts(["row 3", "row 5"], ["Why?", "Tea"])]
    path.write_bytes(b'{"text": "Why\xff"}\n')
    with pytest.raises(UserError, match="row 1: not UTF-8; mend or leave out this row"):
        all_rows(path)


def test_a_name_that_is_nothing_and_an_empty_dataset(tmp_path: Path, check: Check) -> None:
    assert check(tmp_path / "nowhere").exit_code == 2
    pl.DataFrame(schema={"text": pl.String}).write_parquet(tmp_path / "none.parquet")
    ran = check(tmp_path / "none.parquet")
    assert ran.exit_code == 1
    assert "✗ there are no rows to check" in ran.stdout
