"""The laws of rendering, for any texts and values: nothing is forged, and what was rendered can be read again."""

import datetime
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.rendering.render import Turn, Values, parse, pieces, render, render_prompt
from formats.templates.escape import Escaper
from formats.templates.template import BOT, Template

SOMEBODY = "Speaker_0"
WHITE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
NAMES = st.sampled_from(["Speaker_0", "Speaker_1", "Speaker_12", BOT])
OWN = (
    Template("colon", "{speaker}: {text}\n", "{speaker}: ", "\n###"),
    Template("other-heading", "## {speaker} says\n{text}\n\n", "## The answer of {speaker}\n", "\n\n## That was it"),
    Template("stop-begins-a-heading", "### Comment:\n{text}\n\n", "### Response:\n", "\n\n###"),
    Template("alpaca", "### Instruction:\n{text}\n\n", "### Response:\n", "</s>"),
    Template("tags", "<{speaker}>{text}<end>\n", "<{speaker}>", "<stop>"),
)


@pytest.fixture(scope="module")
def chats(texts, strip):
    """Chats whose texts are not blank, as (speaker, text, title, flair, None): the last turn is the bot's."""
    spoken, title = texts.filter(strip), st.one_of(st.none(), st.none(), texts)
    turn = st.tuples(NAMES, spoken, title, title, st.none())
    return st.builds(lambda context, reply: [*context, (BOT, reply, None, None, None)], st.lists(turn, min_size=1, max_size=5), spoken)


def one_line(text):
    return re.sub(f"[{WHITE}]+", " ", text or "").strip(" ") or None


def heard(chat, template):
    """What parsing can know of a chat: stripped texts, titles and speakers as far as the template tells them, merged turns as one."""
    turns = []
    for place, (speaker, said, title, *_) in enumerate(chat):
        is_bot = (speaker == BOT and 0 < place < len(chat) - 2) or place == len(chat) - 1
        head, text = one_line(title), said.strip(WHITE)
        merges = template.has_roles and turns and (turns[-1].speaker == BOT) == is_bot
        if merges or not (template.submission and head) or (template.has_roles and is_bot):
            text, head = whole(title, said), None
        if merges:
            turns[-1] = Turn(turns[-1].speaker, "\n\n".join(part for part in (turns[-1].text, text) if part), turns[-1].title)
        elif template.has_roles:
            turns.append(Turn(BOT if is_bot else SOMEBODY, text, head))
        else:
            named = "{speaker}" in (template.submission if head else template.turn) or place == len(chat) - 1
            turns.append(Turn(speaker if named else SOMEBODY, text, head))
    return turns


def whole(title, text):
    return "\n\n".join(part for part in (title, text) if part).strip(WHITE)


def told(template, values):
    """The system text; None where there is none."""
    known = {name: one_line(value) for name, value in values.items()}

    def fill(found):
        return "" if any(known[name] is None for name in re.findall(r"\{(\w+)\}", found[1])) else found[1]

    source = re.sub(r"\[\[(.*?)\]\]", fill, template.system_text)
    if any(known[name] is None for name in re.findall(r"\{(\w+)\}", source)):
        return None
    return re.sub(r"\{(\w+)\}", lambda found: known[found[1]], source).strip(WHITE) or None


def contents(turns, system, template):
    """What stands between the boundaries, in order."""
    found = []
    for turn in turns:
        if turn.title is not None and template.title_closing.strip():
            found += [turn.title, turn.text]
        else:
            found.append(turn.text if turn.title is None else f"{turn.title}{template.title_closing}{turn.text}")
    if system is not None and template.system_inside and not template.system_closing.strip():
        return [f"{system}{template.system_closing}{found[0]}", *found[1:]]
    return [*([] if system is None else [system]), *found]


def values_of(data, texts):
    value = st.one_of(st.none(), texts)
    return {name: data.draw(value) for name in ("community", "flair", "title")} | {"date": data.draw(st.sampled_from([None, "2011-11-11"]))}


def holds(template, conversations, texts, chats, data):
    chat, values = data.draw(chats), values_of(data, texts)
    day = values["date"] and datetime.date.fromisoformat(values["date"])
    moment = day and datetime.datetime.combine(day, datetime.time(23, 59), datetime.UTC)
    columns = {name: [values[name]] for name in ("community", "flair", "title")}
    row = render(conversations(chat, **columns, created_at=[moment]), template).row(0, named=True)
    system, turns = told(template, values), heard(chat, template)

    escaper, cut = Escaper(template.cores), pieces(row["text"], template)
    assert "".join(piece for _, piece in cut) == row["text"] == row["prompt"] + row["completion"]
    assert [escaper.unescape(piece) for is_boundary, piece in cut if not is_boundary] == contents(turns, system, template)
    assert cut[-1] == (True, template.stop)

    if system is not None and template.system_inside and not template.system_closing.strip():
        turns[0] = Turn(turns[0].speaker, f"{system}{template.system_closing}{turns[0].text}", turns[0].title)
    assert parse(row["text"], template) == turns
    assert parse(row["prompt"], template) == turns[:-1]
    assert template.ends_in_reply_opening(row["prompt"])

    bare = [(*turn[:3], None, None) for turn in chat]
    sample = render(conversations(bare, **columns, created_at=[moment]), template)["prompt"].item()
    known = Values(values["community"], values["flair"], values["title"], day)
    assert render_prompt(template, [Turn(*turn[:3]) for turn in chat[:-1]], known) == sample


@given(data=st.data())
def test_every_sample_can_be_read_again_and_holds_no_boundary_but_ours(any_template, conversations, texts, chats, data):
    holds(any_template, conversations, texts, chats, data)


@pytest.mark.parametrize("own", OWN, ids=lambda own: own.name)
@given(data=st.data())
def test_a_template_of_ones_own_holds_as_well(own, conversations, texts, chats, data):
    holds(own, conversations, texts, chats, data)


@given(data=st.data())
def test_messages_begin_with_the_user_alternate_and_end_with_the_bot(any_template, conversations, chats, data):
    chat = data.draw(chats)
    (messages,) = render(conversations(chat), any_template)["messages"].to_list()
    spoken = [message for message in messages if message["role"] != "system"]
    assert [message["role"] for message in spoken] == ["user", "assistant"] * (len(spoken) // 2)
    assert [message["role"] for message in messages].count("system") == len(messages) - len(spoken) <= (messages[0]["role"] == "system")
    escape = Escaper(any_template.cores).escape
    assert spoken[-1]["content"] == escape(chat[-1][1].strip(WHITE))
    said = [whole(title, text) for _, text, title, *_ in chat[:-1]]
    assert "\n\n".join(message["content"] for message in spoken[:-1]) == "\n\n".join(map(escape, said))
