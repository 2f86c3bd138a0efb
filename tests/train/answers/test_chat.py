"""A conversation: what it keeps, what it shows, who speaks, and what fits into a prompt."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from formats.errors import UserError
from formats.rendering.render import Turn, render_prompt
from formats.templates.template import load_template
from tests.random_adapter import write_random_adapter
from train.answers.chat import Chat, open_chat
from train.answers.reply import Reply
from train.answers.speakers import Answer, Piece, Said, Speaker
from train.settings import DecodingSettings, TrainSettings


@pytest.fixture(scope="module")
def folders(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two adapters of one template, and one of another."""
    settings = TrainSettings(rank=4, max_tokens=60)
    decoding = DecodingSettings(temperature=0, max_new_tokens=8)
    shelf = tmp_path_factory.mktemp("shelf")
    for seed, name in enumerate(("court", "cooks", "chatty")):
        template = load_template("speakers") if name == "chatty" else None
        write_random_adapter(shelf / name, base_folder, settings, seed=seed, decoding=decoding, template=template)
    return {name: shelf / name for name in ("court", "cooks", "chatty")}


@pytest.fixture(scope="module")
def opened(folders: dict[str, Path]) -> Iterator[Chat]:
    chat = open_chat(folders, seed=7)
    yield chat
    chat.close()


@pytest.fixture
def chat(opened: Chat) -> Chat:
    opened.forget()
    opened.use("court")
    opened.decoding = {}
    return opened


def answer(said: Said) -> Answer:
    """The only answer, whose pieces are its text."""
    *pieces, whole = said
    assert isinstance(whole, Answer)
    assert "".join(piece.text for piece in pieces if isinstance(piece, Piece)) == whole.text
    return whole


def expected(chat: Chat, speaker: Speaker) -> str:
    """What a speaker says now, of an engine that has nothing else to do."""
    request = chat.loaded.request([*chat.turns, Turn("Speaker_0", "Who did it?")], speaker.mix, speaker.manner, 0)
    (reply,) = [item for item in chat._engine.answer(request) if isinstance(item, Reply)]
    return reply.text


def test_a_chat_streams_and_keeps_its_history(chat: Chat) -> None:
    said = list(chat.ask("Who did it?"))
    *pieces, last = said
    assert len(pieces) > 1
    assert isinstance(last, Answer)
    assert last.by == Speaker({"court": 1.0}, "court")
    assert (last.ending, last.tokens) == ("length", 8)
    assert last.seconds_to_first is not None
    assert 0 < last.seconds_to_first <= last.seconds
    assert chat.turns == [Turn("Speaker_0", "Who did it?"), Turn("Bot", last.text)]
    chat.forget()
    assert chat.turns == []


def test_an_answer_that_is_left_early_stays_as_far_as_it_was_said(chat: Chat) -> None:
    said = chat.ask("And then?")
    first = next(said)
    said.close()
    assert chat.turns == [Turn("Speaker_0", "And then?"), Turn("Bot", first.text)]
    assert chat.exchanges[-1].answer.ending is None


def test_stop_ends_an_answer_and_the_next_is_whole(chat: Chat) -> None:
    said = chat.ask("And then?")
    first = next(said)
    chat.stop()
    *_, last = said
    assert isinstance(last, Answer)
    assert last.ending is None
    assert last.text.startswith(first.text)
    assert chat.exchanges[-1].answer.text == last.text
    assert answer(chat.ask("Once more?")).ending == "length"


def test_a_chat_leaves_out_the_oldest_turns(chat: Chat) -> None:
    for number in range(6):
        answer(chat.ask(f"The spoon may step down. {number}"))
    ids = chat.loaded.prompt(chat.turns, "court")
    prompt = chat.loaded.tokenizer.decode(ids)
    assert prompt.endswith(render_prompt(chat.loaded.adapters["court"].template, chat.turns[-1:]))
    assert "down. 0" not in prompt
    assert len(ids) <= 60


def test_who_is_used_speaks_in_its_own_template_and_keeps_the_history(chat: Chat) -> None:
    answer(chat.ask("Milk?"))
    for name in ("cooks", "chatty", "base"):
        chat.use(name)
        told = expected(chat, chat.speaker)
        assert answer(chat.ask("Who did it?")).text == told
        chat.undo()
    assert chat.speaker == Speaker({}, "chatty"), "the base speaks in the template of who spoke before"
    assert len(chat.turns) == 2
    with pytest.raises(UserError, match="mugs: no such adapter is loaded; there are court, cooks, chatty"):
        chat.use("mugs")


def test_a_mix_speaks_in_the_manner_of_who_counts_most(chat: Chat) -> None:
    chat.use_mix({"court": 0.3, "cooks": 0.7})
    assert (chat.speaker.label, chat.speaker.manner) == ("court=0.3 cooks=0.7", "cooks")
    told = expected(chat, chat.speaker)
    assert answer(chat.ask("Who did it?")).text == told
    with pytest.raises(UserError, match="different templates cannot be mixed"):
        chat.use_mix({"court": 0.5, "chatty": 0.5})
    assert chat.speaker.label == "court=0.3 cooks=0.7", "a mix that is refused changes nothing"


def test_all_answer_the_same_comment_and_the_speaker_s_answer_stays(chat: Chat) -> None:
    said = list(chat.ask_all("Who did it?"))
    labels = list(dict.fromkeys(item.by.label for item in said))
    assert labels == ["court", "cooks", "chatty", "base"], "one after the other, who speaks first"
    answers = [item for item in said if isinstance(item, Answer)]
    assert chat.exchanges[-1].answers == tuple(answers)
    assert chat.turns[-1].text == answers[0].text
    chat.forget()
    for one in answers:
        assert one.text == expected(chat, one.by), f"{one.by.label} answers in a batch as alone"


def test_the_last_comment_can_be_answered_by_all_once_more(chat: Chat) -> None:
    first = answer(chat.ask("Who did it?"))
    told = [item for item in chat.ask_all() if isinstance(item, Answer)]
    assert told[0].text == first.text
    assert chat.exchanges[-1].answer == first
    assert chat.exchanges[-1].beside == tuple(told)
    assert len(chat.turns) == 2


def test_again_replaces_the_last_answer(chat: Chat) -> None:
    answer(chat.ask("Milk?"))
    answer(chat.ask("Who did it?"))
    chat.use("cooks")
    chat.exchanges, before = chat.exchanges[:1], chat.exchanges
    told = expected(chat, chat.speaker)
    chat.exchanges = before
    assert answer(chat.again()).text == told
    assert [turn.text for turn in chat.turns][2:] == ["Who did it?", told]


@pytest.mark.parametrize("what", ["again", "ask_all", "undo"])
def test_without_a_comment_there_is_nothing_to_answer(chat: Chat, what: str) -> None:
    with pytest.raises(UserError, match="there is no comment yet"):
        list(getattr(chat, what)())


def test_what_cannot_be_asked_leaves_the_conversation_as_it_was(chat: Chat) -> None:
    answer(chat.ask("Milk?"))
    chat.decoding = {"max_new_tokens": 10_000}
    before = chat.exchanges
    for said in (chat.ask("Who did it?"), chat.ask_all("Who did it?"), chat.again()):
        with pytest.raises(UserError, match="are more"):
            list(said)
    assert chat.exchanges == before


def test_changed_decoding_holds_for_every_speaker(chat: Chat) -> None:
    chat.decoding = {"max_new_tokens": 3}
    assert [one.tokens for one in chat.ask_all("Who did it?") if isinstance(one, Answer)] == [3, 3, 3, 3]


def test_a_seed_draws_the_same_again(folders: dict[str, Path]) -> None:
    def told(seed: int) -> list[str]:
        chat = open_chat({"court": folders["court"]}, seed)
        chat.decoding = {"temperature": 1.5, "max_new_tokens": 12}
        texts = [answer(chat.ask("Who did it?")).text for _ in range(2)]
        chat.close()
        return texts

    assert told(3) == told(3) != told(4)
