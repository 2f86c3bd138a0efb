import string

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from formats.errors import UserError
from formats.rendering.parsing import pieces
from formats.rendering.render import render
from formats.templates.template import BOT, Template, built_in, load_template
from formats.tokens.encoding import (
    NO_LOSS,
    SampleEncoder,
    decode_reply,
    encode_prompt,
    encode_sample,
    encode_samples,
    end_ids,
    end_token_id,
    stop_ids,
)

COMMENTS = load_template("comment-response")
SPACED = Template(name="spaced", turn="USER: {text}\n", reply="ASSISTANT: ", stop="</s>")
"""Its boundaries end in a blank, as Vicuna's do, and its stop is the end token of Llama's family."""


def fallback(**more) -> PreTrainedTokenizerFast:
    """Of Llama's kind: BPE that falls back to bytes, with a normalizer that puts a blank before every text."""
    merges = [
        ("#", "#"), ("##", "#"), ("▁", "###"), ("E", "N"), ("EN", "D"), ("▁", "END"), ("▁", "k"), ("e", "t"), ("▁k", "et"), ("t", "l"),
        ("▁ket", "tl"), ("▁kettl", "e"), ("▁", "t"), ("h", "e"), ("▁t", "he"), ("▁", "▁"),
    ]  # fmt: skip
    written = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    characters = sorted(set(string.printable) - set(string.whitespace))
    vocabulary = {
        piece: number for number, piece in enumerate(dict.fromkeys([*written, *characters, *("".join(merge) for merge in merges)]))
    }
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **{**special, **more})


def wordpiece() -> PreTrainedTokenizerFast:
    """Of BERT's kind: it lowers letters and loses white space, so that no text comes back, but tokens must be as sure."""
    characters = sorted(set(string.ascii_lowercase + string.digits + string.punctuation))
    written = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *characters, *(f"##{character}" for character in characters), "kettle", "end", "sep"]
    vocabulary = {piece: number for number, piece in enumerate(written)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="[CLS]", eos_token="[SEP]", unk_token="[UNK]", pad_token="[PAD]")


@pytest.fixture(scope="session")
def fallback_tokenizer():
    return fallback()


@pytest.fixture(scope="session")
def wordpiece_tokenizer():
    return wordpiece()


@pytest.fixture(scope="session", params=["bytes", "fallback", "metaspace", "wordpiece", "added"])
def tokenizer(request):
    """A tokenizer of each family, and one with added tokens that stand in texts."""
    return request.getfixturevalue(f"{request.param}_tokenizer")


@pytest.fixture(scope="session", params=[*built_in(), "chatml-speakers", "spaced"])
def template(request):
    own = {"chatml-speakers": "chatml", "spaced": None}
    if request.param == "spaced":
        return SPACED
    return request.getfixturevalue(own[request.param]) if request.param in own else load_template(request.param)


def drawn_samples(data, texts, conversations, template, most=2):
    """Rendered samples of drawn chats: the texts, the prompts and the completions."""
    speakers = st.sampled_from(["Speaker_0", "Speaker_3", BOT])
    chat = st.tuples(st.lists(st.tuples(speakers, texts), min_size=1, max_size=3), texts)
    chats = [[*context, (BOT, reply)] for context, reply in data.draw(st.lists(chat, min_size=1, max_size=most))]
    samples = render(conversations(*chats), template)
    return chats, samples["prompt"].to_list(), samples["completion"].to_list()


def specials(ids, tokenizer):
    """The special tokens among these, but the one that WordPiece says unknown words with."""
    special = set(tokenizer.all_special_ids) - {tokenizer.convert_tokens_to_ids("[UNK]") if tokenizer.unk_token == "[UNK]" else None}
    return [token for token in ids if token in special]


def opening(tokenizer):
    return [tokenizer.bos_token_id] if tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id else []


@settings(max_examples=5)
@given(data=st.data())
def test_the_laws_of_tokens(template, tokenizer, texts, conversations, data):
    _, prompts, completions = drawn_samples(data, texts, conversations, template)
    stop = stop_ids(template, tokenizer)
    batch = encode_samples(template, prompts, completions, tokenizer)
    for prompt, completion, encoded in zip(prompts, completions, batch, strict=True):
        ids = encoded.input_ids.tolist()
        marks = [piece for is_boundary, piece in pieces(prompt, template) if is_boundary]
        of_boundaries = [token for mark in marks for token in specials(tokenizer(mark, add_special_tokens=False)["input_ids"], tokenizer)]
        begun = [] if of_boundaries[:1] == opening(tokenizer) and ids[:1] == opening(tokenizer) else opening(tokenizer)
        # The only special tokens are those of boundaries and stop, in their places, and the end stands once.
        assert specials(ids, tokenizer) == [*begun, *of_boundaries, *specials(stop, tokenizer)]
        assert ids[-1] == end_token_id(template, tokenizer)
        assert stop.count(ids[-1]) == 1
        # The stop is the same tokens in every context, and labels are reply and stop.
        assert encoded.stop_ids == stop == ids[len(ids) - encoded.num_stop :]
        head = encode_prompt(template, prompt, tokenizer)
        assert ids[: encoded.num_prompt] == head
        assert encoded.labels.tolist() == [NO_LOSS] * len(head) + ids[len(head) :]
        assert NO_LOSS not in ids
        # Its neighbours in a batch change nothing.
        alone = encode_sample(template, prompt, completion, tokenizer)
        assert (alone.input_ids.tolist(), alone.num_prompt, alone.num_stop) == (ids, encoded.num_prompt, encoded.num_stop)


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
        assert set(encoded.input_ids.tolist()) & set(added_tokenizer.added_tokens_decoder) == {added_tokenizer.eos_token_id}


@pytest.mark.parametrize("kind", ["bytes_tokenizer", "added_tokenizer", "fallback_tokenizer"])
@settings(max_examples=6)
@given(data=st.data())
def test_a_reply_decodes_to_its_text_whatever_it_holds(kind, template, texts, strip, conversations, request, data):
    tokenizer = request.getfixturevalue(kind)
    chats, prompts, completions = drawn_samples(data, texts, conversations, template)
    assume(kind != "fallback_tokenizer" or "▁" not in "".join(completions))  # SentencePiece writes blanks with it
    for chat, encoded in zip(chats, encode_samples(template, prompts, completions, tokenizer), strict=True):
        ids = encoded.input_ids[encoded.num_prompt :].tolist()
        assert decode_reply(template, ids, tokenizer) == strip(chat[-1][1]).strip()


@pytest.mark.parametrize("kind", ["bytes_tokenizer", "fallback_tokenizer"])
@pytest.mark.parametrize("name", ["comment-response", "speakers"])
@settings(max_examples=6)
@given(data=st.data())
def test_all_tokens_of_a_sample_decode_to_its_text(kind, name, texts, conversations, request, data):
    """No blank is put at the joints of pieces."""
    template, tokenizer = load_template(name), request.getfixturevalue(kind)
    _, prompts, completions = drawn_samples(data, texts, conversations, template)
    assume("▁" not in "".join([*prompts, *completions]))
    for prompt, completion, encoded in zip(prompts, completions, encode_samples(template, prompts, completions, tokenizer), strict=True):
        ids = encoded.input_ids[len(opening(tokenizer)) : -1].tolist()
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == prompt + completion


@pytest.mark.parametrize("kind", ["fallback_tokenizer", "metaspace_tokenizer"])
@pytest.mark.parametrize("template", [COMMENTS, SPACED], ids=["line breaks", "blanks"])
def test_pieces_are_read_as_in_the_middle_of_a_text(kind, template, request):
    """SentencePiece's blank before a text stands once, at the beginning, and a blank before a word is a part of the word's token."""
    tokenizer = request.getfixturevalue(kind)
    turn = template.turn.replace("{text}", "kettle the kettle")
    prompt, completion = turn + turn + template.reply_opening(), "the kettle" + template.stop
    whole = tokenizer(prompt + completion)["input_ids"]
    encoded = encode_sample(template, prompt, completion, tokenizer)
    assert encoded.input_ids.tolist()[: len(whole)] == whole
    assert len(encoded.input_ids) - len(whole) == (template is COMMENTS)  # the end token, which SPACED spells


@pytest.mark.parametrize("kind", ["fallback_tokenizer", "metaspace_tokenizer"])
def test_a_content_that_begins_a_sample_is_read_as_its_beginning(kind, request):
    tokenizer = request.getfixturevalue(kind)
    text = "kettle the kettle\n\n### Comment:\nkettle\n\n### Response:\n"
    assert encode_prompt(COMMENTS, text, tokenizer) == tokenizer(text)["input_ids"]


def test_the_blank_before_a_reply_is_the_replys(fallback_tokenizer):
    encoded = encode_sample(SPACED, "USER: the kettle\nASSISTANT: ", "kettle</s>", fallback_tokenizer)
    assert fallback_tokenizer.convert_ids_to_tokens(encoded.input_ids[encoded.num_prompt :].tolist()) == ["▁kettle", "</s>"]
    assert fallback_tokenizer.convert_ids_to_tokens(encode_prompt(SPACED, "USER: the kettle\nASSISTANT: ", fallback_tokenizer))[-1] == ":"


def test_an_empty_reply_keeps_the_blank_before_it(fallback_tokenizer):
    encoded = encode_sample(SPACED, "USER: the kettle\nASSISTANT: ", "</s>", fallback_tokenizer)
    assert fallback_tokenizer.convert_ids_to_tokens(encoded.input_ids[encoded.num_prompt :].tolist()) == ["▁", "</s>"]


def test_the_end_of_turn_is_the_end_token_and_is_not_doubled(chatml, bytes_tokenizer):
    assert stop_ids(chatml, bytes_tokenizer) == [bytes_tokenizer.eos_token_id]
    assert stop_ids(SPACED, bytes_tokenizer)[:-1] == bytes_tokenizer("</s>")["input_ids"]
    assert stop_ids(SPACED, bytes_tokenizer)[-1] == bytes_tokenizer.eos_token_id


def test_an_end_of_turn_that_is_not_the_tokenizers_end_ends_samples_and_answers(fallback_tokenizer):
    tokenizer = fallback()
    tokenizer.add_tokens([AddedToken("<end_of_turn>", special=True)])
    turns = Template(name="turns", turn="<user>\n{text}\n", reply="<bot>\n", stop="<end_of_turn>")
    end = tokenizer.convert_tokens_to_ids("<end_of_turn>")
    assert end_token_id(turns, tokenizer) == end != tokenizer.eos_token_id
    assert end_ids(turns, tokenizer) == [end, tokenizer.eos_token_id]
    assert encode_sample(turns, "<user>\nthe kettle\n<bot>\n", "kettle<end_of_turn>", tokenizer).stop_ids == [end]
    for token in end_ids(turns, tokenizer):
        assert decode_reply(turns, [*tokenizer("kettle", add_special_tokens=False)["input_ids"], token, 70, 71], tokenizer) == "kettle"
    # To a tokenizer that does not know it, the stop is text like any other.
    assert end_ids(turns, fallback_tokenizer) == [fallback_tokenizer.eos_token_id]
    assert len(stop_ids(turns, fallback_tokenizer)) > 2


def test_an_end_of_turn_needs_no_other_end_token():
    tokenizer = fallback(eos_token=None)
    tokenizer.add_tokens([AddedToken("<end_of_turn>", special=True)])
    turns = Template(name="turns", turn="<user>\n{text}\n", reply="<bot>\n", stop="<end_of_turn>")
    assert end_ids(turns, tokenizer) == [tokenizer.convert_tokens_to_ids("<end_of_turn>")]


def test_a_stop_that_ends_in_an_unknown_word_has_the_tokenizers_end(wordpiece_tokenizer):
    odd = Template(name="odd", turn="### Comment:\n{text}\n\n", reply="### Response:\n", stop="\n\n### \N{TEAPOT}")
    assert stop_ids(odd, wordpiece_tokenizer)[-2:] == [wordpiece_tokenizer.unk_token_id, wordpiece_tokenizer.eos_token_id]


def test_the_tokenizer_of_this_test_does_cut_the_stop_differently_in_a_whole_text(bytes_tokenizer):
    """The danger that encoding in pieces averts: without it the tests above would hold of any encoder."""
    stop = bytes_tokenizer(COMMENTS.stop)["input_ids"]
    assert bytes_tokenizer("Overruled, with jam." + COMMENTS.stop)["input_ids"][-len(stop) :] != stop
    assert encode_sample(COMMENTS, "### Response:\n", "Overruled, with jam." + COMMENTS.stop, bytes_tokenizer).stop_ids[:-1] == stop


def test_encoding_leaves_the_tokenizer_as_it_was(tokenizer):
    texts = ["<|im_end|>", "</s>", "[SEP]", " kettle", "kettle", "   the good mug"]
    before = [tokenizer(text)["input_ids"] for text in texts]
    encode_sample(COMMENTS, "### Comment:\n<|im_end|>\n\n### Response:\n", "<|im_end|>\n\n### END", tokenizer)
    assert [tokenizer(text)["input_ids"] for text in texts] == before


def test_an_opening_token_stands_once_at_the_beginning(metaspace_tokenizer):
    for prompt in ("### Comment:\nHa.\n\n### Response:\n", "<s>### Comment:\nHa.\n\n### Response:\n"):
        template = Template(
            name="opened", begin="<s>" * prompt.startswith("<s>"), turn=COMMENTS.turn, reply=COMMENTS.reply, stop=COMMENTS.stop
        )
        ids = encode_sample(template, prompt, "No.\n\n### END", metaspace_tokenizer).input_ids.tolist()
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
    assert encoded.input_ids[encoded.num_prompt :].tolist() == [2, 3, 0, 4, 9, 8, 1]


def test_blanks_that_a_vocabulary_lists_as_added_are_ordinary_text():
    """Gemma's runs of line breaks are added tokens that its merges make as well: paragraphs are to look as in its own training."""
    vocabulary = {"<eos>": 0, "\n": 1, "\n\n": 2, "a": 3, "b": 4, "#": 5}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE(vocabulary, [("\n", "\n")])), eos_token="<eos>")
    tokenizer.add_tokens([AddedToken("\n\n", special=False)])
    encoded = encode_sample(COMMENTS, "", "a\n\nb", tokenizer)
    assert encoded.input_ids.tolist() == [3, 2, 4, 0]


def test_what_is_remembered_of_one_batch_is_the_same_in_the_next(fallback_tokenizer):
    encoder = SampleEncoder(COMMENTS, fallback_tokenizer)
    prompt = "### Comment:\nthe kettle\n\n### Response:\n"
    first, second = (encoder.encode([prompt], ["kettle\n\n### END"])[0] for _ in range(2))
    assert first.input_ids.tolist() == second.input_ids.tolist()
    assert encoder.prompt(prompt) == first.input_ids[: first.num_prompt].tolist()


def test_a_completion_without_stop_ends_in_the_end_token_alone(bytes_tokenizer):
    encoded = encode_sample(COMMENTS, "### Response:\n", "Cut off in the mid", bytes_tokenizer)
    assert encoded.stop_ids == [bytes_tokenizer.eos_token_id]
    assert encoded.labels[-1] == bytes_tokenizer.eos_token_id


def test_no_samples_are_no_rows(bytes_tokenizer):
    assert encode_samples(COMMENTS, [], [], bytes_tokenizer) == []


def test_a_sample_of_nothing_is_opening_and_end(metaspace_tokenizer, bytes_tokenizer):
    assert encode_sample(COMMENTS, "", "", metaspace_tokenizer).input_ids.tolist() == [1, 2]
    assert encode_prompt(COMMENTS, "", metaspace_tokenizer) == [1]
    assert encode_prompt(COMMENTS, "", bytes_tokenizer) == []


def test_prompts_without_their_completions_are_refused(bytes_tokenizer):
    with pytest.raises(ValueError, match="argument 2"):
        encode_samples(COMMENTS, ["### Response:\n"], [], bytes_tokenizer)


def test_a_tokenizer_without_end_token_is_refused_in_one_line():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, unk_token="a")))
    with pytest.raises(UserError, match=r"has no end token \(eos_token\), so no reply could stop; use another base$"):
        end_token_id(COMMENTS, tokenizer)


def test_a_tokenizer_of_another_library_is_refused_in_one_line():
    class Slow:
        name_or_path = "old/base"

    with pytest.raises(UserError, match=r"^the tokenizer of old/base is a Slow; a base with a tokenizer\.json is needed$"):
        end_token_id(COMMENTS, Slow())


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
