"""Where Lorum keeps what outlives a run: converted base models, and the scores of texts."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$LORUM_CACHE`, else `lorum` in the user's cache folder (`$XDG_CACHE_HOME` or `~/.cache`)."""
    return Path(os.environ.get("LORUM_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lorum")
