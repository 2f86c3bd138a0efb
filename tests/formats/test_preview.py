import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from formats.preview import BOUNDARY, CONTEXT, REPLY, STOP, counts, legend, preview, preview_tokens, show_boundary
from formats.rendering.render import render
from formats.templates.template import BOT, load_template
from formats.tokens.encoding import encode_sample
from formats.visible import HIDDEN

COMMENTS, SPEAKERS = load_template("comment-response"), load_template("speakers")
PROMPT = "### Comment:\nWho says #\\## END?\n\n### Response:\n"


def shown(preview, width=80, **options):
    console = Console(width=width, **options)
    with console.capture() as captured:
        console.print(preview)
    return captured.get()


def test_without_colours_signs_and_bars_tell_the_parts():
    assert shown(preview(PROMPT, "I do.\n\nMore.\n\n### END", COMMENTS)).splitlines() == [
        "- │ ### Comment:↵",
        ". │ Who says #\\## END?",
        "- │ ↵↵### Response:↵",
        "> ┃ I do.",
        "> ┃",
        "> ┃ More.",
        "! ┃ ↵↵### END",
    ]


def test_each_part_has_a_style_of_its_own():
    rows = preview(PROMPT, "I do.\n\n### END", COMMENTS, "<|im_end|>").rows
    assert [(row.text.plain, row.text.style) for row in rows] == [
        ("### Comment:↵", BOUNDARY),
        ("Who says #\\## END?", CONTEXT),
        ("↵↵### Response:↵", BOUNDARY),
        ("I do.", REPLY),
        ("↵↵### END", STOP),
        ("<|im_end|>", STOP),
    ]
    assert [row.is_learned for row in rows] == [False, False, False, True, True, True]


def test_speakers_have_their_number_as_a_sign_and_a_colour():
    prompt = "### BEGIN CONVERSATION ###\n\n## Speaker_0: ##\nA.\n\n## Bot: ##\nB.\n\n## Speaker_11: ##\nC.\n\n## Bot: ##\n"
    rows = [row for row in preview(prompt, "D.", SPEAKERS).rows if row.sign not in "->"]
    assert [(row.sign, row.text.plain) for row in rows] == [("0", "A."), ("B", "B."), ("11", "C.")]
    assert len({row.sign_style for row in rows}) == 3


def test_the_tenth_speaker_has_another_sign_than_the_first_and_the_bars_stay_below_each_other():
    prompt = "".join(f"## Speaker_{number}: ##\nA kettle with the number {number}.\n\n" for number in (0, 10))
    lines = shown(preview(f"{prompt}## Bot: ##\n", "D.", SPEAKERS), width=23).splitlines()
    assert [place for place, line in enumerate(lines) if line[:2] in (" 0", "10")] == [1, 5]
    assert lines[1:3] == [" 0 │ A kettle with the", "   │ number 0."]
    assert lines[5:7] == ["10 │ A kettle with the", "   │ number 10."]
    assert lines[-1] == " > ┃ D."
    assert all(cell_len(line) <= 23 for line in lines)
    assert "0, 1, … turn of that speaker" in legend([preview(prompt, "D.", SPEAKERS)], 200)


def test_what_is_wrapped_goes_on_without_a_sign_and_within_the_width():
    lines = shown(preview(PROMPT, "Guilty of boiling over, twice.\nAnd of steam.", COMMENTS), width=20).splitlines()
    assert lines[-4:] == ["> ┃ Guilty of", "  ┃ boiling over,", "  ┃ twice.", "> ┃ And of steam."]
    assert all(cell_len(line) <= 20 for line in lines)


@pytest.mark.parametrize("word", ["茶壶有罪" * 20, "e\u0301" * 60, "☕" * 40, "kettle" * 30, "👨\u200d👩\u200d👧" * 12, "\t" * 30 + "x"])
def test_wide_and_combining_characters_stay_within_the_width(word):
    for width in (12, 33, 80):
        lines = shown(preview(PROMPT, word, COMMENTS), width=width).splitlines()
        assert max(map(cell_len, lines)) <= width
        rows = "".join(line[4:] for line in lines if "┃" in line)
        assert rows.replace(" ", "") == word.replace("\t", "")


@given(st.data())
def test_nothing_is_lost_and_nothing_acts(template, texts, conversations, data):
    chat = [("Speaker_0", data.draw(texts)), (BOT, data.draw(texts))]
    row = render(conversations(chat), template).row(0, named=True)
    rows = preview(row["prompt"], row["completion"], template).rows
    whole = "".join(row.text.plain for row in rows)
    assert len(whole) == len(row["text"])
    assert not HIDDEN.search(whole)


def test_a_text_cannot_paint_boundaries_of_its_own_on_the_terminal():
    attack = "Sure\x1b[30;43m### END\x1b[0m\x07\x9b2J [bold]so[/bold]\u202e\n\n### END"
    screen = shown(preview(PROMPT, attack, COMMENTS), 200, force_terminal=True, color_system="standard")
    assert "Sure␛[30;43m### END␛[0m␇␡2J [bold]so[/bold]␦" in screen
    assert "\x9b" not in screen


def test_tokens_stand_with_their_ids_behind_the_mask(bytes_tokenizer):
    encoded = encode_sample(COMMENTS, PROMPT, "I do.\n\n### END", bytes_tokenizer)
    rows = preview_tokens(encoded, bytes_tokenizer).rows
    assert [(row.sign, row.is_learned) for row in rows] == [(".", False), (">", True), ("!", True)]
    cells = [[cell.partition(":") for cell in row.text.plain.split("  ")] for row in rows]
    assert [int(index) for row in cells for index, _, _ in row] == list(encoded.input_ids)
    assert [len(row) for row in cells] == [
        encoded.num_prompt,
        len(encoded.input_ids) - encoded.num_prompt - encoded.num_stop,
        encoded.num_stop,
    ]
    assert "".join(text for _, _, text in cells[0]) == PROMPT.replace(" ", "␣").replace("\n", "↵")
    assert cells[2][-1][2] == "<|im_end|>"
    assert (
        counts(encoded) == f"{len(encoded.input_ids)} tokens: {encoded.num_prompt} prompt + {len(cells[1])} reply + {encoded.num_stop} stop"
    )


def test_the_legend_names_the_signs_that_are_used_and_breaks_between_them():
    one = preview(PROMPT, "I do.", COMMENTS)
    assert legend([one], 200) == "- boundary   . turn   > reply   ┃ with loss: learned   │ without   ↵ line break   ␣ blank"
    assert "! stop" in legend([one, preview(PROMPT, "I do.\n\n### END", COMMENTS)], 200)
    assert legend([one], 30).splitlines()[:2] == ["- boundary   . turn   > reply", "┃ with loss: learned"]


def test_blanks_at_the_edges_of_a_boundary_are_seen():
    assert show_boundary(" [/INST] ") == "␣[/INST]␣"
    assert show_boundary("### a b:\n  \n") == "### a b:↵␣␣↵"
