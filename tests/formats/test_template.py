import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.errors import UserError
from formats.rendering.parsing import pieces
from formats.templates.template import Template, load_template, read_template
from formats.visible import HIDDEN

OWN = 'name = "own"\nturn = "User: {text}\\n"\nreply = "Bot: "\nstop = "\\n###"\n'


def test_the_two_templates_of_the_design():
    comments, speakers = map(load_template, ("comment-response", "speakers"))
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


PLAIN = st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zs", "Zl", "Zp"], exclude_characters="\\{}[]"), max_size=8)
PLAIN = PLAIN.filter(lambda oddity: not HIDDEN.search(oddity))


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(str.isprintable), PLAIN)
def test_a_template_written_as_toml_reads_back_the_same(tmp_path_factory, name, oddity):
    opens = f"<User>{oddity}\n"
    template = Template(
        name,
        f"{opens}{{text}}\n",
        f"<Bot>{oddity}\n",
        f"\n<Stop>{oddity}",
        begin=f"<Begin>{oddity}\n",
        system=f"<Rules>{oddity}\n{{text}}\n",
        system_text=f'"{oddity}" in\t{{community}}\r\n',
        bot_turn=f"<Bot>{oddity}\n{{text}}\n",
        system_inside=len(oddity) % 2 == 0,
    )
    file = tmp_path_factory.mktemp("template") / "template.toml"
    file.write_text(template.to_toml(), encoding="utf-8")
    assert read_template(file) == template


def test_every_template_reads_back_from_a_samples_folder(any_template, tmp_path):
    (tmp_path / "template.toml").write_text(any_template.to_toml(), encoding="utf-8")
    assert read_template(tmp_path / "template.toml") == any_template


def test_what_is_as_it_is_by_itself_is_not_written():
    toml = load_template("comment-response").to_toml()
    assert toml == ('name = "comment-response"\nturn = "### Comment:\\n{text}\\n\\n"\nreply = "### Response:\\n"\nstop = "\\n\\n### END"\n')


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (OWN + 'end = "x"\n', "unknown key 'end' in a template; known: name, turn, reply, stop, begin, system, "),
        (OWN + "begin = 3\n", "begin is int, expected a string"),
        (OWN + 'system_inside = "yes"\n', "system_inside is str, expected true or false"),
        (OWN + "stop = true\n", "not valid TOML: "),
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


def test_a_template_file_with_the_byte_order_mark_of_windows_editors_is_read(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(OWN, encoding="utf-8-sig", newline="\r\n")
    assert read_template(file) == Template("own", "User: {text}\n", "Bot: ", "\n###")


def test_a_file_too_large_for_a_template_is_refused_before_it_is_read(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(OWN + "#" * 200_000, encoding="utf-8")
    with pytest.raises(UserError, match=r"own\.toml: has 200,0\d\d bytes, a template at most 200,000; is it another file\?$"):
        read_template(file)


def test_an_unknown_template_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(
        UserError,
        match=r"^template alpacca: neither built in \(alpaca, chatml, .*, zephyr\) nor a \.toml file that exists; did you mean alpaca\?$",
    ):
        load_template("alpacca")
    with pytest.raises(UserError, match=r"; did you mean speakers\?$"):
        load_template("Speakers")
    with pytest.raises(UserError, match=r"; chat is the base model's own$"):
        load_template(tmp_path / "my.toml")
    with pytest.raises(UserError, match=r"; did you mean chat\?$"):
        load_template("chatt")
    (tmp_path / "dir.toml").mkdir()
    with pytest.raises(UserError, match=r"dir\.toml: is a folder; give a built-in template \(alpaca, .*\), chat, or a \.toml file$"):
        load_template(tmp_path / "dir.toml")
    with pytest.raises(UserError, match=r"gone\.toml: no such template file$"):
        read_template(tmp_path / "gone.toml")
    with pytest.raises(UserError, match=r": no template file \(.+\)$"):
        read_template(tmp_path)


@pytest.mark.parametrize(
    ("turn", "reply", "stop"),
    [
        ("<|im_start|>user\n{text}<|im_end|>\n", "<|im_start|>assistant\n", "<|im_end|>"),
        ("### Instruction:\n{text}\n\n", "### Response:\n", "</s>"),
        ("User: {text}\n", "Assistant: ", "\n\n###"),
        ("{speaker}: {text}\n", "{speaker}: ", "\n== END =="),
        ("[INST] {text} [/INST]", "[ANSWER]", " [STOP]"),
        ("Frage: {text}\n", "Antwort: ", "\n§§"),
    ],
)
def test_the_usual_shapes_are_accepted(turn, reply, stop):
    assert Template("own", turn, reply, stop).stop == stop


@pytest.mark.parametrize("blank", ["", " ", "\n\n", "\r\n", "\t \n"])
def test_a_boundary_is_found_with_whatever_blank_a_trainer_left_around_it(blank):
    found = pieces(f"Ha.{blank}### END{blank}x", load_template("comment-response"))
    assert found == [(False, "Ha."), (True, f"{blank}### END{blank}"), (False, "x")]


def test_what_stands_before_a_reply_holds_the_closing_of_the_turn_where_the_opening_is_blank():
    assert load_template("llama2").reply_opening() == " [/INST] "
    assert load_template("chatml").reply_opening() == "<|im_start|>assistant\n"
    assert Template("own", "Q: {text}\n", "A[[ ({flair})]], {date}: ", "\n###").reply_opening() == "A, : "


@pytest.mark.parametrize(
    ("name", "prompt", "expected"),
    [
        ("comment-response", "### Comment:\nHm.\n\n### Response:\n", True),
        ("comment-response", "### Comment:\nHm.\n\n### Response:", False),
        ("comment-response", "### Response:\nHm.", False),
        ("llama2", "[INST] Hm. [/INST] ", True),
        ("llama2", "[INST] Hm. ", False),
        ("speakers", "## Bot: ##\n", True),
        ("speakers", "## Bot ##\n", False),
    ],
)
def test_a_prompt_is_known_by_its_end(name, prompt, expected):
    assert load_template(name).ends_in_reply_opening(prompt) is expected


def test_a_prompt_that_ends_with_values_is_known_as_well():
    own = Template("own", "Q: {text}\n", "A[[ ({flair})]]: ", "\n###")
    assert own.ends_in_reply_opening("Q: Hm.\nA (Law - l'\u00e9tudiant): ")
    assert not own.ends_in_reply_opening("Q: Hm.\nA (<b>): ")


@pytest.mark.parametrize(
    ("name", "has_roles"), [("chatml", True), ("llama2", True), ("comment-response", False), ("speakers", False), ("vicuna", True)]
)
def test_templates_with_a_form_for_the_turns_of_the_bot_have_roles(name, has_roles):
    assert load_template(name).has_roles is has_roles


def test_where_speakers_are_named_no_turns_are_merged():
    assert not Template("own", "<{speaker}> {text}\n", "<me> ", "\n<over>", bot_turn="<me> {text}\n").has_roles
