"""Messages are routed by what the base makes of them: right, by the base alone, and beside answers that are being generated."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from formats.errors import UserError
from formats.rendering.render import Turn
from formats.templates.template import load_template
from tests.asked import asked, write_asked
from tests.random_adapter import write_random_adapter
from train.adapters.folder import read_adapter
from train.answers.engine import Engine
from train.answers.loaded import Loaded
from train.answers.reply import Reply
from train.bases import base_model
from train.settings import DecodingSettings
from train.shelf.routing import Choice, Router
from train.shelf.routing_index import INDEX, read_index
from train.shelf.routing_vectors import MOST_TOKENS, MessageEncoder

TEMPLATE = load_template("comment-response")
COURT = [f"The court finds the {word} guilty." for word in ("kettle", "mug", "spoon", "toast", "milk", "lid", "cup", "tea", "pot", "jug")]
MILK = [f"Milk goes in {word}, as the statute says." for word in ("after", "first", "twice", "never", "last", "late", "now", "once")]


@pytest.fixture(scope="module")
def loaded(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Two adapters, in 32 bit, so that equal means equal."""
    folder = tmp_path_factory.mktemp("shelf")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base_model, "compute_dtype", lambda: torch.float32)
        adapters = {
            name: write_random_adapter(folder / name / "adapter", base_folder, seed=seed) for name, seed in (("court", 1), ("milk", 2))
        }
        return Loaded({name: read_adapter(place) for name, place in adapters.items()})


@pytest.fixture
def shelf(tmp_path: Path, loaded: Loaded) -> dict[str, Path]:
    """Empty folders in the place of the adapters', with samples beside them."""
    for name, texts in (("court", COURT), ("milk", MILK)):
        (tmp_path / name / "adapter").mkdir(parents=True)
        write_asked(tmp_path / name / "samples", TEMPLATE, train=[asked(TEMPLATE, text) for text in texts])
    return {name: tmp_path / name / "adapter" for name in ("court", "milk")}


def test_a_vector_is_the_mean_of_the_states_behind_half_of_the_layers(loaded: Loaded) -> None:
    encoder = MessageEncoder(loaded)
    assert encoder.layer == 1
    model: Any = loaded.model
    text = COURT[0]
    ids = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        states = model.model(input_ids=torch.tensor([[1, *ids]]), output_hidden_states=True).hidden_states[1]
        expected = model.model.norm(states)[0, 1:].mean(0)
    assert encoder.vectors([text])[0] == pytest.approx(expected.numpy(), abs=1e-5)


def test_a_message_has_the_same_vector_alone_and_among_others(loaded: Loaded) -> None:
    encoder = MessageEncoder(loaded)
    texts = [*COURT, "", *MILK, "Milk " * 50]
    together = encoder.vectors(texts)
    assert together.shape == (len(texts), 64)
    for text, vector in zip(texts, together, strict=True):
        assert encoder.vectors([text])[0] == pytest.approx(vector, abs=1e-5), text
    assert np.isfinite(encoder.vectors([""])).all(), "an empty message has a vector, too"


def test_only_the_beginning_of_a_message_is_read(loaded: Loaded) -> None:
    encoder = MessageEncoder(loaded)
    long = "kettle " * (2 * MOST_TOKENS)
    assert (encoder.vectors([long])[0] == encoder.vectors([f"{long} The court finds it guilty."])[0]).all()


def test_what_looks_like_a_special_token_is_text(loaded: Loaded) -> None:
    encoder = MessageEncoder(loaded)
    assert not np.allclose(encoder.vectors(["<|end|>"]), encoder.vectors([""]), atol=1e-3)


def test_half_a_character_is_a_question_mark(loaded: Loaded) -> None:
    """As a byte that is no UTF-8 arrives from the command line."""
    encoder = MessageEncoder(loaded)
    assert (encoder.vectors(["Milk\udcff goes"]) == encoder.vectors(["Milk? goes"])).all()


def test_adapters_take_no_part_even_while_they_speak(loaded: Loaded) -> None:
    before = MessageEncoder(loaded).vectors(COURT)
    with loaded.voices.speaking([{"court": 1.0}]):
        assert (MessageEncoder(loaded).vectors(COURT) == before).all()
        encoder = MessageEncoder(loaded)
    assert (encoder.vectors(COURT) == before).all()


def test_the_model_stays_as_it_was(loaded: Loaded) -> None:
    model: Any = loaded.model
    ids = torch.tensor([[5, 6, 7]])
    with torch.inference_mode(), loaded.voices.speaking([{"court": 1.0}]):
        before = model(input_ids=ids).logits
        MessageEncoder(loaded).vectors(COURT)
        assert (model(input_ids=ids).logits == before).all()
    assert len(model.model.layers) == 2


def test_messages_go_to_the_adapter_whose_prompts_they_are_like(loaded: Loaded, shelf: dict[str, Path]) -> None:
    router = Router.of(shelf, loaded)
    court, milk = router.choose("The court finds the spoon guilty."), router.choose("Milk goes in today, as the statute says.")
    assert (court.name, milk.name) == ("court", "milk")
    assert list(court.shares) == ["court", "milk"], "the most probable first"
    assert list(milk.shares) == ["milk", "court"]
    assert sum(court.shares.values()) == pytest.approx(1)
    assert court.shares["court"] > 0.7
    assert router.choose_all([]) == []
    both = router.choose_all(["The court finds the spoon guilty.", "Milk goes in today, as the statute says."])
    assert [choice.name for choice in both] == ["court", "milk"]


def test_what_is_like_none_goes_to_the_base_if_the_router_may(loaded: Loaded, shelf: dict[str, Path]) -> None:
    """With ten messages of each adapter, no likeness is below 1 / 11."""
    foreign = "ZZZZ 9999 #### {}{}{}"
    assert Router.of(shelf, loaded).choose(foreign).name != "base"
    careful = Router.of(shelf, loaded, floor=0.15)
    assert careful.choose(foreign).name == "base"
    assert set(careful.choose(foreign).shares) == {"court", "milk"}
    assert careful.choose(COURT[3]).name == "court"


def test_an_index_is_made_once_and_kept(loaded: Loaded, shelf: dict[str, Path]) -> None:
    stages: list[tuple[str, int, int]] = []
    first = Router.of(shelf, loaded, progress=lambda *stage: stages.append(stage))
    assert stages == [("index court", 10, 10), ("index milk", 8, 8)]
    index = read_index(shelf["court"])
    assert index is not None
    assert index.vectors.shape == (10, 64)
    assert (index.made.quantisation, index.made.layer) == ("none", 1)
    made = (shelf["court"] / INDEX).stat().st_mtime_ns
    again = Router.of(shelf, loaded, progress=lambda *stage: pytest.fail("nothing is made again"))
    assert (shelf["court"] / INDEX).stat().st_mtime_ns == made
    assert again.choose(MILK[0]) == first.choose(MILK[0])


def test_no_word_of_a_member_stands_in_the_index(loaded: Loaded, shelf: dict[str, Path]) -> None:
    Router.of(shelf, loaded)
    held = (shelf["court"] / INDEX).read_bytes()
    assert not any(word.encode() in held for text in COURT for word in text.split())


def test_an_index_of_another_base_is_made_anew_or_refused(loaded: Loaded, shelf: dict[str, Path]) -> None:
    Router.of(shelf, loaded)
    before = (shelf["court"] / INDEX).read_bytes()
    object.__setattr__(loaded.base, "published", "somebody/other")
    try:
        Router.of(shelf, loaded)
        assert (shelf["court"] / INDEX).read_bytes() != before
        (shelf["milk"].parent / "samples" / "train.parquet").unlink()
        object.__setattr__(loaded.base, "published", "somebody/third")
        with pytest.raises(UserError, match=r"made on somebody/other \(none, 1 layers\), while somebody/third .* --samples milk=FOLDER"):
            Router.of(shelf, loaded)
    finally:
        object.__setattr__(loaded.base, "published", loaded.base.location)


def test_without_samples_it_is_said_what_to_do(loaded: Loaded, shelf: dict[str, Path], tmp_path: Path) -> None:
    (shelf["milk"].parent / "samples" / "train.parquet").unlink()
    with pytest.raises(UserError, match=r"milk/adapter: has no index to route by, and no samples beside it .* --samples milk=FOLDER"):
        Router.of(shelf, loaded)
    elsewhere = write_asked(tmp_path / "elsewhere", TEMPLATE, train=[asked(TEMPLATE, text) for text in MILK])
    assert Router.of(shelf, loaded, samples={"milk": elsewhere}).choose(MILK[0]).name == "milk"
    assert Router.of(shelf, loaded).choose(MILK[0]).name == "milk", "it was kept"


def test_samples_of_nobody_and_of_another_template_are_refused(loaded: Loaded, shelf: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="tea: no such adapter to route to; there are court, milk"):
        Router.of(shelf, loaded, samples={"tea": tmp_path})
    other = load_template("chatml")
    with pytest.raises(UserError, match="its template is not that of the adapter court"):
        Router.of(shelf, loaded, samples={"court": write_asked(tmp_path / "other", other, train=[asked(other, "Milk?")])})


def test_one_adapter_alone_gets_everything(loaded: Loaded, shelf: dict[str, Path]) -> None:
    router = Router.of({"court": shelf["court"]}, loaded)
    assert router.choose(MILK[0]).shares == {"court": 1.0}


def test_messages_are_routed_while_answers_are_generated(loaded: Loaded, shelf: dict[str, Path]) -> None:
    """Neither changes the other, though both use the same weights."""
    router = Router.of(shelf, loaded)
    alone = [router.choose(text) for text in (*COURT, *MILK)]
    decoding = DecodingSettings(max_new_tokens=24, temperature=0.0)
    requests = [loaded.request([Turn("Speaker_0", text)], {"court": 1.0}, "court", 1, decoding=decoding) for text in COURT[:4]]
    engine = Engine(loaded, most_rows=4)
    try:
        quiet = [_reply(engine, request) for request in requests]
        beside: list[list[Choice]] = []
        threads = [threading.Thread(target=lambda: beside.append([router.choose(text) for text in (*COURT, *MILK)])) for _ in range(2)]
        for thread in threads:
            thread.start()
        assert [_reply(engine, request) for request in requests] == quiet
        for thread in threads:
            thread.join()
    finally:
        engine.close()
    assert [[choice.name for choice in found] for found in beside] == [[choice.name for choice in alone]] * 2
    for found in beside:
        for choice, expected in zip(found, alone, strict=True):
            assert choice.shares == pytest.approx(expected.shares, abs=1e-4)


def _reply(engine: Engine, request: Any) -> str:
    reply = list(engine.answer(request))[-1]
    assert isinstance(reply, Reply)
    return reply.text
