from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.rendering.conversations import NOBODY, THE_BOT
from formats.rendering.render import render
from formats.templates.template import BOT, built_in, load_template
from formats.tokens.encoding import encode_samples
from formats.tokens.fitting import fit

COMMENTS, SPEAKERS = load_template("comment-response"), load_template("speakers")
LONG = "The kettle was warm and the clerk was away. " * 20


def lengths(conversations, template, tokenizer):
    samples = render(conversations, template)
    return [len(row.input_ids) for row in encode_samples(template, samples["prompt"].to_list(), samples["completion"].to_list(), tokenizer)]


def contexts(conversations):
    return (conversations.turns[:, :-1] != NOBODY).sum(axis=1).tolist()


@st.composite
def chats(draw, texts):
    speakers = st.sampled_from(["Speaker_0", "Speaker_1", "Speaker_12", BOT])
    said = st.one_of(texts, st.sampled_from(["", "Guilty.", LONG[:200]]))
    context = draw(st.lists(st.tuples(speakers, said), min_size=1, max_size=4))
    return [*context, (BOT, draw(said))]


@pytest.mark.parametrize("name", built_in())
@settings(max_examples=6)
@given(data=st.data(), max_tokens=st.integers(20, 400))
def test_what_is_kept_fits_is_counted_and_lost_no_more_than_it_had_to(name, texts, conversations, bytes_tokenizer, data, max_tokens):
    template = load_template(name)
    given_ = conversations(*data.draw(st.lists(chats(texts), min_size=1, max_size=4)))
    fitted = fit(given_, template, bytes_tokenizer, max_tokens)
    assert fitted.num_tokens.tolist() == lengths(fitted.conversations, template, bytes_tokenizer)
    assert (fitted.num_tokens <= max_tokens).all()
    assert len(fitted.kept) + fitted.long_replies + fitted.long_contexts == len(given_.turns)
    assert fitted.conversations.replies["id"].to_list() == given_.replies["id"].gather(fitted.kept).to_list()
    for row, number in enumerate(fitted.kept.tolist()):
        before, after = given_.turns[number], fitted.conversations.turns[row]
        left = (after != NOBODY).sum()
        assert left >= 2, "the turn that is answered stays"
        assert after[-left:].tolist() == before[-left:].tolist()
        if left < (before != NOBODY).sum():
            turns = given_.turns[[number]].copy()
            turns[0, : turns.shape[1] - left - 1] = NOBODY
            longer = fit(
                replace(given_, replies=given_.replies[[number]], turns=turns, speakers=given_.speakers[[number]]),
                template,
                bytes_tokenizer,
                max_tokens,
            )
            assert (longer.conversations.turns != NOBODY).sum() == left, "one turn more would be too long"


def test_the_oldest_turns_go_first(conversations, bytes_tokenizer):
    given_ = conversations([("Speaker_0", LONG), ("Speaker_1", "Guilty."), ("Speaker_0", "Why?"), (BOT, "Overruled.")])
    fitted = fit(given_, COMMENTS, bytes_tokenizer, 120)
    assert fitted.conversations.turns.tolist() == [[NOBODY, 1, 2, 3]]
    assert render(fitted.conversations, COMMENTS)["prompt"].item().startswith("### Comment:\nGuilty.")


def test_what_fits_already_is_as_it_was(conversations, bytes_tokenizer):
    given_ = conversations(
        [("Speaker_0", "Guilty."), (BOT, "Overruled.")], [("Speaker_0", "Why?"), (BOT, "Hm."), ("Speaker_1", "So?"), (BOT, "")]
    )
    fitted = fit(given_, SPEAKERS, bytes_tokenizer, 1000)
    assert fitted.conversations.turns.tolist() == given_.turns.tolist()
    assert fitted.conversations.speakers.tolist() == given_.speakers.tolist()
    assert (fitted.kept.tolist(), fitted.long_replies, fitted.long_contexts) == ([0, 1], 0, 0)


def test_speakers_are_numbered_anew(conversations, bytes_tokenizer):
    given_ = conversations(
        [
            ("Speaker_0", LONG),
            ("Speaker_1", "Guilty."),
            (BOT, "Why?"),
            ("Speaker_0", "So."),
            ("Speaker_2", "Hm."),
            ("Speaker_1", "?"),
            (BOT, "No."),
        ]
    )
    fitted = fit(given_, SPEAKERS, bytes_tokenizer, 300)
    assert contexts(fitted.conversations) == [5]
    assert fitted.conversations.speakers[0, 1:].tolist() == [0, THE_BOT, 1, 2, 0, THE_BOT]


def test_a_reply_that_is_too_long_is_dropped_and_never_cut(conversations, bytes_tokenizer):
    given_ = conversations(
        [("Speaker_0", "Why?"), (BOT, LONG)],
        [("Speaker_0", "Why?"), (BOT, "Overruled.")],
        [("Speaker_0", "Why?"), ("Speaker_1", LONG), (BOT, "Overruled.")],
    )
    fitted = fit(given_, COMMENTS, bytes_tokenizer, 100)
    assert (fitted.kept.tolist(), fitted.long_replies, fitted.long_contexts) == ([1], 1, 1)


def test_the_limit_is_reached_but_not_passed(conversations, bytes_tokenizer):
    given_ = conversations([("Speaker_0", "Guilty."), (BOT, "Overruled.")])
    (length,) = lengths(given_, COMMENTS, bytes_tokenizer)
    assert len(fit(given_, COMMENTS, bytes_tokenizer, length).kept) == 1
    assert len(fit(given_, COMMENTS, bytes_tokenizer, length - 1).kept) == 0


def test_the_conversations_given_stay_as_they_are(conversations, bytes_tokenizer):
    given_ = conversations([("Speaker_0", LONG), ("Speaker_1", "Guilty."), (BOT, "Overruled.")])
    turns, speakers = given_.turns.copy(), given_.speakers.copy()
    fit(given_, COMMENTS, bytes_tokenizer, 60)
    assert (given_.turns == turns).all()
    assert (given_.speakers == speakers).all()


def test_no_conversations_fit(conversations, bytes_tokenizer):
    fitted = fit(conversations(), COMMENTS, bytes_tokenizer, 100)
    assert (len(fitted.kept), len(fitted.num_tokens), fitted.long_replies, fitted.long_contexts) == (0, 0, 0, 0)
    assert fitted.num_tokens.dtype == np.int64


def test_more_conversations_than_are_rendered_at_once(monkeypatch, conversations, bytes_tokenizer):
    given_ = conversations(*[[("Speaker_0", "Why? " * number), (BOT, "Overruled.")] for number in range(1, 8)])
    most = lengths(given_, COMMENTS, bytes_tokenizer)[3]
    whole = fit(given_, COMMENTS, bytes_tokenizer, most)
    monkeypatch.setattr("formats.tokens.fitting.RENDERED_AT_ONCE", 2)
    parts = fit(given_, COMMENTS, bytes_tokenizer, most)
    assert parts.num_tokens.tolist() == whole.num_tokens.tolist()
    assert parts.kept.tolist() == whole.kept.tolist() == [0, 1, 2, 3]
