"""The template that a user chooses, and the list to choose from."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from curate.cli import main
from curate.templates import Listed, chosen_template, listed_templates, template_lines
from formats.errors import UserError
from formats.templates.template import Template, built_in, load_template
from train.bases import base_model

CHAT = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"


def lorum(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def tokenizer(chat_template: str | None) -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, merges=[]))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>", chat_template=chat_template)


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(base_model, "tokenizer_of", lambda name: tokenizer(CHAT))
    return "kettle-135m"


def test_the_bot_is_named_where_speakers_are() -> None:
    assert chosen_template("speakers", None, "The Clerk").reply_opening() == "## The Clerk: ##\n"
    assert chosen_template("speakers", None).bot == "Bot"


@pytest.mark.parametrize("name", [name for name in built_in() if name != "speakers"])
def test_a_name_for_the_bot_is_refused_where_no_sample_would_hold_it(name: str) -> None:
    assert "{speaker}" not in load_template(name).to_toml()
    with pytest.raises(UserError, match=f"^template {name}: names no speakers, so no sample would hold 'The Clerk'; take another"):
        chosen_template(name, None, "The Clerk")


def test_a_name_that_stands_before_replies_alone_is_enough(tmp_path: Path) -> None:
    own = Template("own", "<guest> {text}\n", "<{speaker}, clerk> ", "\n<over>")
    (tmp_path / "own.toml").write_text(own.to_toml())
    assert chosen_template(tmp_path / "own.toml", None, "Odo").reply_opening() == "<Odo, clerk> "


def test_the_command_refuses_a_name_that_stands_nowhere(tmp_path: Path) -> None:
    refused = lorum("format", "judged", "--out", tmp_path / "out", "--template", "chatml", "--community", "Kettle Bot")
    assert refused.exit_code == 2
    assert "template chatml: names no speakers" in refused.stderr


def test_every_template_is_listed_with_an_example_and_chat_with_that_of_the_base(base: str) -> None:
    assert [listed.name for listed in listed_templates()] == [*built_in(), "chat"]
    assert [listed.name for listed in listed_templates() if listed.example is None] == ["chat"]
    *_, chat = listed_templates(base)
    assert chat.provenance == "The chat template of kettle-135m, with its own end of turn."
    assert chat.example is not None
    assert chat.example.endswith("<|assistant|>Then the kettle is in contempt. Adjourned for tea.<|end|>")


def test_a_base_without_a_chat_template_is_told_where_chat_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_model, "tokenizer_of", lambda name: tokenizer(None))
    *others, chat = listed_templates("kettle-135m")
    assert len(others) == len(built_in())
    assert chat.example is None
    assert "has no chat template" in chat.provenance


def test_lines_are_as_wide_as_asked_and_hold_every_word() -> None:
    listed = Listed(
        "court", "For the court\nof kettles and\nspouts, in all its sessions.", "### Comment:\nWho boiled the kettle, and why?\n\n### END"
    )
    assert list(template_lines(listed, 30)) == [
        "court",
        "  For the court of kettles and",
        "  spouts, in all its sessions.",
        "",
        "  | ### Comment:",
        "  | Who boiled the kettle, and",
        "  :  why?",
        "  | ",
        "  | ### END",
    ]


@pytest.mark.parametrize("width", [40, 80, 140])
def test_the_list_fits_the_terminal(width: int, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    done = lorum("format", "--list", "--base", base)
    assert done.exit_code == 0
    assert max(map(len, done.stdout.splitlines())) <= width
    assert [line for line in done.stdout.splitlines() if line and not line.startswith(" ")] == [*built_in(), "chat"]


def test_the_list_as_json_holds_provenance_and_example(base: str) -> None:
    told = json.loads(lorum("format", "--list", "--json", "--base", base).stdout)
    assert [entry["name"] for entry in told["templates"]] == [*built_in(), "chat"]
    assert all(entry["provenance"] and entry["example"] for entry in told["templates"])


def test_without_the_list_the_posts_and_the_folder_are_needed() -> None:
    assert "Missing argument 'JUDGED'" in lorum("format").stderr
    refused = lorum("format", "judged")
    assert refused.exit_code == 2
    assert "Missing option '--out'" in refused.stderr
    assert " format [OPTIONS] JUDGED\n" in lorum("format", "--help").stdout
