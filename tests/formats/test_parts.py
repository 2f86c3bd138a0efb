from hypothesis import given
from hypothesis import strategies as st

from formats.rendering.parts import Cutter, Part
from formats.rendering.render import parse, render
from formats.templates.template import BOT, Template, load_template

COMMENTS = load_template("comment-response")
ROLES = Template(
    name="roles",
    turn="<|im_start|>user\n{text}<|im_end|>\n",
    bot_turn="<|im_start|>assistant\n{text}<|im_end|>\n",
    reply="<|im_start|>assistant\n",
    stop="<|im_end|>",
    system="<|im_start|>system\n{text}<|im_end|>\n",
    system_text="You judge kettles.",
)


def parts(prompt, completion, template):
    return [(part.kind, part.text, part.speaker) for part in Cutter(template).parts(prompt, completion)]


def test_boundaries_context_reply_and_stop_are_told_apart():
    assert parts("### Comment:\nWho says so?\n\n### Response:\n", "I do.\n\n### END", COMMENTS) == [
        ("boundary", "### Comment:\n", None),
        ("context", "Who says so?", None),
        ("boundary", "\n\n### Response:\n", None),
        ("reply", "I do.", BOT),
        ("stop", "\n\n### END", None),
    ]


def test_speakers_have_their_names_where_the_template_names_them():
    prompt = (
        "### BEGIN CONVERSATION ###\n\n## Speaker_0: ##\nGuilty.\n\n## Bot: ##\nOf what?\n\n## Speaker_12: ##\nOf warmth.\n\n## Bot: ##\n"
    )
    found = Cutter(load_template("speakers")).parts(prompt, "Then I plead.")
    assert [(part.speaker, part.text) for part in found if part.kind == "context"] == [
        ("Speaker_0", "Guilty."),
        (BOT, "Of what?"),
        ("Speaker_12", "Of warmth."),
    ]
    assert found[-1] == Part("reply", "Then I plead.", BOT)  # without its stop, none is made up


def test_roles_tell_the_bot_only_and_the_system_text_is_nobodys_turn():
    prompt = (
        "<|im_start|>system\nYou judge kettles.<|im_end|>\n<|im_start|>user\nYou judge kettles.<|im_end|>\n"
        "<|im_start|>assistant\nI do.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
    )
    found = [row for row in parts(prompt, "They boil.<|im_end|>", ROLES) if row[0] != "boundary"]
    assert found == [
        ("system", "You judge kettles.", None),
        ("context", "You judge kettles.", None),
        ("context", "I do.", BOT),
        ("context", "Why?", None),
        ("reply", "They boil.", BOT),
        ("stop", "<|im_end|>", None),
    ]


def test_a_sample_without_a_reply_or_a_turn_keeps_its_text():
    assert parts("", "", COMMENTS) == []
    assert parts("", "\n\n### END", COMMENTS) == [("stop", "\n\n### END", None)]
    assert parts("no boundary", "at all", COMMENTS) == [("system", "no boundary", None), ("reply", "at all", BOT)]


@given(st.data())
def test_the_parts_are_the_sample_and_its_turns(template, texts, conversations, data):
    chat = [("Speaker_0", data.draw(texts)), (BOT, data.draw(texts)), ("Speaker_1", data.draw(texts)), (BOT, data.draw(texts))]
    row = render(conversations(chat), template).row(0, named=True)
    found = Cutter(template).parts(row["prompt"], row["completion"])
    assert "".join(part.text for part in found) == row["text"]
    spoken = [turn for turn in parse(row["text"], template) if turn.text]
    assert len([part for part in found if part.kind in ("context", "reply")]) == len(spoken)
    if "{speaker}" in template.turn:
        assert [part.speaker for part in found if part.kind in ("context", "reply")] == [turn.speaker for turn in spoken]


def test_what_one_sample_taught_does_not_change_the_next():
    cutter = Cutter(COMMENTS)
    samples = [("### Comment:\na\n\n### Response:\n", "b"), ("### Comment:\n\n\n### Response:\n", "b"), ("x### Response:\n", "b")] * 2
    assert [cutter.parts(*sample) for sample in samples] == [Cutter(COMMENTS).parts(*sample) for sample in samples]
