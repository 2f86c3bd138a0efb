"""What of an evaluation goes when posts are forgotten."""

from curate.forgetting.survey import example_keys
from train.evaluation.keys import sample_key


def test_an_example_goes_with_everybody_whose_words_it_shows() -> None:
    example = {"prompt": "Guilty?", "forum": "Guilty.", "copied_from": {"adapter": ["one", "two"], "base": ["two"]}}
    assert example_keys(example) == {sample_key("Guilty?", "Guilty."), "one", "two"}
    assert example_keys({"prompt": "Guilty?", "forum": "No."}) == {sample_key("Guilty?", "No.")}
