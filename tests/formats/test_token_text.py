from formats.templates.template import load_template
from formats.tokens.text import end_token, token_reader


def read(text, tokenizer):
    reader = token_reader(tokenizer)
    return [reader(index) for index in tokenizer(text, add_special_tokens=False)["input_ids"]]


def test_byte_level_tokens_join_to_the_text(bytes_tokenizer):
    text = "Guilty. The kettle was warm.\n\n\tÃ Ġ ok"
    assert "".join(read(text, bytes_tokenizer)) == text.replace("Ã", "<0xC3><0x83>").replace("Ġ", "<0xC4><0xA0>")


def test_bytes_that_are_no_character_stand_as_numbers(bytes_tokenizer):
    assert read("🫖", bytes_tokenizer) == ["<0xF0>", "<0x9F>", "<0xAB>", "<0x96>"]


def test_special_and_added_tokens_are_their_literals(bytes_tokenizer, added_tokenizer):
    assert read("<|im_start|>kettle", bytes_tokenizer)[0] == "<|im_start|>"
    assert read("the good mug", added_tokenizer) == ["the good mug"]


def test_sentencepiece_blanks_and_bytes_are_read(metaspace_tokenizer):
    assert "".join(read("kettle END", metaspace_tokenizer)) == " kettle END"
    assert "".join(read("a\nb é", metaspace_tokenizer)) == " a\nb <0xC3><0xA9>"


def test_the_end_token_is_told_where_the_text_does_not_end_in_it(bytes_tokenizer, chatml):
    assert end_token(load_template("comment-response"), bytes_tokenizer) == "<|im_end|>"
    assert end_token(chatml, bytes_tokenizer) is None
    assert end_token(chatml, None) is None
