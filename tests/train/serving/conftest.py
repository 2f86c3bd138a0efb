"""A server with three adapters of the tiny base, and OpenAI's own client for it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from openai import OpenAI

from formats.templates.template import load_template
from tests.random_adapter import write_random_adapter
from train.adapters.folder import read_adapter
from train.answers.loaded import Loaded
from train.bases import base_model
from train.serving.running import Place, Server
from train.settings import DecodingSettings, TrainSettings

DECODING = DecodingSettings(temperature=0.7, top_k=20, max_new_tokens=24)


@pytest.fixture(scope="session")
def loaded(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """`court` and `tea`, which share a template without a system part, and `alpaca`, whose template has one."""
    folder = tmp_path_factory.mktemp("three")
    templates = {"court": "comment-response", "tea": "comment-response", "alpaca": "alpaca"}
    with pytest.MonkeyPatch.context() as patch:
        # In 16 bit, rounding decides between tokens that are as likely.
        patch.setattr(base_model, "compute_dtype", lambda: torch.float32)
        for seed, (name, template) in enumerate(templates.items(), 1):
            settings = TrainSettings(rank=4, max_tokens=128)
            write_random_adapter(folder / name, base_folder, settings, seed=seed, template=load_template(template), decoding=DECODING)
        return Loaded({name: read_adapter(folder / name) for name in templates})


@pytest.fixture
def serve(loaded: Loaded) -> Iterator[Callable[..., Server]]:
    """Starts a server on a free port; it stops at the end of the test."""
    with ExitStack() as running:

        def started(place: Place | None = None, **options: Any) -> Server:
            place = place or Place(port=0)
            return running.enter_context(Server(loaded, place, place.listen(), **options))

        yield started


@pytest.fixture(scope="session")
def server(loaded: Loaded) -> Iterator[Server]:
    """One for all tests that leave no trace in it."""
    place = Place(port=0)
    with Server(loaded, place, place.listen(), most_rows=8) as running:
        yield running


def client_of(server: Server, key: str = "none") -> OpenAI:
    return OpenAI(base_url=f"{server.address}/v1", api_key=key, max_retries=0, timeout=60)


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[OpenAI]:
    with client_of(server) as client:
        yield client
