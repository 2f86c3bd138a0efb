"""A conversation: what it keeps, what it shows, and what fits into a prompt."""

from pathlib import Path

import pytest

from formats.rendering.render import Turn, render_prompt
from tests.random_adapter import write_random_adapter
from train.answers.chat import open_chat
from train.settings import DecodingSettings, TrainSettings


@pytest.fixture(scope="module")
def folder(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = TrainSettings(rank=4, max_tokens=60)
    decoding = DecodingSettings(temperature=0, max_new_tokens=8)
    return write_random_adapter(tmp_path_factory.mktemp("court") / "court", base_folder, settings, decoding=decoding)


def test_a_chat_streams_and_keeps_its_history(folder: Path) -> None:
    chat = open_chat({"court": folder})
    pieces = list(chat.reply("Who did it?"))
    assert len(pieces) > 1
    assert chat.last is not None
    assert "".join(pieces) == chat.last.text
    assert chat.turns == [Turn("Speaker_0", "Who did it?"), Turn("Bot", chat.last.text)]
    answer = chat.reply("And then?")
    first = next(answer)
    answer.close()
    assert chat.last is None
    assert chat.turns[2:] == [Turn("Speaker_0", "And then?"), Turn("Bot", first)]
    chat.forget()
    assert chat.turns == []
    chat.close()


def test_a_chat_leaves_out_the_oldest_turns(folder: Path) -> None:
    chat = open_chat({"court": folder})
    for number in range(6):
        list(chat.reply(f"The spoon may step down. {number}"))
    prompt = chat.loaded.tokenizer.decode(chat.request(chat.mix).prompt)
    template = chat.loaded.adapters["court"].template
    assert prompt.endswith(render_prompt(template, chat.turns[-1:]))
    assert "down. 0" not in prompt
    assert len(chat.request(chat.mix).prompt) <= 60
    chat.close()
