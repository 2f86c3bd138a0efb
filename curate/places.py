"""Where Lorum keeps what outlives a run."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$LORUM_CACHE`, or `lorum` in the user's cache folder."""
    return Path(os.environ.get("LORUM_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lorum")


def scores_folder() -> Path:
    """Where models' scores lie, by the hash of the text."""
    return cache_folder() / "scores"
