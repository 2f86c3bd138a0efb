from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from formats.rendering.render import SAMPLE_COLUMNS, parse, pieces, render, render_prompt
from formats.templates.escape import Escaper
from formats.templates.template import BOT, Template, load_template

COMMENTS, SPEAKERS = load_template("comment-response"), load_template("speakers")


def test_comment_response_to_the_letter(conversations):
    table = conversations([("Speaker_0", "Who reboiled it?"), (BOT, " Not I. "), ("Speaker_1", "### END\nHa."), (BOT, "Perjury.")])
    row = render(table, COMMENTS).row(0, named=True)
    assert row["prompt"] == "### Comment:\nWho reboiled it?\n\n### Comment:\nNot I.\n\n### Comment:\n#\\## END\nHa.\n\n### Response:\n"
    assert row["completion"] == "Perjury.\n\n### END"
    assert row["text"] == row["prompt"] + row["completion"]
    assert (row["id"], row["thread_id"], row["community"], row["created_at"], row["score"]) == ("t1_r0", "t3_a", "KettleCourt", None, 0)


def test_speakers_to_the_letter(conversations):
    table = conversations([("Speaker_0", "Who?"), (BOT, "I."), ("Speaker_1", "## Bot: ## You?"), ("Speaker_0", "Hm."), (BOT, "Yes.")])
    row = render(table, SPEAKERS).row(0, named=True)
    assert row["text"] == (
        "### BEGIN CONVERSATION ###\n\n## Speaker_0: ##\nWho?\n\n## Bot: ##\nI.\n\n## Speaker_1: ##\n#\\# Bot: ## You?\n\n"
        "## Speaker_0: ##\nHm.\n\n## Bot: ##\nYes.\n\n### END CONVERSATION ###"
    )
    assert row["completion"] == "Yes.\n\n### END CONVERSATION ###"


def test_messages_alternate_and_hold_the_escaped_texts_of_neighbours_of_one_role(conversations):
    table = conversations(
        [("Speaker_0", "One."), ("Speaker_1", "Two </s>."), (BOT, "Three."), (BOT, "Four.")], [("Speaker_0", "A"), (BOT, "B")]
    )
    first, second = render(table, COMMENTS)["messages"].to_list()
    assert first == [{"role": "user", "content": "One.\n\nTwo <\\/s>.\n\nThree."}, {"role": "assistant", "content": "Four."}]
    assert second == [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]


def test_a_turn_without_text_is_an_empty_turn_and_not_lost(template, conversations):
    table = conversations([("Speaker_0", None), ("Speaker_1", "\u2028 \n"), ("Speaker_2", "Said."), (BOT, None)])
    row = render(table, template).row(0, named=True)
    assert [turn.text for turn in parse(row["text"], template)] == ["", "", "Said.", ""]
    assert row["completion"] == template.stop


def test_no_conversations_are_no_samples(any_template, conversations):
    samples = render(conversations(), any_template)
    assert samples.columns == list(SAMPLE_COLUMNS)
    assert samples.height == 0
    assert samples.schema["turn_ids"] == pl.List(pl.String)
    assert samples.schema["messages"] == pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
    assert samples.schema["prompt"] == samples.schema["completion"] == samples.schema["text"] == pl.String


def test_a_prompt_without_turns_is_the_beginning_and_the_opening_of_the_reply():
    assert render_prompt(COMMENTS, []) == "### Response:\n"
    assert render_prompt(SPEAKERS, []) == "### BEGIN CONVERSATION ###\n\n## Bot: ##\n"


@given(st.data())
def test_polars_and_python_see_the_same_boundaries_in_a_text(template, texts, strip, conversations, data):
    text = data.draw(texts)
    completion = render(conversations([("Speaker_0", "x"), (BOT, text)]), template)["completion"].item()
    assert completion == Escaper(template.cores).escape(strip(text)) + template.stop


def test_a_text_of_blanks_only_costs_no_more_than_its_length():
    blank = "a" + " \n" * 200_000 + "b"
    assert pieces(blank, COMMENTS) == [(False, blank)]


CHATML, LLAMA2, GEMMA = map(load_template, ("chatml", "llama2", "gemma"))
COURT = [
    ("Speaker_0", "It whistles.", "The Crown v. Spout"),
    (BOT, "Who says so?"),
    (BOT, "Speak."),
    ("Speaker_1", "I do."),
    ("Speaker_0", ""),
    ("Speaker_0", "We do."),
    (BOT, "Adjourned."),
]


def test_roles_alternate_and_neighbours_are_merged(conversations):
    assert render(conversations(COURT), CHATML)["text"].item() == (
        "<|im_start|>user\nThe Crown v. Spout\n\nIt whistles.<|im_end|>\n<|im_start|>assistant\nWho says so?\n\nSpeak.<|im_end|>\n"
        "<|im_start|>user\nI do.\n\nWe do.<|im_end|>\n<|im_start|>assistant\nAdjourned.<|im_end|>"
    )


def test_the_first_turn_and_the_one_that_is_answered_are_the_users_whoever_wrote_them(conversations):
    chat = [(BOT, "One."), (BOT, "Two."), ("Speaker_0", "Three."), (BOT, "Four."), (BOT, "Five.")]
    assert render(conversations(chat), CHATML)["text"].item() == (
        "<|im_start|>user\nOne.<|im_end|>\n<|im_start|>assistant\nTwo.<|im_end|>\n"
        "<|im_start|>user\nThree.\n\nFour.<|im_end|>\n<|im_start|>assistant\nFive.<|im_end|>"
    )
    assert render(conversations([(BOT, "One."), (BOT, "Two.")]), LLAMA2)["text"].item() == "[INST] One. [/INST] Two. </s>"


def test_conversations_of_different_lengths_each_have_their_own_roles(conversations):
    rows = [[("Speaker_0", "A"), (BOT, "B")], COURT, [("Speaker_0", "C"), (BOT, "D"), ("Speaker_0", "E"), (BOT, "F")]]
    samples = render(conversations(*rows), LLAMA2)
    assert samples["text"].to_list() == [
        "[INST] A [/INST] B </s>",
        "[INST] The Crown v. Spout\n\nIt whistles. [/INST] Who says so?\n\nSpeak. </s><s>[INST] I do.\n\nWe do. [/INST] Adjourned. </s>",
        "[INST] C [/INST] D </s><s>[INST] E [/INST] F </s>",
    ]
    assert samples["turn_ids"].to_list() == [
        ["t1_p0", "t1_p1"],
        [f"t1_p{number}" for number in range(2, 9)],
        [f"t1_p{number}" for number in range(9, 13)],
    ]


def test_a_system_text_stands_before_the_first_turn_or_inside_it_and_first_in_the_messages(conversations):
    table = conversations([("Speaker_0", "A"), (BOT, "B")])
    ruled = [replace(template, system_text=" Be brief. ") for template in (CHATML, LLAMA2, GEMMA)]
    texts = [render(table, template)["text"].item() for template in ruled]
    assert texts == [
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nA<|im_end|>\n<|im_start|>assistant\nB<|im_end|>",
        "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nA [/INST] B </s>",
        "<start_of_turn>user\nBe brief.\n\nA<end_of_turn>\n<start_of_turn>model\nB<end_of_turn>",
    ]
    assert render(table, ruled[0])["messages"].to_list() == [
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]
    ]


def test_a_system_text_with_an_unknown_value_is_left_out_whole_and_an_optional_part_alone(conversations):
    template = replace(CHATML, system_text="You are {flair}[[ of {community}]][[, it is {date}]].")
    rows = [[("Speaker_0", "A"), (BOT, "B")]] * 4
    table = conversations(
        *rows,
        flair=["a\nclerk", None, "a judge", " "],
        community=["KettleCourt", "KettleCourt", None, "x"],
        created_at=[datetime(2011, 11, 11, 23, 59, 59, tzinfo=UTC), None, None, None],
    )
    systems = [messages[0]["content"] if len(messages) == 3 else None for messages in render(table, template)["messages"].to_list()]
    assert systems == ["You are a clerk of KettleCourt, it is 2011-11-11.", None, "You are a judge.", None]


def test_a_system_text_is_escaped_as_any_text(conversations):
    template = replace(LLAMA2, system_text="On {title}.")
    table = conversations([("Speaker_0", "A"), (BOT, "B")], title=["<</SYS>> [/INST]"])
    assert render(table, template)["prompt"].item() == "[INST] <<SYS>>\nOn <\\</SYS>> [\\/INST].\n<</SYS>>\n\nA [/INST] "


def test_values_in_headings_are_those_of_the_turn_and_reduced(conversations):
    template = Template(
        "own", "## {speaker}[[ ({flair})]][[, {date}]]: ##\n{text}\n\n", "## {speaker}[[ ({flair})]] in {community}: ##\n", "\n\n## END ##",
        bot="The Clerk",
    )  # fmt: skip
    chat = [
        ("Speaker_0", "A", None, "Law): ##\n\n## END ##", datetime(2011, 11, 11, tzinfo=UTC)),
        (BOT, "B", None, "<|im_end|>", None),
        ("Speaker_1", "C", None, "\u00c9tudiant - l'\u00e9t\u00e9 \U0001fad6", None),
        (BOT, "D", None, "no value of the reply", None),
    ]
    row = render(conversations(chat, flair=["Clerk #1"], community=["Kettle)(Court"]), template).row(0, named=True)
    assert row["prompt"] == (
        "## Speaker_0 (Law END), 2011-11-11: ##\nA\n\n## The Clerk (im_end): ##\nB\n\n"
        "## Speaker_1 (\u00c9tudiant - l'\u00e9t\u00e9): ##\nC\n\n## The Clerk (Clerk 1) in Kettle Court: ##\n"
    )


def test_submissions_have_a_form_of_their_own(conversations):
    template = replace(COMMENTS, submission="### Case: {title}\n{text}\n\n")
    chat = [("Speaker_0", "It whistles.", " The  Crown\nv. Spout "), ("Speaker_1", "Does it?"), (BOT, "Yes.")]
    rows = [chat, [("Speaker_0", None, "### Case: a link"), (BOT, "B")], [("Speaker_0", "A", " "), (BOT, "B")]]
    assert render(conversations(*rows), template)["prompt"].to_list() == [
        "### Case: The Crown v. Spout\nIt whistles.\n\n### Comment:\nDoes it?\n\n### Response:\n",
        "### Case: #\\## Case: a link\n\n### Response:\n",
        "### Comment:\nA\n\n### Response:\n",
    ]


def test_a_prompt_of_a_chat_without_turns_has_the_system_part():
    assert render_prompt(replace(CHATML, system_text="Be brief."), []) == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>assistant\n"


def test_columns_that_are_not_there_are_unknown(conversations):
    whole = conversations([("Speaker_0", "A"), (BOT, "B")])
    table = replace(whole, posts=whole.posts.select("id", "text"))
    template = Template("own", "Q[[ ({flair})]][[, {date}]]: {text}\n", "A[[ ({flair})]]: ", "\n###", submission="Case: {title}\n{text}\n")
    assert render(table, template)["text"].item() == "Q: A\nA: B\n###"
