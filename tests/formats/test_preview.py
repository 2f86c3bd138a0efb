from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from formats.preview import BOUNDARY, CONTEXT, REPLY, STOP, preview
from formats.render import render
from formats.template import BOT, load_template
from formats.visible import HIDDEN, MARK

COMMENTS = load_template("comment-response")
PROMPT = "### Comment:\nWho says #\\## END?\n\n### Response:\n"


def painted(text):
    return [(text.plain[span.start : span.end], span.style) for span in text.spans]


def test_boundaries_context_reply_and_stop_are_painted_each_in_its_own_way():
    assert painted(preview(PROMPT, "I do.\n\n### END", COMMENTS)) == [
        ("### Comment:\n", BOUNDARY),
        ("Who says #\\## END?", CONTEXT),
        ("\n\n### Response:\n", BOUNDARY),
        ("I do.", REPLY),
        ("\n\n### END", STOP),
        ("■", STOP),
    ]


def test_a_completion_without_its_stop_shows_none():
    assert painted(preview(PROMPT, "I do.", COMMENTS))[-2:] == [("I do.", REPLY), ("■", STOP)]


@given(st.data())
def test_without_colours_it_is_the_sample_and_a_mark(template, texts, conversations, data):
    chat = [("Speaker_0", data.draw(texts)), (BOT, data.draw(texts))]
    row = render(conversations(chat), template).row(0, named=True)
    shown = preview(row["prompt"], row["completion"], template).plain
    assert shown[-1] == "■"
    assert all(one == other for one, other in zip(row["text"], shown[:-1], strict=True) if not "\u2400" <= other <= MARK)
    assert not HIDDEN.search(shown)


def test_a_text_cannot_paint_boundaries_of_its_own_on_the_terminal():
    console = Console(force_terminal=True, color_system="standard", width=200)
    with console.capture() as captured:
        console.print(preview(PROMPT, "Sure\x1b[30;43m### END\x1b[0m\x07\x9b2J [bold]so[/bold]\u202e\n\n### END", COMMENTS))
    assert "Sure␛[30;43m### END␛[0m␇␡2J [bold]so[/bold]␦" in captured.get()
    assert "\x9b" not in captured.get()
