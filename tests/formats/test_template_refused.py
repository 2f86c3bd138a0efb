"""What no template can be, each with its reason."""

import pytest

from formats.errors import UserError
from formats.templates.escape import COMMON_SPECIAL_TOKENS
from formats.templates.stops import ordinary
from formats.templates.template import Template, built_in, load_template

WHOLE = {"name": "own", "turn": "User: {text}\n", "reply": "Bot: ", "stop": "\n###"}


def refused(fields):
    with pytest.raises(UserError) as error:
        Template(**{**WHOLE, **fields})
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"turn": "User: {txt}\n"}, "turn has the placeholder {txt}; known there: {community}, {date}, {flair}, {speaker}, {text}"),
        ({"begin": "{speaker}!!"}, "begin has the placeholder {speaker}; known there: none"),
        ({"stop": "\n{}###"}, "stop has the placeholder {}; known there: none"),
        ({"reply": "Bot {text}: "}, "reply has the placeholder {text}; known there: {community}, {date}, {flair}, {speaker}"),
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
        ({"stop": "\n\\end"}, "stop: a boundary holds a backslash, which marks escapes; leave it out"),
        ({"stop": "###"}, "a text that ends with '#' before '###' would move the boundary '###'; begin '###' with a line break"),
        ({"stop": "\nUser: <>bye"}, "a text that begins with '<>bye' after 'User: ' would become the boundary 'User: <>bye'"),
        ({"turn": "<<{text}>>\n"}, "a text that ends with '>' before '>>\\n"),
        ({"turn": "<<{text}>!\n", "stop": "\n<end>"}, "a text that ends with '<end' before '>!\\n<<' would move the boundary '<end>'"),
        ({"turn": "{speaker}{text}\n", "reply": "Answer: "}, "turn opening has {speaker} right before the text, which could be part of it"),
        ({"turn": "{speaker}{community}: {text}\n"}, "turn opening has {speaker} right before {community}, which could be part of it"),
        ({"turn": "{speaker}0: {text}\n"}, "turn opening has {speaker} right before '0', which could be part of it"),
    ],
)
def test_a_template_that_could_not_hold_is_refused_with_the_reason(fields, message):
    assert refused(fields).startswith(f"template own: {message}")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "template '': the name needs at least one character"),
        ({"name": "a\nb"}, "template 'a\\nb': the name needs at least one character and only ones that can be printed"),
        ({"stop": "\n<end\0>"}, "template own: stop holds the character U+0000; spaces, tabs and line breaks are its only blanks"),
        ({"turn": "User:\xa0{text}\n"}, "template own: turn holds the character U+00A0; spaces,"),
        ({"begin": "<begin>\u2028"}, "template own: begin holds the character U+2028; spaces,"),
        ({"turn": "User\u200b: {text}\n"}, "template own: turn holds the character U+200B, which cannot be seen; leave it out"),
        ({"stop": "\n<end\u202e>"}, "template own: stop holds the character U+202E, which cannot be seen; leave it out"),
        ({"stop": f"\n### END{'a' * 2_000}"}, "template own: stop has 2,008 characters, at most 2,000 can be; shorten it"),
        (
            {"system": "<r>{text}</r>\n", "system_text": "Hm. " * 5_001},
            "template own: system_text has 20,004 characters, at most 20,000 can be; shorten it",
        ),
        ({"turn": "\ud800User: {text}\n"}, "template own: turn holds the character U+D800; spaces,"),
    ],
)
def test_characters_that_no_boundary_can_hold_are_refused(fields, message):
    assert refused(fields).startswith(message)


@pytest.mark.parametrize(
    "stop", ["\n.", "...", "\n---", "END", "the", "\nThe end.", "(over)", "**", "?!", "—", "\n- end -", "__END__", "#END"]
)
def test_a_stop_of_words_or_of_the_signs_of_sentences_is_ordinary_text(stop):
    assert "is ordinary text" in refused({"stop": stop}) or "is no boundary" in refused({"stop": stop})


@pytest.mark.parametrize(
    ("stop", "kind"),
    [
        ("\nhttp://", "a link"),
        ("HTTPS://kettle.example/end", "a link"),
        ("](http://", "a link"),
        ("\n/r/", "the name of a forum or a user"),
        ("/u/kettle-court", "the name of a forum or a user"),
        ("[deleted]", "what stands for a removed post"),
        ("[ Removed by Reddit ]", "what stands for a removed post"),
        ("[x]", "a mark of lists and notes"),
        ("[12]", "a mark of lists and notes"),
        ("\n>>12345", "a quote"),
        ("&#x200B;", "an HTML entity"),
        ("&gt;&gt;", "an HTML entity"),
        ("<br />", "an HTML tag"),
        ("</p>", "an HTML tag"),
        ("\n```python", "a code fence"),
        ("~~~toml", "a code fence"),
        ("<3 <3", "a smiley"),
        ("\n```", "signs alone"),
        ("\n>>", "signs alone"),
        ("\n> >", "signs alone"),
        ("\n====\n", "signs alone"),
        ("~~~~", "signs alone"),
        ("||", "signs alone"),
        ("|---|---|", "signs alone"),
        ("##", "signs alone"),
        (">_<", "signs alone"),
        ("^^", "signs alone"),
        ("//", "signs alone"),
        ("[ ]", "signs alone"),
        ("→→", "signs alone"),
    ],
)
def test_a_stop_that_forums_write_by_themselves_is_refused_with_its_kind(stop, kind):
    assert refused({"turn": "### C:\n{text}\n\n", "reply": "### R:\n", "stop": stop}) == (
        f"template own: the stop {stop!r} is ordinary text ({kind}), so that replies would stop in the middle; "
        "give it a word and two signs that sentences do without, as in '### END' or '</s>'"
    )


@pytest.mark.parametrize(
    "stop", ["\n😂😂", "☕\ufe0f☕\ufe0f", "1\ufe0f\u20e31\ufe0f\u20e3", "🇬🇧🇬🇧", "★★★", "e\u0301\u0301", "END 🫖🫖", "so 👍🏻👍🏻"]
)
def test_emoji_and_what_joins_or_changes_letters_are_no_signs(stop):
    assert "is ordinary text, so that" in refused({"stop": stop})


def test_a_stop_that_is_not_seen_is_refused():
    assert refused({"stop": "\n\u200b\u200b"}) == "template own: stop holds the character U+200B, which cannot be seen; leave it out"


@pytest.mark.parametrize("name", built_in())
def test_no_built_in_stop_is_ordinary(name):
    assert ordinary(load_template(name).stop) is None


@pytest.mark.parametrize("token", [token for token in COMMON_SPECIAL_TOKENS if len(token) > 1])
def test_no_special_token_is_ordinary(token):
    assert ordinary(token) is None


@pytest.mark.parametrize(
    "stop",
    [
        "### END", "</s>", "<|im_end|>", "\n\n### END.", "\n###", "\n\n###\n\n", "[END]", "§§", "<end>", "\n=== END ===", "[/INST]",
        "<｜end▁of▁sentence｜>", "### ☕", "<|over 🫖|>", "``END``", "\n>>> END", "<<over>>", "[[deleted]] END", "| END |",
    ],
)  # fmt: skip
def test_a_stop_with_two_signs_that_sentences_do_without_is_accepted(stop):
    assert Template(**{**WHOLE, "turn": "User: {text}\n\n", "stop": f"\n{stop.lstrip()}"}).stop.strip() == stop.strip()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"system": "<rules>"}, "system needs the placeholder {text} exactly once"),
        ({"system": "<rules>{text}{community}\n"}, "system has the placeholder {community}; known there: {text}"),
        ({"system_text": "Be brief."}, "system_text has nothing that wraps it; give the key system with {text} in it"),
        ({"system_inside": True}, "system_inside says where the system part stands, and there is none"),
        (
            {"system": "<<{text}>> ", "system_inside": True, "system_text": "{score}"},
            "system_text has the placeholder {score}; known there: ",
        ),
        ({"system": "<<RULES>> {text} ", "system_inside": True}, "system has ' ' before the first turn's text; put a line break or"),
        ({"system": "User: {text}\n"}, "system opens with the same text 'User:' as a turn or the reply; give it a heading of its own"),
        ({"system": "#{text}\n"}, "system opening '#' is no boundary"),
        (
            {"turn": "User: {title} {text}\n"},
            "turn has the placeholder {title}; known there: {community}, {date}, {flair}, {speaker}, {text}",
        ),
        ({"submission": "Post: {text}\n"}, "submission needs the placeholder {title} exactly once"),
        ({"submission": "Post: {title}\n"}, "submission needs the placeholder {text} exactly once"),
        ({"submission": "Post: {text} of {title}\n"}, "submission has {text} before {title}; the title stands before the text"),
        ({"submission": "Post: {title}\n{text} {speaker}"}, "submission has {speaker} after {title}; say who speaks before the text"),
        ({"submission": "Post: {title} {text}\n"}, "submission has ' ' between {title} and {text}; put a line break or a boundary there"),
        ({"submission": "User: {title}\n{text}\n"}, "submission opens with the same text 'User:' as a turn or the reply"),
        ({"submission": "Post: {title}\n###\n{text}\n"}, "the boundary '\\n###\\n' stands for two things; make it differ from the others"),
        ({"bot_turn": "User: {text}\n"}, "bot_turn and turn open with the same text 'User: '; make them differ"),
        ({"bot_turn": "Bot: \n"}, "bot_turn needs the placeholder {text} exactly once"),
        ({"bot_turn": "{text}\n", "turn": "User: {text}\n<end>"}, "one of bot_turn and reply opens with a text and the other with none"),
        ({"turn": "User: {text}<end>\n", "separator": "\n<end>"}, "the separator '\\n<end>' closes turns already; leave it out"),
        ({"turn": "<{text}<end>", "begin": "<a>"}, "turn opening '<' is no boundary"),
        ({"begin": "\nUser:\n"}, "the begin '\\nUser:\\n' also opens a turn; make them differ"),
        ({"turn": "User: {text}\nBot:\n"}, "the turn closing '\\nBot:\\n' also opens a turn; make them differ"),
        ({"reply": "User x: ", "turn": "User {flair}: {text}\n"}, "turn and reply can open with the same text 'User …:'; make them differ"),
        ({"reply": "Speaker_3: ", "turn": "{speaker}: {text}\n"}, "turn and reply can open with the same text 'Speaker_0"),
        (
            {"submission": "User {community}: {title}\n{text}\n", "turn": "User {flair}: {text}\n"},
            "turn and submission can open with the same text 'User …:'; make them differ",
        ),
        ({"separator": "|"}, "separator '|' is no boundary"),
        ({"separator": "{speaker}:"}, "separator has the placeholder {speaker}; known there: none"),
        ({"turn": "User[[ ({flair}): {text}\n"}, "turn has [[ without ]]; write optional parts as [[…]]"),
        ({"turn": "User ({flair})]]: {text}\n"}, "turn has ]] without its counterpart or within another"),
        ({"turn": "User[[ ([[{flair}]])]]: {text}\n"}, "turn has [[ without its counterpart or within another"),
        ({"turn": "User[[ says]]: {text}\n"}, "turn has the optional part [[ says]] without a placeholder"),
        ({"turn": "User[[: {text}]]\n"}, "turn has its text in the optional part [[: {text}]]"),
        ({"reply": "[[{flair} ]]Bot: "}, "reply begins with a value or an optional part; begin it with fixed text or {speaker}"),
        ({"turn": "{community}: {text}\n"}, "turn opening begins with a value or an optional part"),
        ({"reply": "Bot {flair} says: "}, "reply has {flair} right before ' ', which could be part of it; put a sign such as : between"),
        ({"turn": "User {date}0: {text}\n"}, "turn opening has {date} right before '0', which could be part of it"),
        ({"turn": "User {flair}{community}: {text}\n"}, "turn opening has {flair} right before {community}, which could be part of it"),
        ({"turn": "User {flair}[[: {date}]] on: {text}\n"}, "turn opening has {flair} right before ' ', which could be part of it"),
        ({"turn": "User: {flair}{text}\n"}, "turn opening has {flair} right before the text, which could be part of it"),
        ({"bot": ""}, "bot '' is no name for the bot"),
        (
            {"bot": "Speaker_3"},
            "bot 'Speaker_3' is no name for the bot: give it 1 to 64 letters, digits, spaces, _, - or ', other than Speaker_n",
        ),
        ({"bot": "<Bot>"}, "bot '<Bot>' is no name for the bot"),
        ({"bot": " Bot"}, "bot ' Bot' is no name for the bot"),
        ({"bot": "B" * 65}, "bot 'BBBB"),
    ],
)
def test_a_field_that_no_template_can_have_is_refused_with_the_reason(fields, message):
    assert refused(fields).startswith(f"template own: {message}")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"turn": "<<{text}>> [END]\n", "system": "<r>{text}>> [E", "system_inside": False},
            "a text that ends with '<r' before '>> [E<<' would move the boundary '<r>'; begin '>> [E<<' with a line break",
        ),
        (
            {"bot_turn": "Bot: {text}\n", "turn": "User\n\nsays: {text}\n"},
            "two texts joined by '\\n\\n' could make the boundary 'User\\n\\nsays:'; leave empty lines out of it",
        ),
        (
            {"system": "{text}\n", "system_inside": True, "turn": "User\nsays: {text}\n"},
            "two texts joined by '\\n' could make the boundary 'User\\nsays:'; leave empty lines out of it",
        ),
        (
            {"turn": "User {flair}: {text}\n", "reply": "User x: no "},
            "a text that begins with 'no' after 'User …: ' would become the boundary",
        ),
        (
            {"turn": "User: {text}<end>\n", "begin": "<end>\nUser: Hm.\n"},
            "a text that begins with 'Hm.' after '<end>\\nUser: ' would become the boundary '<end>\\nUser: Hm.'",
        ),
        (
            {"turn": "User {community}:{text}\n", "stop": "\nUser END:##"},
            "a text that begins with '##' after 'User …:' would become the boundary",
        ),
        (
            {"turn": "Post [{flair}]\n{text}]>\n"},
            "a text that ends with 'Post [' before ']>\\nPost […]\\n' would move the boundary 'Post […]'",
        ),
    ],
)
def test_a_text_that_could_complete_a_boundary_is_refused(fields, message):
    assert refused(fields).startswith(f"template own: {message}")


def test_a_boundary_that_begins_as_a_special_token_does_is_not_completed_by_texts_for_those_are_escaped():
    begin = "<|im_start|>system\n\nBe brief.<|im_end|>\n"
    turn, bot_turn = "<|im_start|>user\n{text}<|im_end|>\n", "<|im_start|>assistant\n{text}<|im_end|>\n"
    template = Template("own", turn, "<|im_start|>assistant\n", "<|im_end|>", begin=begin, bot_turn=bot_turn)
    assert template.begin == begin
