import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.escape import Escaper
from formats.render import SAMPLE_COLUMNS, Turn, parse, pieces, render, render_prompt
from formats.template import BOT, Template, load_template

COMMENTS, SPEAKERS = load_template("comment-response"), load_template("speakers")

NAMES = st.sampled_from(["Speaker_0", "Speaker_1", "Speaker_12", BOT])


def drawn_chat(data, texts, strip, least=1):
    """A chat whose turns are not blank and whose last is the bot's, as (speaker, text)."""
    spoken = texts.filter(strip)
    context = data.draw(st.lists(st.tuples(NAMES, spoken), min_size=least, max_size=4))
    return [*context, (BOT, data.draw(spoken))]


def heard(chat, template, strip):
    """What parsing can know of a chat: stripped texts, and speakers where the template names them."""
    turns = [Turn(speaker, strip(text)) for speaker, text in chat]
    if "{speaker}" in template.turn:
        return turns
    return [Turn("Speaker_0", turn.text) for turn in turns[:-1]] + turns[-1:]


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
    assert first == [{"role": "user", "content": "One.\n\nTwo <\\/s>."}, {"role": "assistant", "content": "Three.\n\nFour."}]
    assert second == [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]


def test_a_turn_without_text_is_an_empty_turn_and_not_lost(template, conversations):
    table = conversations([("Speaker_0", None), ("Speaker_1", "\u2028 \n"), ("Speaker_2", "Said."), (BOT, None)])
    row = render(table, template).row(0, named=True)
    assert [turn.text for turn in parse(row["text"], template)] == ["", "", "Said.", ""]
    assert row["completion"] == template.stop


def test_no_conversations_are_no_samples(conversations):
    samples = render(conversations(), COMMENTS)
    assert samples.columns == list(SAMPLE_COLUMNS)
    assert samples.height == 0
    assert samples.schema["prompt"] == samples.schema["completion"] == samples.schema["text"] == pl.String


def test_a_prompt_without_turns_is_the_beginning_and_the_opening_of_the_reply():
    assert render_prompt(COMMENTS, []) == "### Response:\n"
    assert render_prompt(SPEAKERS, []) == "### BEGIN CONVERSATION ###\n\n## Bot: ##\n"


@given(st.data())
def test_parse_gives_back_the_turns_of_every_sample(template, texts, strip, conversations, data):
    chats = [drawn_chat(data, texts, strip) for _ in range(data.draw(st.integers(1, 3)))]
    samples = render(conversations(*chats), template)
    assert samples["id"].to_list() == [f"t1_r{number}" for number in range(len(chats))]
    for chat, text in zip(chats, samples["text"], strict=True):
        assert parse(text, template) == heard(chat, template, strip)


@given(st.data())
def test_there_are_as_many_boundaries_as_turns_and_one_stop(template, texts, strip, conversations, data):
    chat = drawn_chat(data, texts, strip)
    text = render(conversations(chat), template)["text"].item()
    cut = pieces(text, template)
    assert "".join(piece for _, piece in cut) == text
    assert [is_boundary for is_boundary, _ in cut] == [True, False] * len(chat) + [True]
    assert cut[-1] == (True, template.stop)
    assert text.count(template.stop) == (1 if template.turn_closing.strip() != template.stop else len(chat))


@given(st.data())
def test_a_chat_prompt_is_the_prompt_of_the_sample(template, texts, strip, conversations, data):
    chat = drawn_chat(data, texts, strip)
    prompt = render(conversations(chat), template)["prompt"].item()
    assert render_prompt(template, [Turn(*turn) for turn in chat[:-1]]) == prompt
    assert parse(prompt, template) == heard(chat, template, strip)[:-1]
    assert prompt.endswith(template.reply_opening())


@given(st.data())
def test_polars_and_python_see_the_same_boundaries_in_a_text(template, texts, strip, conversations, data):
    text = data.draw(texts)
    completion = render(conversations([("Speaker_0", "x"), (BOT, text)]), template)["completion"].item()
    assert completion == Escaper(template.cores).escape(strip(text)) + template.stop


@pytest.mark.parametrize(
    "own",
    [
        Template("colon", "{speaker}: {text}\n", "{speaker}: ", "\n###"),
        Template("other-heading", "## {speaker} says\n{text}\n\n", "## The answer of {speaker}\n", "\n\n## That was it"),
        Template("stop-begins-a-heading", "### Comment:\n{text}\n\n", "### Response:\n", "\n\n###"),
        Template("alpaca", "### Instruction:\n{text}\n\n", "### Response:\n", "</s>"),
        Template("tags", "<{speaker}>{text}<end>\n", "<{speaker}>", "<stop>"),
    ],
    ids=lambda own: own.name,
)
@given(data=st.data())
def test_a_template_of_ones_own_parses_back_as_well(own, texts, strip, conversations, data):
    chat = [*drawn_chat(data, texts, strip), (BOT, f"{own.reply_opening()}{own.stop}{own.turn}")]
    text = render(conversations(chat), own)["text"].item()
    assert parse(text, own) == heard(chat, own, strip)


def test_a_text_of_blanks_only_costs_no_more_than_its_length():
    blank = "a" + " \n" * 200_000 + "b"
    assert pieces(blank, COMMENTS) == [(False, blank)]
