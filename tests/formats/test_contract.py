import json
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken

from formats.contract import StopSpec, check_samples, stop_spec
from formats.render import render
from formats.template import BOT, load_template
from formats.tokens import stop_ids

COMMENTS = load_template("comment-response")
PROMPT = "### Comment:\nIs it warm?\n\n### Response:\n"


def check(tokenizer, *completions, prompts=None, template=COMMENTS, max_tokens=500):
    ids = [f"t1_{number}" for number in range(len(completions))]
    return check_samples(ids, prompts or [PROMPT] * len(completions), completions, template, tokenizer, max_tokens)


@given(st.data())
def test_the_contract_holds_of_whatever_was_said(template, tokenizer, texts, strip, conversations, data):
    spoken = texts.filter(lambda text: strip(text).strip())
    chats = data.draw(st.lists(st.tuples(spoken, spoken), min_size=1, max_size=3))
    samples = render(conversations(*([("Speaker_0", said), (BOT, reply)] for said, reply in chats)), template)
    report = check_samples(*(samples[name].to_list() for name in ("id", "prompt", "completion")), template, tokenizer, 10_000)
    assert report.problems == ()
    assert report.holds
    assert (report.rows, report.too_long, report.with_stop_in_loss) == (len(chats), 0, len(chats))
    assert report.stop.trained_share == 1.0
    assert report.stop_token_ids == tuple(stop_ids(template, tokenizer))


def test_a_template_whose_boundaries_are_special_tokens_holds_and_a_forged_one_does_not(chatml, bytes_tokenizer):
    prompt = "<|im_start|>Speaker_0\nIs it warm?<|im_end|>\n<|im_start|>Bot\n"
    assert check(bytes_tokenizer, "No.<|im_end|>", prompts=[prompt], template=chatml).problems == ()
    forged = check(bytes_tokenizer, "No.<|im_end|>\n<|im_start|>Speaker_0\nYes.<|im_end|>", prompts=[prompt], template=chatml)
    assert "the reply contains a boundary: 1 of 1 rows, first t1_0" in forged.problems


@pytest.mark.parametrize(
    ("completion", "problem"),
    [
        ("No.", r"the row does not end with the stop '\n\n### END' and the end token"),
        ("No.\n\n### EN", r"the row does not end with the stop '\n\n### END' and the end token"),
        ("\n\n### END", "the reply is empty"),
        (" \n\t\n\n### END", "the reply is empty"),
        ("No.\n\n### Comment:\nYes.\n\n### END", "the reply contains a boundary"),
        ("No.\n\n### END\n\n### END", "the reply contains a boundary"),
    ],
)
def test_a_broken_row_is_named_with_its_reason(completion, problem, bytes_tokenizer):
    report = check(bytes_tokenizer, "Fine.\n\n### END", completion)
    assert not report.holds
    assert report.problems == (f"{problem}: 1 of 2 rows, first t1_1",)


def test_a_prompt_that_opens_no_reply_breaks_the_contract(bytes_tokenizer):
    report = check(bytes_tokenizer, "Fine.\n\n### END", prompts=["### Comment:\nIs it warm?\n\n"])
    assert report.problems == (r"the prompt does not end with '### Response:\n': 1 of 1 rows, first t1_0",)


def test_a_special_token_that_cannot_be_cut_in_two_is_found_in_the_row(metaspace_tokenizer):
    tokenizer = deepcopy(metaspace_tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": [AddedToken("%", special=True)]})
    report = check(tokenizer, "Sure.\n\n### END", "100 % sure.\n\n### END")
    assert report.problems == ("a special token stands inside the row: 1 of 2 rows, first t1_1",)


def test_each_reason_counts_its_rows_and_names_the_first_three(bytes_tokenizer):
    report = check(bytes_tokenizer, *["No."] * 5, "Fine.\n\n### END")
    assert report.problems == (r"the row does not end with the stop '\n\n### END' and the end token: 5 of 6 rows, first t1_0, t1_1, t1_2",)
    assert report.with_stop_in_loss == 1
    assert report.stop.trained_share == pytest.approx(1 / 6)


def test_rows_that_are_too_long_are_counted_and_not_judged(bytes_tokenizer):
    report = check(bytes_tokenizer, "Fine.\n\n### END", "never stops " * 500, max_tokens=60)
    assert (report.rows, report.too_long, report.with_stop_in_loss, report.stop.trained_share) == (2, 1, 1, 1.0)
    assert report.holds
    assert report.longest > 60


def test_the_limit_itself_is_not_too_long(bytes_tokenizer):
    longest = check(bytes_tokenizer, "Fine.\n\n### END").longest
    assert check(bytes_tokenizer, "Fine.\n\n### END", max_tokens=longest).too_long == 0
    report = check(bytes_tokenizer, "Fine.\n\n### END", max_tokens=longest - 1)
    assert report.problems == (f"every one of the 1 rows is longer than {longest - 1} tokens; raise max_tokens or shorten the context",)


def test_without_rows_the_contract_does_not_hold(bytes_tokenizer):
    report = check(bytes_tokenizer)
    assert (report.rows, report.holds) == (0, False)
    assert report.problems == ("there are no rows to check",)


def test_the_report_says_how_often_a_tokenizer_of_the_whole_text_finds_the_same_stop(bytes_tokenizer):
    """This tokenizer has learned `.` and the line breaks after it as one token."""
    report = check(
        bytes_tokenizer, "Overruled, with jam.\n\n### END", "Why?\n\n### END", "Overruled, with jam.\n\n### END", "Me!\n\n### END"
    )
    assert report.stable_in_text == 0.5
    assert report.holds


def test_the_report_says_whether_padding_would_hide_the_end(bytes_tokenizer, added_tokenizer):
    assert check(bytes_tokenizer, "Fine.\n\n### END").end_token_is_pad
    assert not check(added_tokenizer, "Fine.\n\n### END").end_token_is_pad


def test_stop_json_has_the_keys_of_the_contract_and_reads_back(bytes_tokenizer):
    spec = stop_spec(COMMENTS, bytes_tokenizer, 1.0)
    assert json.loads(spec.to_json()) == {
        "token": "<|im_end|>",
        "token_id": bytes_tokenizer.eos_token_id,
        "strings": ["\n\n### END"],
        "reply_opens_with": "### Response:\n",
        "trained_share": 1.0,
        "termination_rate": None,
    }
    measured = spec.with_termination_rate({"base": 0.1, "adapter": 1.0, "prompts": 64, "max_new_tokens": 128})
    assert StopSpec.from_json(measured.to_json()) == measured
    assert spec.termination_rate is None
