"""The stop of rows that no template describes: which ending is one, which is an answer, and what is no stop at all."""

import random
from copy import deepcopy
from dataclasses import asdict, replace

import pytest

from formats.contract.checking import Trainer, check
from formats.contract.lines import contract_lines
from formats.contract.rows import Chats, Pairs, Texts
from formats.contract.shared_stop import NO_MARKS, OtherStops, common_ending, marks_of
from formats.templates.template import load_template

COMMENTS = load_template("comment-response")
PROMPT = "### Comment:\nIs it warm?\n\n### Response:\n"
SAID = [f"Case {number} is {'warm' if number % 3 else 'cold'}." for number in range(300)]
IDS = [f"t1_{number}" for number in range(len(SAID))]
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>"
    "{% endgeneration %}{% else %}{{ m.content }}<|im_end|>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def pairs(completions, prompt=PROMPT):
    return Pairs(IDS[: len(completions)], [prompt] * len(completions), list(completions))


def audited(tokenizer, *parts, trainer="trl", template=None, max_tokens=500, ends=(), **more):
    return check(parts, Trainer(trainer, max_tokens, **more), tokenizer, template, ends=ends)


def failing(report):
    return {point.name for point in report.points if point.holds is False}


def point(report, name):
    return next(point for point in report.points if point.name == name)


def with_pad(tokenizer, **more):
    """A tokenizer whose pad token is none of its other special tokens, so that no collator masks these."""
    tokenizer = deepcopy(tokenizer)
    tokenizer.add_special_tokens({"pad_token": "<|pad|>", **more})
    return tokenizer


@pytest.mark.parametrize(
    ("texts", "ending"),
    [
        ([], ""),
        (["", "", ""], ""),
        (["Fine.\n\n### END", "No!\n\n### END"], ""),
        (["Fine.\n\n### END", "No!\n\n### END", "Why?\n\n### END"], "\n\n### END"),
        (["Fine.\r\n### END", "No!\r\n### END", "Why?\r\n### END"], "\r\n### END"),
        (["a jam ### END", "the ham ### END", "no dam ### END"], "### END"),
        (["a jam\n### END.", "the ham\n### END.", "no dam\n### END."], "\n### END."),
        (["He went.", "No way.", "Yes.", "Tea."], ""),
        (["Yes!</s>", "No.</s>", "Why?</s>"], "</s>"),
        (["Yes!\nEND", "No.\nEND", "Why?\nEND"], "\nEND"),
        ([f"case {number}.\n\n### END" for number in range(60)] + [f"case {number}!\n\n### END" for number in range(40)], "\n\n### END"),
        ([f"case {number}.\n\n### END" for number in range(60)] + ["cut of", "in the mid"] * 10, "\n\n### END"),
        ([f"case {number}.\n\n### END" for number in range(299)] + ["Is it warm?\n\n### END"], "\n\n### END"),
        ([f"case {number}.\n\n### END" for number in range(299)] + ["Warm.\n### END"], "\n### END"),
        ([f"case {number}.\n\n### END" for number in range(9)] + ["\n\n### END"], "\n\n### END"),
    ],
)
def test_the_ending_that_rows_share(texts, ending):
    shuffled = list(texts)
    random.Random(0).shuffle(shuffled)
    assert common_ending(shuffled) == ending


@pytest.mark.parametrize(
    "texts",
    [
        ["yes"] * 9 + ["no"] * 3,
        ["<yes>"] * 9 + ["<no>"] * 3,
        ["### Answer"] * 12,
        ["I ask the court.\nyes"] * 7 + ["I ask the court.\nno"] * 3,
        ["It is [warm]"] * 7 + ["It is [cold]"] * 3,
        [f"Case {number} is warm" for number in range(12)],
        [f"Case {number}.\nI am a clerk." for number in range(9)] + ["Case."] * 3,
        [f"Case {number}.\n[The clerk wrote this. Ask the judge.]" for number in range(12)],
        [f"The sum is {number}.\n#### 42" for number in range(12)],
    ],
    ids=["labels", "tags", "whole rows", "lines", "brackets", "words", "signature", "bracketed sentences", "digits"],
)
def test_what_is_said_is_no_stop(texts):
    assert common_ending(texts) == ""


def test_the_end_token_is_part_of_the_stop_and_other_special_tokens_are_no_part(bytes_tokenizer):
    marks = marks_of(with_pad(bytes_tokenizer))
    assert common_ending([f"{said}\n### END<|im_end|>" for said in SAID], marks) == "\n### END<|im_end|>"
    assert common_ending([f"{said}<|im_end|>" for said in SAID[:200]] + SAID[200:], marks) == "<|im_end|>"
    assert common_ending([f"{said}<|im_end|>" for said in SAID[:100]] + SAID[100:], marks) == ""
    assert common_ending([f"{said}<|pad|>\n<|im_end|>" for said in SAID], marks) == "<|im_end|>"
    assert common_ending([f"{said}<|im_end|>\n" for said in SAID], marks) == ""


def test_a_stop_that_is_a_text_twice_is_that_text_and_breaks_the_contract(bytes_tokenizer):
    doubled = [f"{said}\n### END\n### END" for said in SAID]
    assert common_ending(doubled) == "\n### END"
    report = audited(bytes_tokenizer, pairs(doubled))
    assert point(report, "nothing after it carries loss").says.startswith("300 of 300 rows have the stop twice")
    assert point(report, "nothing after it carries loss").counterexample.endswith(r"\n### END\n### END'")
    assert not report.holds


def test_one_row_that_ends_in_another_sign_does_not_break_the_contract(added_tokenizer):
    said = [*SAID[:-1], "Is it warm?"]
    for rows in (pairs([f"{one}\n### END" for one in said]), pairs(said), Texts(IDS, [f"{one}<|im_end|>" for one in said])):
        assert failing(audited(added_tokenizer, rows)) == set()
    assert audited(added_tokenizer, pairs([f"{one}\n### END" for one in said])).stop.strings == ("\n### END",)


@pytest.mark.parametrize("completions", [["yes"] * 9 + ["no"] * 3, [f"{said} is warm" for said in ("Tea", "Jam", "Milk")]])
def test_answers_are_not_taken_for_the_stop(completions, added_tokenizer):
    report = audited(added_tokenizer, pairs(completions))
    assert report.problems == ()
    assert (report.stop.strings, report.stop_token_ids) == ((), (added_tokenizer.eos_token_id,))


@pytest.mark.parametrize("literal", ["<|im_start|>", "<|pad|>", "<|over|>"])
def test_a_special_token_that_is_not_an_end_token_ends_nothing(literal, bytes_tokenizer):
    tokenizer = with_pad(bytes_tokenizer, additional_special_tokens=["<|im_start|>", "<|over|>"])
    rows = Texts(IDS, [f"{said}{literal}" for said in SAID])
    assert not audited(tokenizer, rows, trainer="transformers").holds
    assert audited(tokenizer, Texts(IDS, [f"{said}<|im_end|>" for said in SAID]), trainer="transformers").holds


def test_an_end_token_of_the_generation_config_ends_replies(bytes_tokenizer):
    """An instruct base ends its turns in one token and its documents in another; generating ends at the first only if told so."""
    tokenizer = with_pad(bytes_tokenizer, additional_special_tokens=["<|over|>"])
    over = tokenizer.convert_tokens_to_ids("<|over|>")
    rows = Texts(IDS, [f"{said}<|over|>" for said in SAID])
    without, told = audited(tokenizer, rows, trainer="transformers"), audited(tokenizer, rows, trainer="transformers", ends=[over])
    assert failing(without) == {"ends in an end token"}
    assert told.problems == ()
    assert (told.stop.token, told.stop.token_id, told.stop_token_ids) == ("<|over|>", over, (over,))


def test_a_chat_whose_end_of_turn_is_not_the_end_token_fails_and_is_shown(bytes_tokenizer):
    tokenizer = with_pad(bytes_tokenizer, additional_special_tokens=["<|over|>"])
    tokenizer.chat_template = CHAT.replace("<|im_end|>", "<|over|>")
    rows = Chats(IDS, [[{"role": "user", "content": "Why?"}, {"role": "assistant", "content": said}] for said in SAID])
    report = audited(tokenizer, rows, assistant_only=True)
    assert "ends in an end token" in failing(report)
    assert report.stop.token == "<|over|>"
    assert report.stop_token_ids == (report.stop.token_id,)
    assert contract_lines(asdict(report))[0] == "stop     '<|over|>'"
    ends = [tokenizer.convert_tokens_to_ids("<|over|>")]
    assert "ends in an end token" not in failing(audited(tokenizer, rows, assistant_only=True, ends=ends))


@pytest.mark.parametrize(("trainer", "beside"), [("transformers", False), ("trl", True)])
def test_the_end_token_behind_a_templates_stop_is_part_of_it(trainer, beside, added_tokenizer):
    tokenizer = with_pad(added_tokenizer)
    said = [f"{one.removesuffix('.')}\n\n### END" for one in SAID]

    def rows(end):
        completions = [f"{one}{end}" for one in said]
        texts = [PROMPT + one for one in completions] if beside else None
        return Pairs(IDS, [PROMPT] * len(IDS), completions, texts)

    without = audited(tokenizer, rows(""), trainer=trainer, template=COMMENTS)
    mended = audited(tokenizer, rows("<|im_end|>"), trainer=trainer, template=COMMENTS)
    assert "ends in an end token" in failing(without)
    assert failing(mended) == failing(without) - {"ends in an end token"}
    assert mended.stop_token_ids[-1] == tokenizer.eos_token_id
    assert point(mended, "ends with its stop").says == r"every row ends with the stop '\n\n### END<|im_end|>'"


@pytest.mark.parametrize(
    "stops",
    [["\n### END", "\n### STOP", "\n</reply>"], ["\n### END", "\n### END", "", "", ""], ["\n### END", "\n### STOP"]],
    ids=["three", "two fifths", "halves"],
)
def test_rows_with_several_stops_break_the_contract(stops, added_tokenizer):
    report = audited(added_tokenizer, pairs([f"{said}{stops[number % len(stops)]}" for number, said in enumerate(SAID)]))
    assert not report.holds
    assert failing(report) <= {"one sequence of tokens", "ends with its stop", "the stop carries loss"}


def test_several_stops_are_named_with_their_rows(added_tokenizer):
    stops = ["\n### END", "\n### STOP", "\n</reply>"]
    report = audited(added_tokenizer, pairs([f"{said}{stops[number % 3]}" for number, said in enumerate(SAID)]))
    found = point(report, "one sequence of tokens")
    assert (found.holds, found.count, found.of) == (False, 0, 300)
    named = r"100 in '\n### END' and 100 in '\n### STOP' and 100 in '\n</reply>'"
    assert found.says == f"rows stop in more than one way: of 300 rows {named}, the others in no such mark"


@pytest.mark.parametrize("order", [1, -1])
def test_a_stop_that_only_a_later_part_has_is_seen(order, added_tokenizer):
    parts = [pairs(SAID), pairs([f"{said}\n### END" for said in SAID])][::order]
    assert not audited(added_tokenizer, *parts).holds


def test_a_mark_that_few_rows_end_in_is_no_other_stop():
    few, many = (OtherStops("", NO_MARKS) for _ in range(2))
    few.add(IDS, [f"{said}\n[edited]" if number % 20 == 0 else said for number, said in enumerate(SAID)])
    many.add(IDS, [f"{said}\n[edited]" if number % 8 == 0 else said for number, said in enumerate(SAID)])
    holds = point(audited_nothing(), "one sequence of tokens")
    assert few.judged([holds]) == [holds]
    assert many.judged([holds])[0].holds is False


def audited_nothing():
    """A report in which one sequence of tokens holds."""
    from formats.contract.report import ContractReport, Point, StopSpec

    holds = Point("one sequence of tokens", True, 300, 300, "the stop is the same tokens in every context")
    return ContractReport(300, 0, StopSpec("</s>", 2, (), ""), (2,), 9, (holds,))


def test_rows_without_loss_are_not_called_too_long(bytes_tokenizer):
    tokenizer = deepcopy(bytes_tokenizer)
    tokenizer.chat_template = CHAT
    rows = Chats(IDS, [[{"role": "human", "content": "Why?"}, {"role": "gpt", "content": said}] for said in SAID])
    (found,) = audited(tokenizer, rows, assistant_only=True).points
    assert (found.holds, found.says) == (False, "none of the 300 rows carries loss, so nothing is learned")
    assert found.mend == "name the roles as the chat template does, user and assistant: here they are 'gpt', 'human'"


def test_the_share_that_the_limit_leaves_is_said(bytes_tokenizer):
    prompts = [PROMPT] + ["### Comment:\n" + "warm " * 100 + "\n\n### Response:\n"] * 299
    rows = Pairs(IDS, prompts, [f"{said}\n\n### END" for said in SAID])
    report = audited(bytes_tokenizer, rows, trainer="lorum", template=COMMENTS, max_tokens=90)
    assert report.points[0].says == "1 of 300 rows (0.3%) are trained on; left out: 299 are longer than 90 tokens"
    trl = audited(bytes_tokenizer, rows, template=COMMENTS, max_tokens=90)
    assert trl.points[0].says == report.points[0].says


def test_the_marks_of_a_tokenizer(metaspace_tokenizer):
    marks = marks_of(metaspace_tokenizer)
    assert marks.end == "</s>"
    assert {"<s>", "</s>", "<unk>"} <= set(marks.barred)
    assert common_ending(["Tea <s>", "Jam <s>", "Milk <s>"], marks) == ""


def test_marks_are_remembered_from_part_to_part():
    others = OtherStops("", NO_MARKS)
    for first in range(0, 300, 100):
        others.add(IDS[first : first + 100], [f"{said}\n### END" if first else said for said in SAID[first : first + 100]])
    found = others.judged(audited_nothing().points)[0]
    assert found.says == r"rows stop in more than one way: of 300 rows 200 in '\n### END', the others in no such mark"
    assert found.counterexample.startswith("t1_100: ")


@pytest.mark.parametrize(("trainer", "holds"), [("lorum", True), ("transformers", False)])
def test_a_templates_own_end_token_ends_replies_where_lorum_trains(trainer, holds, bytes_tokenizer):
    """Lorum writes it into the adapter's generation_config; another trainer leaves the base's as it is."""
    tokenizer = with_pad(bytes_tokenizer, additional_special_tokens=["<|over|>"])
    template = replace(COMMENTS, stop="<|over|>")
    rows = Pairs(IDS, [PROMPT] * len(IDS), [f"{said}<|over|>" for said in SAID])
    report = audited(tokenizer, rows, trainer=trainer, template=template)
    assert point(report, "ends in an end token").holds is holds
