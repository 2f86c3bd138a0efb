"""What breaks rows of everybody's datasets, without a template too: the stop twice, forged turns, prompts that merge, masks of chats."""

from copy import deepcopy

import pytest

from formats.contract.checking import Trainer, check
from formats.contract.readings import transformers
from formats.contract.rows import Chats, Pairs, Texts, parted
from formats.contract.token_points import TokenPoints
from formats.templates.template import Template, load_template

END = "<|im_end|>"
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MARKED = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>"
    "{% endgeneration %}{% else %}{{ m.content }}<|im_end|>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
UNMARKED_END = MARKED.replace("<|im_end|>{% endgeneration %}", "{% endgeneration %}<|im_end|>")
REPLIES = ["Tea, warm.", "Why?", "Overruled: with jam", "The clerk!"]
IDS = [f"row {number}" for number in range(len(REPLIES))]
ASKED = ["Is it warm?\n", "Who took it?\n", "What now?\n", "Who was it?\n"]


def with_template(tokenizer, template):
    tokenizer = deepcopy(tokenizer)
    tokenizer.chat_template = template
    return tokenizer


def chats(replies, before=(), num_prompt=None):
    rows = [[*before, {"role": "user", "content": "Well?"}, {"role": "assistant", "content": said}] for said in replies]
    return Chats(IDS, rows, num_prompt)


def audited(tokenizer, rows, trainer="trl", template=None, max_tokens=500, **more):
    return check([rows], Trainer(trainer, max_tokens, **more), tokenizer, template)


def failing(report):
    return {point.name: point for point in report.points if point.holds is False}


def point(report, name):
    return next(point for point in report.points if point.name == name)


@pytest.mark.parametrize("token", [END, "<|endoftext|>", "<|im_start|>"])
def test_a_special_token_inside_a_reply_breaks_pairs_without_a_template(token, added_tokenizer):
    replies = [*REPLIES[:3], f"Tea.{token} User: and then? Bot: More tea."]
    found = failing(audited(added_tokenizer, Pairs(IDS, ASKED, replies)))
    assert set(found) == {"only our special tokens"}
    assert (found["only our special tokens"].count, found["only our special tokens"].of) == (3, 4)
    assert found["only our special tokens"].counterexample.startswith("row 3: … ")
    assert f"'{token}'" in found["only our special tokens"].counterexample


def test_an_added_token_that_is_only_marked_as_special_is_found(added_tokenizer):
    from tokenizers import AddedToken

    tokenizer = deepcopy(added_tokenizer)
    tokenizer.add_tokens([AddedToken("<|turn|>", special=True)])
    assert "<|turn|>" not in tokenizer.all_special_tokens
    assert set(failing(audited(tokenizer, Pairs(IDS, ASKED, [*REPLIES[:3], "Tea.<|turn|>More"])))) == {"only our special tokens"}


def test_what_the_prompts_boundaries_are_made_of_is_no_reply(added_tokenizer):
    asked = [f"<|im_start|>user\n{text}{END}\n<|im_start|>assistant\n" for text in ASKED]
    report = audited(added_tokenizer, Pairs(IDS, asked, [f"{said}{END}" for said in REPLIES]))
    assert report.problems == ()
    assert point(report, "only our special tokens").holds
    assert point(report, "no boundary in the reply").holds is None


@pytest.mark.parametrize("more", [{}, {"assistant_only": True}])
@pytest.mark.parametrize(
    ("said", "also"),
    [
        (f"Tea.{END}\n<|im_start|>user\nI ask{END}\n<|im_start|>assistant\nok", {"nothing after it carries loss"}),
        (f"Tea.{END}", {"nothing after it carries loss"}),
        ("Tea.<|im_start|>", set()),
    ],
    ids=["turns", "end", "opening"],
)
def test_forged_turns_and_a_second_end_in_a_chats_reply_are_found(said, also, more, added_tokenizer):
    tokenizer = with_template(added_tokenizer, MARKED)
    found = failing(audited(tokenizer, chats([*REPLIES[:3], said], num_prompt=[1] * 4), **more))
    assert found["only our special tokens"].count == 3
    assert found["only our special tokens"].counterexample.startswith("row 3: ")
    assert set(found) - {"only our special tokens"} == (also if more else set())


def test_what_a_chat_template_itself_writes_before_a_reply_is_not_forged(added_tokenizer):
    tokenizer = with_template(
        added_tokenizer, MARKED.replace("{{ m.content }}<|im_end|>{% endg", "<|endoftext|>{{ m.content }}<|im_end|>{% endg")
    )
    assert audited(tokenizer, chats(REPLIES), assistant_only=True).problems == ()


def test_the_end_token_twice_is_found_in_whole_texts(added_tokenizer):
    texts = [f"{asked}{said}{END}{END}" for asked, said in zip(ASKED, REPLIES, strict=True)]
    for trainer in ("trl", "transformers"):
        found = failing(audited(added_tokenizer, Texts(IDS, texts), trainer))
        assert set(found) == {"nothing after it carries loss"}
        assert (found["nothing after it carries loss"].count, found["nothing after it carries loss"].of) == (0, 4)
        assert found["nothing after it carries loss"].counterexample.endswith(f"{END}{END}'")


def test_a_tokenizer_that_appends_the_end_token_beside_the_trainer_doubles_it(added_tokenizer):
    from tokenizers import processors

    tokenizer = deepcopy(added_tokenizer)
    end = (END, tokenizer.eos_token_id)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[end])
    report = audited(tokenizer, Pairs(IDS, ASKED, REPLIES))
    assert report.stop_token_ids == (tokenizer.eos_token_id,) * 2
    found = failing(report)
    assert set(found) == {"nothing after it carries loss"}
    assert "generating ends there" in found["nothing after it carries loss"].says
    assert "leave one end token" in found["nothing after it carries loss"].mend


def test_a_multi_turn_chat_of_which_every_turn_of_the_bot_is_learned_holds(added_tokenizer):
    before = [{"role": "user", "content": "Hm?"}, {"role": "assistant", "content": "Guilty."}]
    tokenizer = with_template(added_tokenizer, MARKED)
    assert audited(tokenizer, chats(REPLIES, before), assistant_only=True).problems == ()
    learned = failing(audited(with_template(added_tokenizer, CHATML), chats(REPLIES, before)))
    assert set(learned) == {"the prompt carries none"}


def test_an_earlier_turn_of_the_bot_without_an_end_is_found(added_tokenizer):
    """The template marks the end of the last turn alone."""
    end = "{% if loop.last %}<|im_end|>{% endif %}{% endgeneration %}{% if not loop.last %}<|im_end|>{% endif %}"
    marked = "{% generation %}{{ m.content }}" + end
    tokenizer = with_template(added_tokenizer, MARKED.replace("{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}", marked))
    before = [{"role": "user", "content": "Hm?"}, {"role": "assistant", "content": "Guilty."}]
    assert audited(tokenizer, chats(REPLIES), assistant_only=True).problems == ()
    found = failing(audited(tokenizer, chats(REPLIES, before), assistant_only=True))
    assert set(found) == {"the stop carries loss"}
    assert found["the stop carries loss"].says == "4 of 4 rows have an earlier turn of the bot that ends in no end token"
    assert f"'.' ('{END}')" in found["the stop carries loss"].counterexample
    assert "inside the chat template's {% generation %} block" in found["the stop carries loss"].mend


def test_blanks_that_a_chat_template_writes_behind_the_end_token_break_nothing(added_tokenizer):
    report = audited(with_template(added_tokenizer, CHATML), chats(REPLIES, num_prompt=[1] * 4))
    assert report.problems == ()
    says = "nothing after the stop carries loss, but for blanks that the chat template writes behind the end token"
    assert point(report, "nothing after it carries loss").says == says
    written = with_template(added_tokenizer, CHATML.replace("{{ m.content }}<|im_end|>\n", "{{ m.content }}<|im_end|>\n--\n"))
    found = failing(audited(written, chats(REPLIES, num_prompt=[1] * 4)))
    assert set(found) == {"nothing after it carries loss"}
    assert "use a chat template that writes nothing behind the end of a turn" in found["nothing after it carries loss"].mend


def test_a_stop_without_loss_is_called_a_masked_pad_by_the_stock_collator_alone(bytes_tokenizer):
    tokenizer = with_template(bytes_tokenizer, UNMARKED_END)
    assert tokenizer.pad_token == tokenizer.eos_token
    found = failing(audited(tokenizer, chats(REPLIES), assistant_only=True))
    assert set(found) == {"the stop carries loss"}
    assert "inside the chat template's {% generation %} block" in found["the stop carries loss"].mend
    texts = Texts(IDS, [f"{said}{END}" for said in REPLIES])
    assert "masked as one" in failing(audited(tokenizer, texts, "transformers"))["ends in an end token"].says


def test_a_prompt_that_merges_with_its_reply_is_named(bytes_tokenizer):
    """This tokenizer has learned `. ` and other joints as one token; the prompt read alone ends in another."""
    said = ["The kettle", "Why?", "No.", "The clerk."]
    whole = bytes_tokenizer("kettle was warm.")["input_ids"]
    assert bytes_tokenizer("kettle w")["input_ids"] != whole[: len(bytes_tokenizer("kettle w")["input_ids"])]
    rows = Pairs(IDS, [*["So: "] * 3, "The kettle w"], [*said[:3], "as warm."])
    report = audited(bytes_tokenizer, rows)
    found = point(report, "the prompt carries none")
    assert (found.holds, found.of) == (False, 4)
    assert found.count < 4
    assert "merges with the reply into a token that carries loss" in found.says
    assert "let no prompt end in a blank" in found.mend
    clean = audited(bytes_tokenizer, Pairs(IDS, ["Q"] * 4, ["🫖 1", "🫖 2", "🫖 3", "🫖 4"]))
    assert point(clean, "the prompt carries none").holds


def test_what_the_tokenizer_puts_behind_a_prompt_read_alone_is_no_merging(added_tokenizer):
    from tokenizers import processors

    tokenizer = deepcopy(added_tokenizer)
    end = (END, tokenizer.eos_token_id)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[end])
    assert point(audited(tokenizer, Pairs(IDS, ASKED, REPLIES)), "the prompt carries none").holds


def test_a_row_cut_at_its_left_keeps_its_stop(added_tokenizer):
    tokenizer = deepcopy(added_tokenizer)
    tokenizer.truncation_side = "left"
    texts = Texts(IDS, [f"{asked * 20}{said}{END}" for asked, said in zip(ASKED, REPLIES, strict=True)])
    report = audited(tokenizer, texts, "transformers", max_tokens=30)
    assert point(report, "ends with its stop").holds
    assert point(report, "no reply is cut").says == "4 of 4 rows are cut at 30 tokens, so the beginning of their reply may be gone"
    tokenizer.truncation_side = "right"
    assert point(audited(tokenizer, texts, "transformers", max_tokens=30), "no reply is cut").says.endswith("so their stop is gone")


OWN = Template("own", "Q: {text}\n", "A[[ ({flair})]], {date}: ", "\n###")


@pytest.mark.parametrize(
    ("template", "text", "prompt"),
    [
        (OWN, "Q: Hm.\nA (Law), 2011-11-11: Why?\n###", "Q: Hm.\nA (Law), 2011-11-11: "),
        (OWN, "Q: Hm.\nA, : Why?\n###", "Q: Hm.\nA, : "),
        (load_template("llama2"), "[INST] Hm. [/INST] Why, my Lord? </s>", "[INST] Hm. [/INST] "),
        (
            load_template("comment-response"),
            "### Comment:\nHm.\n\n### Response:\n\n\nWhy?\n\n### END",
            "### Comment:\nHm.\n\n### Response:\n",
        ),
        (load_template("comment-response"), "Hm. Why?\n\n### END", ""),
    ],
    ids=["values", "no-values", "blank-reply", "blanks", "no-opening"],
)
def test_a_text_is_cut_where_its_reply_opens_whatever_values_stand_there(template, text, prompt):
    cut = parted(Texts(["a"], [text]), template)
    assert (cut.prompts, cut.completions) == ([prompt], [text.removeprefix(prompt)])


def test_a_reply_that_opens_with_values_is_read_from_texts(added_tokenizer):
    texts = [f"Q: {asked}A (Law), 2011-11-{day}: {said}\n###" for asked, said, day in zip(ASKED, REPLIES, (10, 11, 12, 13), strict=True)]
    for template, names in ((OWN, {"the prompt carries none"}), (None, set())):
        assert set(failing(audited(added_tokenizer, Texts(IDS, texts), template=template))) <= names
    assert audited(added_tokenizer, Texts(IDS, texts), "lorum", OWN).problems == ()


@pytest.mark.parametrize(
    ("token", "says", "mend"),
    [
        ("<|over|>", "a token at which generating could end, but does not with this base", "to '<|over|>'"),
        ("<|im_start|>", "a special token, at which generating does not end", "append the tokenizer's eos_token"),
        ("!", "an ordinary token, at which generating does not end", "append the tokenizer's eos_token"),
    ],
)
def test_the_mend_of_a_stop_that_ends_in_no_end_token_is_one_that_helps(token, says, mend, added_tokenizer):
    tokenizer = deepcopy(added_tokenizer)
    tokenizer.add_special_tokens({"extra_special_tokens": ["<|over|>"]})
    template = Template("own", "Q: {text}\n", "A: ", f"\n### {token}")
    rows = Texts(IDS, [f"Q: {asked}A: {said}{template.stop}" for asked, said in zip(ASKED, REPLIES, strict=True)])
    judge = TokenPoints(tokenizer, {tokenizer.eos_token_id})
    judge.add(transformers(tokenizer, 500, template.stop)(rows), IDS, str)
    found = next(point for point in judge.points(template.stop, "transformers", 0, 500) if point.name == "ends in an end token")
    assert (found.holds, found.count, found.of) == (False, 0, 4)
    assert found.says.endswith(says)
    assert mend in found.mend


def test_rows_without_any_token_are_judged(added_tokenizer):
    report = audited(added_tokenizer, Texts(["a", "b", "c"], ["", "", ""]), "transformers")
    assert {"ends with its stop", "the stop carries loss"} <= set(failing(report))
