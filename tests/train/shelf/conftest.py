"""Adapters of the tiny base: two alike, and some that do not go with them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.random_adapter import write_random_adapter

Write = Callable[..., Path]


@pytest.fixture(scope="session")
def write_adapter_of(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Writes an adapter of the tiny base under a name; the same one is written once."""
    shelf = tmp_path_factory.mktemp("shelf")

    def written(name: str, *args: Any, base: Path | None = None, **options: Any) -> Path:
        return write_random_adapter(shelf / name, base or base_folder, *args, **options)

    return written


@pytest.fixture(scope="session")
def court(write_adapter_of: Write) -> Path:
    return write_adapter_of("court", seed=1)


@pytest.fixture(scope="session")
def cooks(write_adapter_of: Write) -> Path:
    return write_adapter_of("cooks", seed=2)
