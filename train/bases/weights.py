"""The safetensors files of a base, as they lie on this computer."""

import json
from pathlib import Path

INDEX, WHOLE = "model.safetensors.index.json", "model.safetensors"


def tensor_files(location: str) -> dict[str, Path]:
    """By the name of each tensor the file that holds it; empty where no safetensors of the base are on this computer.

    Raises:
        ValueError, KeyError: the index is damaged.
    """
    index = local_file(location, INDEX)
    if index is None:
        from safetensors import safe_open

        whole = local_file(location, WHOLE)
        if whole is None:
            return {}
        with safe_open(str(whole), framework="pt") as weights:
            return dict.fromkeys(weights.keys(), whole)
    places: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    found = {file: local_file(location, file) for file in set(places.values())}
    return {name: path for name, file in places.items() if (path := found[file])}


def local_file(location: str, file: str) -> Path | None:
    """A file of a base in its folder or in the cache of the Hub; None where it would have to be fetched."""
    if Path(location).is_dir():
        path = Path(location) / file
        return path if path.is_file() else None
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(location, file)
    return Path(cached) if isinstance(cached, str) else None
