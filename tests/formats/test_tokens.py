import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from formats.errors import UserError
from formats.render import pieces, render
from formats.template import BOT, load_template
from formats.tokens import NO_LOSS, decode_reply, encode_prompt, encode_sample, encode_samples, end_token_id, stop_ids

COMMENTS = load_template("comment-response")


def drawn_samples(data, texts, conversations, template, most=2):
    """Rendered samples of drawn chats: the texts, the prompts and the completions."""
    speakers = st.sampled_from(["Speaker_0", "Speaker_3", BOT])
    chat = st.tuples(st.lists(st.tuples(speakers, texts), min_size=1, max_size=3), texts)
    chats = [[*context, (BOT, reply)] for context, reply in data.draw(st.lists(chat, min_size=1, max_size=most))]
    samples = render(conversations(*chats), template)
    return chats, samples["prompt"].to_list(), samples["completion"].to_list()


def specials(ids, tokenizer):
    return [token for token in ids if token in tokenizer.all_special_ids]


def opening(tokenizer):
    return [tokenizer.bos_token_id] if tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id else []


@given(st.data())
def test_no_special_token_arises_but_those_of_the_boundaries_and_the_end(template, tokenizer, texts, conversations, data):
    _, prompts, completions = drawn_samples(data, texts, conversations, template)
    for prompt, completion in zip(prompts, completions, strict=True):
        ids = encode_sample(template, prompt, completion, tokenizer).input_ids
        marks = [piece for is_boundary, piece in pieces(prompt + completion, template) if is_boundary]
        of_boundaries = [token for mark in marks for token in specials(tokenizer(mark, add_special_tokens=False)["input_ids"], tokenizer)]
        assert specials(ids, tokenizer) == [*opening(tokenizer), *of_boundaries, tokenizer.eos_token_id]
        assert ids[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize("name", ["comment-response", "speakers"])
@given(data=st.data())
def test_with_headings_the_only_special_token_is_the_end_at_the_end(name, tokenizer, texts, conversations, data):
    template = load_template(name)
    _, prompts, completions = drawn_samples(data, texts, conversations, template)
    for encoded in encode_samples(template, prompts, completions, tokenizer):
        assert specials(encoded.input_ids[len(opening(tokenizer)) :], tokenizer) == [tokenizer.eos_token_id]


@given(st.data())
def test_content_holds_no_added_token_at_all(added_tokenizer, texts, conversations, data):
    _, prompts, completions = drawn_samples(data, texts, conversations, COMMENTS)
    for encoded in encode_samples(COMMENTS, prompts, completions, added_tokenizer):
        assert set(encoded.input_ids) & set(added_tokenizer.added_tokens_decoder) == {added_tokenizer.eos_token_id}


@given(st.data())
def test_the_stop_is_the_same_tokens_in_every_context_and_labels_are_reply_and_stop(template, tokenizer, texts, conversations, data):
    _, prompts, completions = drawn_samples(data, texts, conversations, template)
    stop = stop_ids(template, tokenizer)
    for prompt, completion in zip(prompts, completions, strict=True):
        encoded = encode_sample(template, prompt, completion, tokenizer)
        head = encode_prompt(template, prompt, tokenizer)
        assert encoded.input_ids[: encoded.num_prompt] == head
        assert encoded.stop_ids == stop
        assert encoded.labels == [NO_LOSS] * len(head) + encoded.input_ids[len(head) :]
        assert NO_LOSS not in encoded.input_ids
        assert len(encoded.labels) == len(encoded.input_ids)


@given(st.data())
def test_a_batch_is_its_samples_one_by_one(template, tokenizer, texts, conversations, data):
    _, prompts, completions = drawn_samples(data, texts, conversations, template, most=4)
    alone = [encode_sample(template, prompt, completion, tokenizer) for prompt, completion in zip(prompts, completions, strict=True)]
    assert encode_samples(template, prompts, completions, tokenizer) == alone


@pytest.mark.parametrize("kind", ["bytes_tokenizer", "added_tokenizer"])
@given(data=st.data())
def test_a_reply_decodes_to_its_text_whatever_it_holds(kind, template, texts, strip, conversations, request, data):
    tokenizer = request.getfixturevalue(kind)
    chats, prompts, completions = drawn_samples(data, texts, conversations, template)
    for chat, encoded in zip(chats, encode_samples(template, prompts, completions, tokenizer), strict=True):
        assert decode_reply(template, encoded.input_ids[encoded.num_prompt :], tokenizer) == strip(chat[-1][1]).strip()


def test_the_tokenizer_of_this_test_does_cut_the_stop_differently_in_a_whole_text(bytes_tokenizer):
    """The danger that encoding in pieces averts: without it the tests above would hold of any encoder."""
    stop = bytes_tokenizer(COMMENTS.stop)["input_ids"]
    assert bytes_tokenizer("Overruled, with jam." + COMMENTS.stop)["input_ids"][-len(stop) :] != stop
    assert encode_sample(COMMENTS, "### Response:\n", "Overruled, with jam." + COMMENTS.stop, bytes_tokenizer).stop_ids[:-1] == stop


def test_encoding_leaves_the_tokenizer_reading_special_tokens_as_before(bytes_tokenizer):
    encode_sample(COMMENTS, "### Comment:\n<|im_end|>\n\n### Response:\n", "<|im_end|>\n\n### END", bytes_tokenizer)
    assert bytes_tokenizer("<|im_end|>")["input_ids"] == [bytes_tokenizer.eos_token_id]


def test_an_opening_token_stands_once_at_the_beginning(metaspace_tokenizer):
    ids = encode_sample(COMMENTS, "### Comment:\nHa.\n\n### Response:\n", "No.\n\n### END", metaspace_tokenizer).input_ids
    assert [at for at, token in enumerate(ids) if token == metaspace_tokenizer.bos_token_id] == [0]


def test_a_special_token_that_the_normalizer_would_write_does_not_arise(metaspace_tokenizer):
    forged = "Case ＜/s＞ closed."
    assert metaspace_tokenizer.eos_token_id in metaspace_tokenizer(forged, split_special_tokens=True)["input_ids"]
    ids = encode_sample(COMMENTS, "### Response:\n", forged + COMMENTS.stop, metaspace_tokenizer).input_ids
    assert specials(ids, metaspace_tokenizer) == [metaspace_tokenizer.bos_token_id, metaspace_tokenizer.eos_token_id]


def test_thousands_of_forged_ends_in_one_comment_are_ordinary_tokens(metaspace_tokenizer):
    completion = "<\\/s>" * 500 + "＜/s＞" * 500 + "<s>" * 3000
    ids = encode_sample(COMMENTS, "### Response:\n", completion + COMMENTS.stop, metaspace_tokenizer).input_ids
    assert specials(ids, metaspace_tokenizer) == [metaspace_tokenizer.bos_token_id, metaspace_tokenizer.eos_token_id]


def test_an_unknown_character_does_not_shred_the_words_around_it():
    vocabulary = {"<unk>": 0, "<end>": 1, "a": 2, "warm": 3, "kettle": 4, "#": 5, "Response": 6, ":": 7, "END": 8, "###": 9}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", eos_token="<end>")
    encoded = encode_sample(COMMENTS, "### Response:\n", "a warm 🫖 kettle\n\n### END", tokenizer)
    assert encoded.input_ids[encoded.num_prompt :] == [2, 3, 0, 4, 9, 8, 1]


def test_a_completion_without_stop_ends_in_the_end_token_alone(bytes_tokenizer):
    encoded = encode_sample(COMMENTS, "### Response:\n", "Cut off in the mid", bytes_tokenizer)
    assert encoded.stop_ids == [bytes_tokenizer.eos_token_id]
    assert encoded.labels[-1] == bytes_tokenizer.eos_token_id


def test_no_samples_are_no_rows(bytes_tokenizer):
    assert encode_samples(COMMENTS, [], [], bytes_tokenizer) == []


def test_prompts_without_their_completions_are_refused(bytes_tokenizer):
    with pytest.raises(ValueError, match="argument 2"):
        encode_samples(COMMENTS, ["### Response:\n"], [], bytes_tokenizer)


def test_a_tokenizer_without_end_token_is_refused_in_one_line():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, unk_token="a")))
    with pytest.raises(UserError, match=r"has no end token \(eos_token\), so no reply could stop; use another base$"):
        end_token_id(tokenizer)


@pytest.mark.parametrize(
    ("generated", "reply"),
    [
        (" Guilty.\n\n### END<|im_end|>", "Guilty."),
        ("Guilty.<|im_end|>\n\n### END and on and on", "Guilty."),
        ("Guilty.\n\n### END\n\n### Comment:\nAnd you?", "Guilty."),
        ("Guilty, and it goes on", "Guilty, and it goes on"),
        ("Write #\\## END, clerk.\n\n### END<|im_end|>", "Write ### END, clerk."),
        ("\n\n### END<|im_end|>", ""),
        ("<|im_end|>", ""),
        ("", ""),
    ],
)
def test_a_generated_reply_ends_at_the_first_end_or_stop(generated, reply, bytes_tokenizer):
    assert decode_reply(COMMENTS, bytes_tokenizer(generated)["input_ids"], bytes_tokenizer) == reply
