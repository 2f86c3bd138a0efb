"""The models that a server lists: its adapters, the base alone, and the one that is chosen by the message."""

from typing import Any

from train.adapters.folder import Adapter
from train.answers.loaded import BASE
from train.serving.asked import AUTO, Desk


def models(desk: Desk) -> list[dict[str, Any]]:
    """Who can answer, as OpenAI's API lists models, with what we know of them besides."""
    adapters = desk.loaded.adapters
    found = [_described(name, adapter, "adapter") for name, adapter in adapters.items()]
    first = next(iter(adapters.values()))
    found.append({**_described(BASE, first, "base"), "rank": None})
    if desk.chooser is not None:
        found.append({**_entry(AUTO, found[0]["created"]), "base": first.base, "chooses_from": [*adapters]})
    return found


def _described(name: str, adapter: Adapter, whose: str) -> dict[str, Any]:
    """An adapter, or the base in its manner; the termination rate is null where it was not measured."""
    rate = (adapter.stop.termination_rate or {}).get(whose)
    return {
        **_entry(name, int((adapter.folder / "adapter_config.json").stat().st_mtime)),
        "base": adapter.base,
        "template": adapter.template.name,
        "stop": adapter.template.stop,
        "takes_system_text": bool(adapter.template.system),
        "rank": adapter.settings.rank,
        "termination_rate": rate,
        "decoding": adapter.decoding.model_dump(),
        "max_tokens": adapter.settings.max_tokens,
    }


def _entry(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "lorum"}
