"""Contestants: their names, their answers, and what is refused."""

import shutil
from pathlib import Path

import pytest

from formats.errors import UserError
from formats.rendering.conversations import Turn
from formats.templates.template import load_template
from tests.train.evaluation.judging.conftest import Adapters, write_jsonl
from train.answers.reply import Reply
from train.evaluation.judging import contestants as module
from train.evaluation.judging.contestants import Contestant, answers_of, contestants, prompt_of
from train.evaluation.judging.kept import Kept, key_of
from train.evaluation.judging.questions import Question

QUESTIONS = [Question("7", (Turn("Speaker_0", "Is the kettle guilty?"),)), Question("8", (Turn("Speaker_0", "Who finished the milk?"),))]


def silent(what: str, done: int, total: int) -> None:
    pass


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["tea", "coffee"], ["tea", "coffee", "base", "vicuna"]),
        (["tea/adapter", "coffee/adapter"], ["tea/adapter", "coffee/adapter", "base", "answers/vicuna"]),
        (["base", "coffee"], ["{}/base", "{}/coffee", "base", "answers/vicuna"]),
    ],
)
def test_names_are_as_long_as_they_must_be(adapters: Adapters, tmp_path: Path, paths: list[str], names: list[str]) -> None:
    first = adapters(paths[0])
    second = shutil.copytree(first, tmp_path / paths[1])
    (tmp_path / "answers").mkdir()
    ready = write_jsonl(tmp_path / "answers" / "vicuna.jsonl", [])
    found = contestants(first, [str(second), "base", str(ready)])
    assert [one.name for one in found] == [name.format(tmp_path.name) for name in names]
    assert [one.kind for one in found] == ["adapter", "adapter", "base", "file"]


def test_nobody_meets_themselves(adapters: Adapters, tmp_path: Path) -> None:
    adapter = adapters()
    with pytest.raises(UserError, match="is named twice, or is the adapter itself"):
        contestants(adapter, [str(tmp_path / "." / "adapter")])
    with pytest.raises(UserError, match="--against base: is named twice"):
        contestants(adapter, ["base", "base"])
    with pytest.raises(UserError, match="--against ladle: no such adapter or file"):
        contestants(adapter, ["ladle"])
    with pytest.raises(UserError, match="no adapter there"):
        contestants(adapter, [str(tmp_path)])


def test_an_adapter_and_its_base_answer_differently(adapters: Adapters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a decoding of 8 tokens at most, and what they said is kept under keys of their own."""
    import torch
    from safetensors.torch import load_file, save_file

    adapter = adapters()
    weights = {name: torch.ones_like(value) for name, value in load_file(adapter / "adapter_model.safetensors").items()}
    save_file(weights, adapter / "adapter_model.safetensors", {"format": "pt"})
    own, base = contestants(adapter, ["base"])
    asked: list[int] = []
    whole = module.generate

    def counting(model: object, tokenizer: object, template: object, prompts: list[str], *args: object, **kwargs: object) -> list[Reply]:
        asked.append(len(prompts))
        replies: list[Reply] = whole(model, tokenizer, template, prompts, *args, **kwargs)  # type: ignore[arg-type]
        assert all(len(reply.token_ids) <= 8 for reply in replies)
        return replies

    monkeypatch.setattr(module, "generate", counting)
    with Kept(tmp_path / "kept.jsonl") as kept:
        said = [answers_of(one, QUESTIONS, 0, kept, silent) for one in (own, base)]
        assert said[0] != said[1]
        assert answers_of(own, QUESTIONS, 0, kept, silent) == said[0]
        assert asked == [2, 2], "what was generated is kept"
        save_file({name: value * 2 for name, value in weights.items()}, adapter / "adapter_model.safetensors", {"format": "pt"})
        answers_of(own, QUESTIONS, 0, kept, silent)
        assert answers_of(base, QUESTIONS, 0, kept, silent) == said[1]
        assert asked == [2, 2, 2], "another training answers anew, its base does not"


def test_a_question_longer_than_the_model_reads_is_refused(adapters: Adapters, tmp_path: Path) -> None:
    (adapter,) = contestants(adapters(), [])
    long = [Question("1", (Turn("Speaker_0", "milk " * 600),))]
    with Kept(tmp_path / "kept.jsonl") as kept, pytest.raises(UserError, match="reads 512 tokens, the longest prompt has"):
        answers_of(adapter, long, 0, kept, silent)


def test_answers_of_a_file(tmp_path: Path) -> None:
    rows = [{"question_id": 8, "text": " The usher. "}, {"question_id": "7", "answer": "No."}, {"question_id": 9, "text": "Extra."}]
    ready = Contestant("vicuna", "file", write_jsonl(tmp_path / "answers.jsonl", rows))
    with Kept(tmp_path / "kept.jsonl") as kept:
        assert answers_of(ready, QUESTIONS, 0, kept, silent) == ["No.", "The usher."]
        write_jsonl(ready.path, rows[:1])
        with pytest.raises(UserError, match=r"has no answer to 1 of the 2 questions, such as question_id 7"):
            answers_of(ready, QUESTIONS, 0, kept, silent)
        write_jsonl(ready.path, [{"text": "No."}])
        with pytest.raises(UserError, match=r"line 1: has no question_id, or no text"):
            answers_of(ready, QUESTIONS, 0, kept, silent)


def test_a_prompt_is_that_of_the_samples_where_the_template_is() -> None:
    template, other = load_template("comment-response"), load_template("chatml")
    rendered = "### Comment:\nIs  it?\n\n### Response:\n"
    question = Question("1", (Turn("Speaker_0", "Is  it?"),), prompt=rendered, template=template)
    assert prompt_of(question, template) is rendered
    assert "<|im_start|>" in prompt_of(question, other)
    assert "Is  it?" in prompt_of(question, other)
    assert prompt_of(QUESTIONS[0], template) == "### Comment:\nIs the kettle guilty?\n\n### Response:\n"


def test_kept_texts_survive_a_cut_line(tmp_path: Path) -> None:
    file = tmp_path / "kept.jsonl"
    with Kept(file) as kept:
        kept.put(key_of("a", 1), "one\ntwo\u2028\ud800")
        kept.put(key_of("a", 2), "two")
    file.write_bytes(file.read_bytes()[:-5])
    with Kept(file) as kept:
        assert kept.get(key_of("a", 1)) == "one\ntwo\u2028\ud800"
        assert kept.get(key_of("a", 2)) is None
        kept.put(key_of("a", 2), "again")
    with Kept(file) as kept:
        assert kept.get(key_of("a", 2)) == "again"
    assert key_of("a", 1) != key_of("a", "1") != key_of("a1")
