import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.errors import UserError
from formats.template import Template, built_in, load_template, read_template

OWN = 'name = "own"\nturn = "User: {text}\\n"\nreply = "Bot: "\nstop = "\\n###"\n'


def test_the_library_holds_the_two_templates_of_the_design():
    assert built_in() == ["comment-response", "speakers"]
    comments, speakers = map(load_template, built_in())
    assert (comments.begin, comments.turn, comments.reply, comments.stop) == (
        "",
        "### Comment:\n{text}\n\n",
        "### Response:\n",
        "\n\n### END",
    )
    assert (speakers.begin, speakers.turn) == ("### BEGIN CONVERSATION ###\n\n", "## {speaker}: ##\n{text}\n\n")
    assert (speakers.reply_opening(), speakers.stop) == ("## Bot: ##\n", "\n\n### END CONVERSATION ###")


def test_a_turn_falls_apart_into_opening_and_closing():
    template = load_template("speakers")
    assert (template.turn_opening, template.turn_closing) == ("## {speaker}: ##\n", "\n\n")


def test_a_template_file_of_ones_own_is_read(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(OWN, encoding="utf-8")
    assert load_template(file) == load_template(str(file)) == Template("own", "User: {text}\n", "Bot: ", "\n###")


@given(st.text(), st.text(st.characters(codec="utf-8", exclude_characters="\\{}"), max_size=8))
def test_a_template_written_as_toml_reads_back_the_same(tmp_path_factory, name, oddity):
    template = Template(name, f"<User>{oddity}\n{{text}}\n", f"<Bot>{oddity}\n", f"\n<Stop>{oddity}", f"<Begin>{oddity}\n")
    file = tmp_path_factory.mktemp("template") / "template.toml"
    file.write_text(template.to_toml(), encoding="utf-8")
    assert read_template(file) == template


def test_the_built_in_ones_read_back_from_a_samples_folder(template, tmp_path):
    (tmp_path / "template.toml").write_text(template.to_toml(), encoding="utf-8")
    assert read_template(tmp_path / "template.toml") == template


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (OWN + 'end = "x"\n', "unknown key 'end' in a template; known: name, turn, reply, stop, begin"),
        (OWN + "begin = 3\n", "begin is int, expected a string"),
        ('name = "own"\nturn = "User: {text}\\n"\n', "a template needs reply, stop"),
        ("name = own", "not valid TOML: "),
        ("", "a template needs name, turn, reply, stop"),
    ],
)
def test_a_wrong_template_file_is_refused_in_one_line_with_its_path(content, message, tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as refused:
        load_template(file)
    assert str(refused.value).startswith(f"{file}: {message}")
    assert "\n" not in str(refused.value)


def test_a_template_file_that_is_not_utf_8_is_refused_in_one_line(tmp_path):
    file = tmp_path / "own.toml"
    file.write_bytes(OWN.replace("User", "Käufer").encode("latin-1"))
    with pytest.raises(UserError, match=r"own\.toml: not UTF-8 \(.*at byte \d+\); save the template as UTF-8$"):
        load_template(file)


def test_an_unknown_template_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(
        UserError, match=r"^template alpaca: neither built in \(comment-response, speakers\) nor a \.toml file that exists$"
    ):
        load_template("alpaca")
    with pytest.raises(UserError, match=r"gone\.toml: no such template file$"):
        read_template(tmp_path / "gone.toml")
    with pytest.raises(UserError, match=r": no template file \(.+\)$"):
        read_template(tmp_path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"turn": "User: {txt}\n"}, "turn has the placeholder {txt}; known there: {speaker}, {text}"),
        ({"begin": "{speaker}!!"}, "begin has the placeholder {speaker}; known there: none"),
        ({"stop": "\n{}###"}, "stop has the placeholder {}; known there: none"),
        ({"reply": "Bot {text}: "}, "reply has the placeholder {text}; known there: {speaker}"),
        ({"turn": "User: "}, "turn needs the placeholder {text} exactly once"),
        ({"turn": "User: {text}{text}\n"}, "turn needs the placeholder {text} exactly once"),
        ({"turn": "User: {text}\n-- {speaker}\n"}, "turn has {speaker} after {text}; say who speaks before the text"),
        ({"turn": "{text}\n"}, "turn opening '' is no boundary"),
        ({"turn": "> {text}\n"}, "turn opening '> ' is no boundary"),
        ({"turn": "User: {text}|\n"}, "turn closing '|\\n' is no boundary"),
        ({"begin": "#\n"}, "begin '#\\n' is no boundary"),
        ({"reply": " \n"}, "reply ' \\n' is no boundary"),
        ({"stop": "\n"}, "stop '\\n' is no boundary"),
        ({"reply": "User: "}, "reply and turn open with the same text 'User: '; make them differ"),
        ({"stop": "\nUser:"}, "the stop '\\nUser:' also opens a turn; make them differ"),
        ({"stop": "\nBot:"}, "the stop '\\nBot:' also opens a turn; make them differ"),
        ({"stop": "\n\\end"}, "a boundary holds a backslash, which marks escapes; leave it out"),
        ({"stop": "###"}, "a text that ends with '#' before '###' would move the boundary '###'; begin '###' with a line break"),
        ({"stop": "\nUser: bye"}, "a text that begins with 'bye' after 'User: ' would become the boundary 'User: bye'"),
        ({"turn": "<<{text}>>\n"}, "a text that ends with '>' before '>>\\n"),
        ({"turn": "<<{text}>!\n", "stop": "\n<end>"}, "a text that ends with '<end' before '>!\\n<<' would move the boundary '<end>'"),
        (
            {"turn": "{speaker}{text}\n", "reply": "Answer: "},
            "a text that begins with '0' after 'Speaker_0' would become the boundary 'Speaker_00'",
        ),
    ],
)
def test_a_template_that_could_not_hold_is_refused_with_the_reason(fields, message):
    whole = {"name": "own", "turn": "User: {text}\n", "reply": "Bot: ", "stop": "\n###", **fields}
    with pytest.raises(UserError, match=re.escape(f"template own: {message}")):
        Template(**whole)


@pytest.mark.parametrize(
    ("turn", "reply", "stop"),
    [
        ("<|im_start|>user\n{text}<|im_end|>\n", "<|im_start|>assistant\n", "<|im_end|>"),
        ("### Instruction:\n{text}\n\n", "### Response:\n", "</s>"),
        ("User: {text}\n", "Assistant: ", "\n\n###"),
        ("{speaker}: {text}\n", "{speaker}: ", "\n-----"),
        ("[INST] {text} [/INST]", "[ANSWER]", " [STOP]"),
        ("Frage: {text}\n", "Antwort: ", "\n§§"),
    ],
)
def test_the_usual_shapes_are_accepted(turn, reply, stop):
    assert Template("own", turn, reply, stop).stop == stop


@pytest.mark.parametrize("blank", ["", " ", "\n\n", "\r\n", "\t \n"])
def test_a_boundary_is_found_with_whatever_blank_a_trainer_left_around_it(blank):
    found = load_template("comment-response").boundary.search(f"Ha.{blank}### END{blank}x")
    assert found.group() == f"{blank}### END{blank}"
