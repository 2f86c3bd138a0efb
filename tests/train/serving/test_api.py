"""The API as OpenAI's own client uses it: who answers, what is said, and why it ended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest
from openai import OpenAI

from formats.rendering.render import Turn, render_prompt
from formats.templates.template import BOT
from tests.train.serving.conftest import client_of
from train.answers.engine import Engine
from train.answers.loaded import Loaded
from train.answers.reply import Reply
from train.answers.voices import Mix
from train.serving.answers import Whole
from train.serving.forms import finish_of
from train.serving.running import Server
from train.settings import DecodingSettings

GREEDY = DecodingSettings(temperature=0, max_new_tokens=12)
ASKED: list[Any] = [{"role": "user", "content": "Milk goes in after."}]


def alone(loaded: Loaded, mix: Mix, manner: str = "court", *turns: Turn, **options: Any) -> Reply:
    """What an engine of one's own answers, greedily."""
    engine = Engine(loaded)
    request = loaded.request(turns or [Turn("Speaker_0", "Milk goes in after.")], mix, manner, 0, decoding=GREEDY, **options)
    reply = list(engine.answer(request))[-1]
    engine.close()
    assert isinstance(reply, Reply)
    return reply


def said(client: OpenAI, model: str, messages: list[Any] = ASKED, **options: Any) -> str:
    answer = client.chat.completions.create(model=model, messages=messages, temperature=0, max_tokens=12, **options)
    return answer.choices[0].message.content or ""


def test_the_model_is_the_adapter_and_the_base_stands_beside_it(client: OpenAI, loaded: Loaded) -> None:
    answers = {name: said(client, name) for name in ("court", "tea", "base")}
    assert answers == {"court": alone(loaded, {"court": 1.0}).text, "tea": alone(loaded, {"tea": 1.0}).text, "base": alone(loaded, {}).text}
    assert len(set(answers.values())) == 3


def test_a_mix_is_the_weighted_sum_in_the_manner_of_the_model(client: OpenAI, loaded: Loaded) -> None:
    mixed = said(client, "court", extra_body={"mix": {"court": 0.6, "tea": 0.4}})
    assert mixed == alone(loaded, {"court": 0.6, "tea": 0.4}).text
    assert said(client, "court", extra_body={"mix": {}}) == alone(loaded, {}).text
    with pytest.raises(openai.BadRequestError, match="alpaca: adapters with different templates cannot be mixed") as refused:
        said(client, "court", extra_body={"mix": {"alpaca": 1.0}})
    assert refused.value.param == "mix"


def test_an_answer_tells_its_tokens_times_and_why_it_ended(client: OpenAI, loaded: Loaded) -> None:
    answer = client.chat.completions.create(model="court", messages=ASKED, temperature=0, max_completion_tokens=12)
    expected = alone(loaded, {"court": 1.0})
    assert (answer.object, answer.model, answer.choices[0].finish_reason) == ("chat.completion", "court", "length")
    assert answer.usage is not None
    prompt = len(loaded.prompt([Turn("Speaker_0", "Milk goes in after.")], "court", 12))
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (prompt, 12, prompt + 12)
    told = answer.choices[0].model_extra["lorum"]  # type: ignore[index]
    assert (told["ending"], told["tokens"], told["left_out"]) == (expected.ending, 12, 0)
    assert 0 < told["seconds_to_first"] <= told["seconds"]


def test_pieces_joined_are_the_answer_and_the_last_ones_say_how_it_ended(client: OpenAI, loaded: Loaded) -> None:
    options: dict[str, Any] = {"model": "tea", "messages": ASKED, "temperature": 0, "max_tokens": 12}
    chunks = list(client.chat.completions.create(**options, stream=True, stream_options={"include_usage": True}))
    first, *pieces, last, usage = chunks
    assert (first.choices[0].delta.role, first.choices[0].delta.content) == ("assistant", "")
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == alone(loaded, {"tea": 1.0}).text
    assert all(piece.choices[0].finish_reason is None for piece in (first, *pieces))
    assert (last.choices[0].finish_reason, last.model_extra["lorum"]["ending"]) == ("length", "length")  # type: ignore[index]
    assert (usage.choices, usage.usage and usage.usage.completion_tokens) == ([], 12)
    assert {(chunk.id, chunk.model, chunk.object) for chunk in chunks} == {(first.id, "tea", "chat.completion.chunk")}
    without = list(client.chat.completions.create(**options, stream=True))
    assert all(chunk.usage is None for chunk in without)


def test_asked_stops_end_an_answer_and_are_no_part_of_it(client: OpenAI, loaded: Loaded) -> None:
    whole = alone(loaded, {"court": 1.0}).text
    end = whole[5:8]
    answer = client.chat.completions.create(model="court", messages=ASKED, temperature=0, max_tokens=12, stop=["never said", end])
    assert answer.choices[0].message.content == whole[: whole.index(end)].rstrip()
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].model_extra["lorum"]["ending"] == "asked end"  # type: ignore[index]


@pytest.mark.parametrize(("ending", "finish"), [("stop", "stop"), ("other end", "stop"), ("asked end", "stop"), ("length", "length")])
def test_length_is_said_only_where_an_answer_was_cut(ending: Any, finish: str) -> None:
    assert finish_of(Whole(Reply("So be it.", (1,), ending), 1.0, 0.5)) == finish


def test_several_answers_are_drawn_apart_and_the_first_as_if_alone(client: OpenAI) -> None:
    options: dict[str, Any] = {"model": "court", "messages": ASKED, "seed": 7, "temperature": 1.5}
    several = client.chat.completions.create(**options, n=3).choices
    assert [choice.index for choice in several] == [0, 1, 2]
    texts = [choice.message.content for choice in several]
    assert len(set(texts)) == 3
    assert client.chat.completions.create(**options).choices[0].message.content == texts[0]
    assert client.chat.completions.create(**{**options, "seed": 8}).choices[0].message.content != texts[0]
    streamed = [""] * 3
    for chunk in client.chat.completions.create(**options, n=3, stream=True):
        streamed[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert streamed == texts


def test_the_history_is_rendered_in_the_adapters_template(client: OpenAI, loaded: Loaded) -> None:
    turns = Turn("Speaker_0", "Milk first?"), Turn(BOT, "After."), Turn("Speaker_1", "Why?")
    messages = [
        {"role": "user", "content": "Milk first?", "name": "ann"},
        {"role": "assistant", "content": [{"type": "text", "text": "After."}], "refusal": None, "tool_calls": None, "annotations": []},
        {"role": "user", "content": [{"type": "text", "text": "Wh"}, {"type": "text", "text": "y?"}], "name": "ben"},
    ]
    assert said(client, "alpaca", messages) == alone(loaded, {"alpaca": 1.0}, "alpaca", *turns).text


def test_a_system_text_goes_where_the_template_has_its_own(client: OpenAI, loaded: Loaded) -> None:
    asked = [{"role": role, "content": text} for role, text in (("system", "Be {brief}."), ("developer", "[[Be kind.]]"))]
    turn = Turn("Speaker_0", "Milk goes in after.")
    expected = alone(loaded, {"alpaca": 1.0}, "alpaca", turn, system="Be {brief}.\n\n[[Be kind.]]").text
    assert said(client, "alpaca", [*asked, *ASKED]) == expected != said(client, "alpaca")
    with pytest.raises(openai.BadRequestError, match="comment-response has no system part; say it in the first message") as refused:
        said(client, "court", [*asked, *ASKED])
    assert refused.value.param == "messages[0].role"


def test_what_is_left_out_of_a_long_history_is_told_or_refused(client: OpenAI) -> None:
    messages = [{"role": role, "content": "Milk goes in after. " * 4} for role in ("user", "assistant") * 4] + ASKED
    answer = client.chat.completions.create(model="court", messages=messages, max_tokens=4)
    told = answer.choices[0].model_extra["lorum"]  # type: ignore[index]
    assert 0 < told["left_out"] < 8
    assert answer.usage is not None
    assert answer.usage.prompt_tokens <= 128
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="court", messages=messages, extra_body={"truncation": "disabled"})
    assert refused.value.code == "context_length_exceeded"


def test_raw_prompts_are_texts_of_the_template_or_tokens(client: OpenAI, loaded: Loaded) -> None:
    template = loaded.adapters["court"].template
    prompt = render_prompt(template, [Turn("Speaker_0", "Milk goes in after.")])
    tokens = list(loaded.prompt([Turn("Speaker_0", "Milk goes in after.")], "court", 12))
    options: dict[str, Any] = {"model": "court", "temperature": 0, "max_tokens": 12}
    expected = alone(loaded, {"court": 1.0}).text
    for given in (prompt, tokens, [prompt], [tokens]):
        answer = client.completions.create(prompt=given, **options)
        assert (answer.choices[0].text, answer.choices[0].finish_reason) == (expected, "length")
    both = client.completions.create(prompt=[prompt, "The kettle"], n=2, echo=True, **options)
    assert [choice.text.startswith((prompt, "The kettle")[place // 2]) for place, choice in enumerate(both.choices)] == [True] * 4
    assert both.choices[0].text == prompt + expected
    assert both.usage is not None
    assert both.usage.prompt_tokens == len(tokens) + len(loaded.tokens("The kettle", "court"))
    streamed = list(client.completions.create(prompt=prompt, echo=True, stream=True, **options))
    assert "".join(chunk.choices[0].text for chunk in streamed) == prompt + expected


def test_the_models_are_listed_with_what_is_known_of_them(client: OpenAI, server: Server, loaded: Loaded) -> None:
    listed = {model.id: model.model_extra for model in client.models.list()}
    assert list(listed) == ["court", "tea", "alpaca", "base"]
    court = listed["court"]
    assert court is not None
    assert court["template"] == "comment-response"
    assert (court["stop"], court["rank"], court["termination_rate"]) == ("\n\n### END", 4, None)
    assert (court["base"], court["decoding"]["top_k"]) == (loaded.adapters["court"].base, 20)
    assert client.models.retrieve("tea").owned_by == "lorum"
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("org/milk")
    assert missing.value.code == "model_not_found"


@dataclass
class ByFirstWord:
    """Routes a message by its first word, and remembers what it was asked."""

    name: str = ""
    shares: Mapping[str, float] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)

    def choose(self, message: str) -> "ByFirstWord":
        self.heard.append(message)
        return ByFirstWord(message.split()[0].lower(), {"tea": 0.75, "court": 0.25})


def test_auto_lets_the_message_choose_who_answers(serve: Callable[..., Server], loaded: Loaded) -> None:
    chooser = ByFirstWord()
    client = client_of(serve(chooser=chooser))
    assert [model.id for model in client.models.list()][-1] == "auto"
    messages: list[Any] = [*ASKED, {"role": "assistant", "content": "So?"}, {"role": "user", "content": "Tea or what?"}]
    answer = client.chat.completions.create(model="auto", messages=messages, temperature=0, max_tokens=12)
    turns = Turn("Speaker_0", "Milk goes in after."), Turn(BOT, "So?"), Turn("Speaker_0", "Tea or what?")
    assert (answer.model, answer.choices[0].message.content) == ("tea", alone(loaded, {"tea": 1.0}, "tea", *turns).text)
    assert answer.choices[0].model_extra["lorum"]["shares"] == {"tea": 0.75, "court": 0.25}  # type: ignore[index]
    assert chooser.heard == ["Tea or what?"]
    base = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "Base it is."}], extra_body={"max_tokens": 1})
    assert base.model == "base"
    broken = client_of(serve(chooser=Broken()))
    with pytest.raises(openai.InternalServerError, match="KeyError"):
        broken.chat.completions.create(model="auto", messages=ASKED)


class Broken:
    def choose(self, message: str) -> ByFirstWord:
        raise KeyError(message)


def test_without_a_router_there_is_no_auto(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        said(client, "auto")
