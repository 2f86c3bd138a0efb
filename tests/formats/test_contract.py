import json
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken

from formats.contract.checking import Trainer, check, check_samples, in_parts
from formats.contract.report import OutputRow, StopSpec, stop_spec
from formats.contract.rows import Chats, Pairs, Texts
from formats.errors import UserError
from formats.rendering.render import render
from formats.templates.template import BOT, load_template
from formats.tokens.encoding import stop_ids

COMMENTS = load_template("comment-response")
PROMPT = "### Comment:\nIs it warm?\n\n### Response:\n"
POINTS = [
    "there are rows", "ends with its stop", "one sequence of tokens", "ends in an end token", "the stop carries loss",
    "its output row is trained", "nothing after it carries loss", "the prompt carries none", "no reply is cut",
    "only our special tokens", "no boundary in the reply", "the prompt opens a reply", "the reply is not empty",
]  # fmt: skip


def ids(rows):
    return [f"t1_{number}" for number in range(len(rows))]


def judged(tokenizer, *completions, prompts=None, template=COMMENTS, max_tokens=500):
    return check_samples(ids(completions), prompts or [PROMPT] * len(completions), completions, template, tokenizer, max_tokens)


def audited(tokenizer, rows, trainer="trl", template=None, max_tokens=500, **more):
    return check([rows], Trainer(trainer, max_tokens, **more), tokenizer, template)


def failing(report):
    return {point.name: (point.count, point.of, point.counterexample) for point in report.points if point.holds is False}


def point(report, name):
    return next(point for point in report.points if point.name == name)


@given(st.data())
def test_the_contract_holds_of_whatever_was_said(template, tokenizer, texts, strip, conversations, data):
    spoken = texts.filter(lambda text: strip(text).strip())
    chats = data.draw(st.lists(st.tuples(spoken, spoken), min_size=1, max_size=3))
    samples = render(conversations(*([("Speaker_0", said), (BOT, reply)] for said, reply in chats)), template)
    report = check_samples(*(samples[name].to_list() for name in ("id", "prompt", "completion")), template, tokenizer, 10_000)
    assert report.problems == ()
    assert report.holds
    assert (report.rows, report.too_long, report.stop.trained_share) == (len(chats), 0, 1.0)
    assert report.stop_token_ids == tuple(stop_ids(template, tokenizer))
    assert [point.name for point in report.points] == POINTS
    assert {point.name for point in report.points if point.holds is None} == {"its output row is trained"}


def test_a_template_whose_boundaries_are_special_tokens_holds_and_a_forged_one_does_not(chatml, bytes_tokenizer):
    prompt = "<|im_start|>Speaker_0\nIs it warm?<|im_end|>\n<|im_start|>Bot\n"
    assert judged(bytes_tokenizer, "No.<|im_end|>", prompts=[prompt], template=chatml).problems == ()
    forged = judged(bytes_tokenizer, "No.<|im_end|>\n<|im_start|>Speaker_0\nYes.<|im_end|>", prompts=[prompt], template=chatml)
    assert set(failing(forged)) == {"no boundary in the reply", "only our special tokens"}


@pytest.mark.parametrize(
    ("completion", "names", "counterexample"),
    [
        ("No.", {"ends with its stop", "the stop carries loss"}, None),
        ("No.\n\n### EN", {"ends with its stop", "the stop carries loss"}, None),
        ("\n\n### END", {"the reply is not empty"}, r"t1_1: '\n\n### END'"),
        (" \n\t\n\n### END", {"the reply is not empty"}, None),
        ("No.\n\n### Comment:\nYes.\n\n### END", {"no boundary in the reply"}, r"t1_1: 'No.\n\n### Comment:\nYes.'"),
        ("No.\n\n### END\n\n### END", {"no boundary in the reply"}, r"t1_1: 'No.\n\n### END'"),
    ],
)
def test_a_broken_row_is_counted_and_shown(completion, names, counterexample, bytes_tokenizer):
    found = failing(judged(bytes_tokenizer, "Fine.\n\n### END", completion))
    assert set(found) == names
    for count, of, example in found.values():
        assert (count, of) == (1, 2)
        assert example.startswith("t1_1: ")
    if counterexample:
        assert counterexample in {example for _, _, example in found.values()}


def test_a_prompt_that_opens_no_reply_breaks_the_contract(bytes_tokenizer):
    report = judged(bytes_tokenizer, "Fine.\n\n### END", prompts=["### Comment:\nIs it warm?\n\n"])
    assert failing(report) == {"the prompt opens a reply": (0, 1, r"t1_0: '### Comment:\nIs it warm?\n\n'")}
    assert report.problems[0].startswith(r"1 of 1 rows have a prompt that does not end with '### Response:\n' (for example t1_0: ")


def test_a_special_token_that_cannot_be_cut_in_two_is_found_in_the_row(metaspace_tokenizer):
    tokenizer = deepcopy(metaspace_tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": [AddedToken("%", special=True)]})
    found = failing(judged(tokenizer, "Sure.\n\n### END", "100 % sure.\n\n### END"))
    assert set(found) == {"only our special tokens"}
    count, of, example = found["only our special tokens"]
    assert (count, of) == (1, 2)
    assert "'%'" in example


def test_each_point_counts_its_rows_and_shows_the_first(bytes_tokenizer):
    report = judged(bytes_tokenizer, "Fine.\n\n### END", *["No."] * 5)
    count, of, example = failing(report)["ends with its stop"]
    assert (count, of) == (1, 6)
    assert example.startswith("t1_1: ")
    assert example.endswith("'.' '<|im_end|>'")
    assert report.stop.trained_share == pytest.approx(1 / 6)


def test_rows_that_are_too_long_are_counted_and_not_judged(bytes_tokenizer):
    report = judged(bytes_tokenizer, "Fine.\n\n### END", "never stops " * 500, max_tokens=60)
    assert (report.rows, report.too_long, report.stop.trained_share) == (2, 1, 1.0)
    assert report.holds
    assert report.longest > 60
    assert point(report, "no reply is cut").says == "no reply is cut; 1 rows of more than 60 tokens are left out whole"


def test_the_limit_itself_is_not_too_long(bytes_tokenizer):
    longest = judged(bytes_tokenizer, "Fine.\n\n### END").longest
    assert judged(bytes_tokenizer, "Fine.\n\n### END", max_tokens=longest).too_long == 0
    report = judged(bytes_tokenizer, "Fine.\n\n### END", max_tokens=longest - 1)
    assert report.problems == (f"every one of the 1 rows is longer than {longest - 1} tokens: raise the limit or shorten the context",)


def test_without_rows_the_contract_does_not_hold(bytes_tokenizer):
    for report in (judged(bytes_tokenizer), check([], Trainer("trl", 100), bytes_tokenizer)):
        assert (report.rows, report.holds, report.stop_token_ids) == (0, False, ())
        assert report.problems == ("there are no rows to check: let more replies through the filter",)


def test_parts_make_one_report(bytes_tokenizer, monkeypatch):
    replies = ["Fine.\n\n### END", "No."] * 5
    whole = judged(bytes_tokenizer, *replies)
    monkeypatch.setattr("formats.contract.checking.ROWS_AT_ONCE", 3)
    assert [len(part.ids) for part in in_parts(Pairs(ids(replies), [PROMPT] * 10, replies))] == [3, 3, 3, 1]
    assert judged(bytes_tokenizer, *replies) == whole


def test_a_stop_that_merges_with_what_stands_before_it_is_named_with_its_contexts(bytes_tokenizer):
    """This tokenizer has learned `.` and the line breaks after it as one token."""
    replies = ["Why?\n\n### END"] * 3 + ["Overruled, with jam.\n\n### END"] * 2
    assert judged(bytes_tokenizer, *replies).holds
    report = audited(bytes_tokenizer, Pairs(ids(replies), [PROMPT] * 5, replies), template=COMMENTS)
    found = point(report, "one sequence of tokens")
    assert (found.holds, found.count, found.of) == (False, 3, 5)
    assert "in 3 of 5 rows, but " in found.says
    assert found.says.endswith("in 2 rows (after '.' (2))")
    assert found.counterexample.startswith("t1_3: '")


@pytest.mark.parametrize(("trainer", "masked"), [("trl", False), ("transformers", True)])
def test_a_pad_token_that_ends_replies_is_masked_by_the_stock_collator_alone(trainer, masked, bytes_tokenizer):
    rows = Texts(ids("abc"), [f"{PROMPT}{said}<|im_end|>" for said in ("Why?", "Me!", "No.")])
    report = audited(bytes_tokenizer, rows, trainer)
    assert (failing(report).get("ends in an end token") == (0, 3, report.points[3].counterexample)) is masked
    assert ("the stop carries loss" in failing(report)) is masked
    if masked:
        assert point(report, "ends in an end token").says == "3 of 3 rows end in '<|im_end|>' (2), which is the pad token and masked as one"
        assert point(report, "ends in an end token").counterexample.endswith("('<|im_end|>')")
        assert report.stop.trained_share == 0.0
    else:
        assert "which is the pad token too, but is not masked" in point(report, "ends in an end token").says


def test_a_text_without_the_end_token_ends_nowhere(added_tokenizer):
    replies = ["Why?\n\n### END", "Me!\n\n### END", "Tea\n\n### END"]
    report = audited(added_tokenizer, Pairs(ids(replies), [PROMPT] * 3, replies), "transformers")
    assert report.stop.strings == ("\n\n### END",)
    assert set(failing(report)) == {"ends in an end token", "the prompt carries none"}
    assert audited(added_tokenizer, Pairs(ids(replies), [PROMPT] * 3, replies)).holds


def test_rows_that_share_no_ending_have_no_stop_unless_the_trainer_appends_one(added_tokenizer):
    rows = Texts(ids("abc"), ["Is it warm? No.", "Who took it? Me!", "Why? Because"])
    report = audited(added_tokenizer, rows, "transformers")
    assert "ends with its stop" in failing(report)
    assert point(report, "one sequence of tokens").holds is None
    assert (report.stop_token_ids, report.stop.strings) == ((), ())
    assert audited(added_tokenizer, rows).stop_token_ids == (added_tokenizer.eos_token_id,)


def test_an_end_token_that_goes_to_a_column_beside_is_missing(added_tokenizer):
    replies = ["Why?\n\n### END", "Me!\n\n### END", "Tea\n\n### END"]
    report = audited(added_tokenizer, Pairs(ids(replies), [PROMPT] * 3, replies, [PROMPT + reply for reply in replies]))
    assert set(failing(report)) == {"ends in an end token"}


def test_a_cut_reply_is_told_with_its_length(added_tokenizer):
    replies = ["Why?\n\n### END", "Milk goes in after, as the statute says. " * 3 + "\n\n### END"]
    report = audited(added_tokenizer, Pairs(ids(replies), [PROMPT] * 2, replies), template=COMMENTS, max_tokens=60)
    assert set(failing(report)) == {"ends with its stop", "the stop carries loss", "no reply is cut"}
    assert point(report, "no reply is cut").counterexample.endswith(f"is the end of {report.longest:,} tokens")
    assert point(report, "ends with its stop").mend == point(report, "no reply is cut").mend


def test_whole_texts_carry_loss_in_the_prompt(added_tokenizer):
    rows = Texts(ids("a"), [f"{PROMPT}Why?\n\n### END"])
    assert set(failing(audited(added_tokenizer, rows, template=COMMENTS))) == {"the prompt carries none"}
    assert point(audited(added_tokenizer, rows), "the prompt carries none").holds is None
    assert audited(added_tokenizer, rows, "lorum", COMMENTS).holds


def test_lorum_reads_no_rows_without_a_template(added_tokenizer):
    with pytest.raises(UserError, match="lorum trains on samples of a template; name theirs with --template"):
        audited(added_tokenizer, Texts(ids("a"), ["Why?"]), "lorum")


def test_messages_are_judged_as_the_chat_template_renders_them(added_tokenizer):
    tokenizer = deepcopy(added_tokenizer)
    tokenizer.chat_template = CHATML
    rows = Chats(ids("ab"), [[{"role": "user", "content": "Why?"}, {"role": "assistant", "content": said}] for said in ("Tea.", "")])
    report = audited(tokenizer, rows)
    assert set(failing(report)) == {"the prompt carries none", "the reply is not empty"}
    assert report.stop_token_ids == (tokenizer.eos_token_id,)
    with pytest.raises(UserError, match="has no chat template, so no trainer reads messages with it"):
        audited(added_tokenizer, rows)


@pytest.mark.parametrize(("trained", "holds"), [(True, True), (False, False), (None, None)])
def test_the_output_row_of_the_last_token_is_asked_for(trained, holds, bytes_tokenizer):
    asked = []

    def row(token):
        asked.append(token)
        return OutputRow(trained, True, "its row is nearly zero")

    rows = Pairs(["t1_0"], [PROMPT], ["Why?\n\n### END"])
    report = check([rows], Trainer("lorum", 500), bytes_tokenizer, COMMENTS, row)
    assert asked == [bytes_tokenizer.eos_token_id]
    assert point(report, "its output row is trained").holds is holds
    assert report.holds is (trained is not False)


@pytest.mark.parametrize(
    ("row", "holds", "says"),
    [
        (OutputRow(False, True, "its row is nearly zero", to_train=True), True, "was never trained to put out"),
        (OutputRow(None, True, "its weights are not at hand", to_train=True), True, "may never have been trained to put out"),
        (OutputRow(False, True, "it has no row", exists=False, to_train=True), False, "was never trained to put out"),
        (OutputRow(False, True, "its row is nearly zero"), False, "was never trained to put out"),
    ],
)
def test_a_row_that_the_training_trains_too_is_no_obstacle_where_there_is_one(row, holds, says, bytes_tokenizer):
    report = check([Pairs(["t1_0"], [PROMPT], ["Why?\n\n### END"])], Trainer("lorum", 500), bytes_tokenizer, COMMENTS, lambda token: row)
    found = point(report, "its output row is trained")
    assert (found.holds, report.holds) == (holds, holds)
    assert says in found.says
    assert row.says in found.says
    assert ("the training trains this token's rows with the adapter" in found.says) is holds
    assert (found.mend is None) is holds


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


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
