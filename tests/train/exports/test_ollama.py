"""A Modelfile says what the template and stop.json say: read back by the documented grammar, its template renders our prompts."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.contract.report import StopSpec
from formats.errors import UserError
from formats.rendering.render import Turn, render_prompt
from formats.templates.template import BOT, Template, built_in, load_template
from tests.modelfile import parse_modelfile, render_go
from train.exports.ollama import go_template, modelfile, stop_texts, write_modelfile
from train.settings import DecodingSettings

STOP = StopSpec("<|im_end|>", 2, ("\n\n### END",), "### Response:\n")
DECODING = DecodingSettings(temperature=0.7)
COMMENT = load_template("comment-response")
TALK = [("user", "Who finished the milk?"), ("assistant", "The court did."), ("user", "Appeal.")]


def ours(template: Template, turns: list[tuple[str, str]]) -> str:
    """A prompt of ours; a blank at its end goes with the first word of the reply."""
    speakers = {"user": "Speaker_0", "assistant": BOT}
    return render_prompt(template, [Turn(speakers[role], text) for role, text in turns]).removesuffix(" ")


def theirs(text: str, turns: list[tuple[str, str]]) -> str:
    """What Ollama makes of a Modelfile's template and its system text, which it puts before the messages as a message."""
    read = parse_modelfile(text).instructions
    system = read.get("SYSTEM", "")
    messages = [*([("system", system)] if system else []), *turns]
    return render_go(read["TEMPLATE"], system, [{"role": role, "content": content} for role, content in messages])


@pytest.mark.parametrize("name", built_in())
@pytest.mark.parametrize("turns", [TALK[:1], TALK], ids=["one turn", "three turns"])
def test_the_template_renders_our_prompts(name: str, turns: list[tuple[str, str]]) -> None:
    template = load_template(name)
    assert theirs(modelfile(template, STOP, DECODING, "model.gguf"), turns) == ours(template, turns)


def test_a_system_text_stands_once_inside_the_first_turn() -> None:
    template = Template(
        "court", "U: {text}\n", "B: ", "\n###", system="<<{text}\n>>\n", system_inside=True, bot_turn="B: {text}\n", system_text="Be fair."
    )
    told = theirs(modelfile(template, STOP, DECODING, "model.gguf"), TALK)
    assert told == ours(template, TALK)
    assert told.startswith("U: <<Be fair.\n>>\nWho finished")
    assert told.count("Be fair.") == 1


def test_a_system_text_that_needs_a_value_is_left_out_and_optional_parts_of_it() -> None:
    needs = Template("court", "U: {text}\n", "B: ", "\n###", system="S: {text}\n", system_text="Judge of {community}.")
    assert "SYSTEM" not in parse_modelfile(modelfile(needs, STOP, DECODING, "model.gguf")).instructions
    offers = Template("court", "U: {text}\n", "B: ", "\n###", system="S: {text}\n", system_text="A judge[[ of {community}]].")
    assert parse_modelfile(modelfile(offers, STOP, DECODING, "model.gguf")).instructions["SYSTEM"] == "A judge."


def test_the_stop_goes_along_as_text_and_as_the_end_token() -> None:
    read = parse_modelfile(modelfile(COMMENT, STOP, DECODING, "model.gguf"))
    assert read.parameters["stop"] == ["\n\n### END", "<|im_end|>"]


def test_a_stop_that_is_the_end_token_stands_once() -> None:
    assert stop_texts(StopSpec("<|im_end|>", 2, ("<|im_end|>",), "")) == ["<|im_end|>"]


def test_all_decoding_settings_are_told_since_ollamas_own_defaults_are_others() -> None:
    decoding = DecodingSettings(temperature=0, top_p=0.95, top_k=0, repetition_penalty=1.2, max_new_tokens=1_000_000)
    parameters = parse_modelfile(modelfile(COMMENT, STOP, decoding, "model.gguf")).parameters
    del parameters["stop"]
    numbers = {name: [float(value) for value in values] for name, values in parameters.items()}
    assert numbers == {
        "temperature": [0], "top_p": [0.95], "top_k": [0], "repeat_penalty": [1.2], "repeat_last_n": [-1], "num_predict": [1_000_000],
    }  # fmt: skip
    plain = parse_modelfile(modelfile(COMMENT, STOP, DECODING, "model.gguf")).parameters
    assert plain["repeat_penalty"] == ["1.0"]
    assert "repeat_last_n" not in plain


def test_the_file_names_the_model_and_the_adapter_beside_it(tmp_path: Path) -> None:
    write_modelfile(tmp_path / "new" / "Modelfile", COMMENT, STOP, DECODING, "base.gguf", "adapter.gguf")
    read = parse_modelfile((tmp_path / "new" / "Modelfile").read_text(encoding="utf-8")).instructions
    assert (read["FROM"], read["ADAPTER"]) == ("./base.gguf", "./adapter.gguf")
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "Modelfile"]
    alone = modelfile(COMMENT, STOP, DECODING, "model.gguf")
    assert "ADAPTER" not in parse_modelfile(alone).instructions


SIGNS = st.sampled_from(["{", "}", "{{", '"', '"""', "\\", "\n", " ", "\u00a0", "\u200b", "\t", "é", "🫖", "- ", "#", "end", "`", "%"])


@given(st.lists(SIGNS, max_size=8).map("".join), st.lists(SIGNS, max_size=8).map("".join))
def test_no_text_of_a_boundary_means_anything_to_go_or_to_the_parser(before: str, after: str) -> None:
    try:
        template = Template("signs", f"> {before}T{{text}}X{after}\n\n", "### Reply\n", "\n\n### END")
    except UserError:
        return
    assert theirs(modelfile(template, STOP, DECODING, "model.gguf"), TALK) == ours(template, TALK)


@pytest.mark.parametrize("text", ['a """ b', "a\u200bb"])
def test_a_stop_that_a_modelfile_cannot_quote_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="a Modelfile cannot quote"):
        modelfile(COMMENT, StopSpec("<|im_end|>", 2, (text,), ""), DECODING, "model.gguf")


def test_the_template_is_what_a_reader_would_write() -> None:
    assert go_template(COMMENT) == (
        '{{ range .Messages }}{{ if eq .Role "user" }}### Comment:\n{{ .Content }}\n\n'
        '{{ else if eq .Role "assistant" }}### Comment:\n{{ .Content }}\n\n{{ end }}{{ end }}### Response:\n'
    )


def test_the_modelfile_of_stop_json(tmp_path: Path) -> None:
    stop = StopSpec.from_json(json.dumps({"token": "</s>", "token_id": 2, "strings": ["</s>"], "reply_opens_with": ""}))
    read = parse_modelfile(modelfile(load_template("zephyr"), stop, DECODING, "model.gguf"))
    assert read.parameters["stop"] == ["</s>"]
    assert read.parameters["temperature"] == ["0.7"]
