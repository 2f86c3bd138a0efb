"""Each reading against the library that it stands for, token by token."""

from copy import deepcopy

import numpy as np
import pytest

from formats.contract import endings
from formats.contract.endings import Ending, added_behind, tails
from formats.contract.reading import NOT_KNOWN
from formats.contract.readings import lorum, transformers, trl
from formats.contract.rows import Chats, Pairs, Texts, parted
from formats.errors import UserError
from formats.templates.template import load_template
from formats.tokens.encoding import NO_LOSS, encode_samples

COMMENTS = load_template("comment-response")
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MARKED = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>"
    "{% endgeneration %}{% else %}{{ m.content }}<|im_end|>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SAID = ["Guilty, with jam.", "Why?", "Milk goes in after, as the statute says. " * 3, "", "🫖 é", "No.<|im_end|>", "The kettle was warm.\n"]
IDS = [f"t1_{number}" for number in range(len(SAID))]
PAIRS = Pairs(IDS, [f"### Comment:\n{said}\n\n### Response:\n" for said in reversed(SAID)], [f"{said}\n\n### END" for said in SAID])
TEXTS = Texts(IDS, [f"### Comment:\nIs it warm?\n\n### Response:\n{said}" for said in SAID])
CHATS = Chats(IDS, [[{"role": "user", "content": "Is it warm?"}, {"role": "assistant", "content": said}] for said in SAID])
ASKED = Chats(IDS, CHATS.messages, [1] * len(SAID))


def with_template(tokenizer, template):
    tokenizer = deepcopy(tokenizer)
    tokenizer.chat_template = template
    return tokenizer


def rows_of(read):
    return [tuple(part.tolist() for part in read.row(number)) for number in range(len(read.rows))]


def prepared_by_trl(tokenizer, columns, folder, **more):
    """What TRL makes of the columns, row by row, before its collator pads."""
    pytest.importorskip("trl")
    from datasets import Dataset
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    )
    settings = SFTConfig(output_dir=str(folder), report_to="none", use_cpu=True, disable_tqdm=True, bf16=False, **more)
    trainer = SFTTrainer(model, args=settings, train_dataset=Dataset.from_dict(columns), processing_class=deepcopy(tokenizer))
    for row in trainer.train_dataset.select(range(min(1, len(trainer.train_dataset)))):
        # Its collator masks pads by their place, not by their id.
        assert trainer.data_collator([row])["labels"][0].tolist() == row["labels"]
    return [(row["input_ids"], row["labels"]) for row in trainer.train_dataset]


def halves(chats):
    return {"prompt": [list(chat[:1]) for chat in chats.messages], "completion": [list(chat[1:]) for chat in chats.messages]}


@pytest.mark.parametrize("max_tokens", [24, 60, 400])
@pytest.mark.parametrize(
    ("rows", "columns", "template", "more"),
    [
        (PAIRS, {"prompt": PAIRS.prompts, "completion": PAIRS.completions}, None, {}),
        (TEXTS, {"text": TEXTS.texts}, None, {}),
        (CHATS, {"messages": CHATS.messages}, CHATML, {}),
        (CHATS, {"messages": CHATS.messages}, MARKED, {"assistant_only": True}),
        (ASKED, halves(ASKED), CHATML, {}),
        (ASKED, halves(ASKED), MARKED, {"assistant_only": True}),
    ],
    ids=["pairs", "texts", "messages", "messages-masked", "chat-pairs", "chat-pairs-masked"],
)
def test_trls_reading_is_what_trl_prepares(rows, columns, template, more, max_tokens, added_tokenizer, tmp_path):
    tokenizer = with_template(added_tokenizer, template)
    theirs = prepared_by_trl(tokenizer, columns, tmp_path, max_length=max_tokens, assistant_only_loss="assistant_only" in more)
    read = trl(tokenizer, max_tokens, "\n\n### END", **more)(rows)
    assert rows_of(read) == theirs
    assert len(read.lengths) == len(SAID)


def test_trls_reading_of_a_tokenizer_that_opens_and_whose_pad_ends(metaspace_tokenizer, bytes_tokenizer, tmp_path):
    columns = {"prompt": PAIRS.prompts, "completion": PAIRS.completions}
    for tokenizer in (metaspace_tokenizer, bytes_tokenizer):
        assert rows_of(trl(tokenizer, 80)(PAIRS)) == prepared_by_trl(tokenizer, columns, tmp_path, max_length=80)


def test_trl_appends_the_end_token_to_a_text_that_stands_beside(added_tokenizer, tmp_path):
    columns = {"prompt": PAIRS.prompts, "completion": PAIRS.completions, "text": TEXTS.texts}
    theirs = prepared_by_trl(added_tokenizer, columns, tmp_path, max_length=400)
    read = trl(added_tokenizer, 400, "\n\n### END")(Pairs(PAIRS.ids, PAIRS.prompts, PAIRS.completions, TEXTS.texts))
    assert rows_of(read) == theirs
    last = [int(read.row(number)[0][-1]) for number in range(len(SAID))]
    assert [token == added_tokenizer.eos_token_id for token in last] == [text.endswith("<|im_end|>") for text in TEXTS.texts]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("max_tokens", [24, 400])
@pytest.mark.parametrize("kind", ["bytes_tokenizer", "added_tokenizer", "metaspace_tokenizer"])
def test_the_stock_reading_is_what_the_stock_collator_gets(kind, max_tokens, side, request):
    from transformers import DataCollatorForLanguageModeling

    tokenizer = deepcopy(request.getfixturevalue(kind))
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    tokenizer.truncation_side = side
    collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
    rows = tokenizer(list(TEXTS.texts), truncation=True, max_length=max_tokens)["input_ids"]
    theirs = []
    for row in rows:
        batch = collator([{"input_ids": row}])
        theirs.append((batch["input_ids"][0].tolist(), batch["labels"][0].tolist()))
    assert rows_of(transformers(tokenizer, max_tokens)(TEXTS)) == theirs


def test_the_stock_reading_of_chats_is_their_rendered_text(bytes_tokenizer):
    tokenizer = with_template(bytes_tokenizer, CHATML)
    read = transformers(tokenizer, 400)(CHATS)
    assert rows_of(read)[1][0] == tokenizer.apply_chat_template(CHATS.messages[1], return_dict=True)["input_ids"]
    start, end = read.stops[1]
    assert read.row(1)[0][start:end].tolist() == [tokenizer.eos_token_id]
    assert tokenizer.decode(read.row(1)[0][end:]) == "\n"


def test_our_reading_is_what_the_samples_are_encoded_to(template, tokenizer):
    prompts = [template.turn.replace("{text}", said).replace("{speaker}", "Speaker_0") + template.reply_opening() for said in SAID]
    completions = [f"{said}{template.stop}" for said in SAID]
    read = lorum(template, tokenizer, 100)(Pairs(IDS, prompts, completions))
    encoded = encode_samples(template, prompts, completions, tokenizer)
    kept = [row for row in encoded if len(row.input_ids) <= 100]
    assert read.lengths.tolist() == [len(row.input_ids) for row in encoded]
    assert rows_of(read) == [(list(row.input_ids), list(row.labels)) for row in kept]
    assert read.replies.tolist() == [row.num_prompt for row in kept]
    assert [(end - start) for start, end in read.stops] == [row.num_stop for row in kept]
    assert not read.cut.any()


def test_our_reading_without_a_row_that_fits(bytes_tokenizer):
    read = lorum(COMMENTS, bytes_tokenizer, 3)(PAIRS)
    assert (len(read.rows), len(read.lengths), read.starts.tolist()) == (0, len(SAID), [0])
    with pytest.raises(UserError, match="lorum trains on prompt and completion"):
        lorum(COMMENTS, bytes_tokenizer, 3)(TEXTS)


def test_a_wrong_packing_would_be_seen(bytes_tokenizer, monkeypatch):
    """Loss at the last token of a sample is loss at the first of the next, which is its prompt."""
    from dataclasses import replace

    from formats.contract import readings
    from formats.tokens.packing import pack

    def wrong(samples):
        packed = pack(samples)
        keep = packed.keep.copy()
        keep[packed.starts[1] - 1] = True
        labels = np.full(int(keep.sum()), 9, np.int32)
        return replace(packed, keep=keep, labels=labels, is_stop=np.zeros(len(labels), bool))

    monkeypatch.setattr(readings, "pack", wrong)
    read = lorum(COMMENTS, bytes_tokenizer, 400)(PAIRS)
    assert read.row(1)[1][0] != NO_LOSS


def test_where_nothing_says_where_the_prompt_ends_it_is_not_known(bytes_tokenizer):
    assert set(trl(bytes_tokenizer, 400)(TEXTS).replies) == {NOT_KNOWN}
    pairs = parted(TEXTS, COMMENTS)
    assert pairs.completions == SAID
    known = trl(bytes_tokenizer, 400)(Texts(IDS, TEXTS.texts, pairs.prompts))
    assert (known.replies > 0).all()


def test_a_text_without_an_opening_is_all_completion():
    assert parted(Texts(["a"], ["Why?"]), COMMENTS) == Pairs(["a"], [""], ["Why?"])


def test_the_tokens_of_an_ending_with_what_merges_into_it(bytes_tokenizer):
    texts = ["Why?\n\n### END", "Overruled, with jam.\n\n### END", "no end"]
    ids = [bytes_tokenizer(text)["input_ids"] for text in texts]
    found = tails(ids, texts, Ending("\n\n### END"), bytes_tokenizer)
    spelled = [bytes_tokenizer.decode(row[len(row) - count :]) for row, (count, _) in zip(ids, found, strict=True)]
    assert spelled[0] == "\n\n### END"
    assert spelled[1].endswith(".\n\n### END")
    assert found[2] == (0, 0)


def test_what_a_tokenizer_puts_behind_a_text_is_part_of_the_stop(metaspace_tokenizer):
    from tokenizers import processors

    tokenizer = deepcopy(metaspace_tokenizer)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    assert added_behind(tokenizer) == [2]
    assert added_behind(metaspace_tokenizer) == []
    read = transformers(tokenizer, 400, "### END")(Texts(["a"], ["Why? ### END"]))
    start, end = read.stops[0]
    assert read.row(0)[0][start:end].tolist()[-1] == 2
    assert end == len(read.row(0)[0])


def test_a_tokenizer_without_an_end_token_is_refused(bytes_tokenizer):
    tokenizer = deepcopy(bytes_tokenizer)
    tokenizer.eos_token = None
    with pytest.raises(UserError, match="has no end token"):
        endings.end_literal(tokenizer)
