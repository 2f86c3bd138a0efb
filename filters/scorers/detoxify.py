"""The models of Detoxify, by name or from a checkpoint file."""

import importlib.metadata
from hashlib import file_digest
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from filters.rule import RuleError
from filters.scorers.batches import longest_of
from filters.scorers.classifier import Classifier, one_line, without_progress_bars

DETOXIFY_MODELS = ("original", "unbiased", "multilingual", "original-small", "unbiased-small")


def load_detoxify(name: str) -> Classifier:
    """A model of Detoxify, by its name or from a checkpoint file.

    A checkpoint is a pickle, which can run code when it is opened: load none that you did not make or choose.

    Raises:
        RuleError: the package is missing, or the model cannot be loaded.
    """
    try:
        from detoxify import Detoxify
    except ImportError as error:
        raise RuleError(f"toxicity: the scorer detoxify needs the package detoxify ({error}); pip install it") from None
    try:
        with without_progress_bars():
            key, loaded = _load(Detoxify, name)
    except Exception as error:  # Detoxify, torch.hub and transformers raise a dozen kinds for a model that is not there
        raise RuleError(f"toxicity: cannot load detoxify:{name} ({one_line(error)}); it {_hint(name)}; or use the scorer lite") from error
    limit = longest_of(loaded.tokenizer, loaded.model.config)
    return Classifier(key, loaded.model.eval(), loaded.tokenizer, tuple(loaded.class_names), "sigmoid", limit)


def _load(detoxify: Any, name: str) -> tuple[str, Any]:
    if name in DETOXIFY_MODELS:
        return f"detoxify-{name}-{importlib.metadata.version('detoxify')}", detoxify(name)
    path = Path(name)
    with path.open("rb") as file:
        key = f"detoxify-{path.stem}-{file_digest(file, 'sha256').hexdigest()[:16]}"
    if (path.parent / "config.json").is_file():
        return key, detoxify(checkpoint=_at_home(path), huggingface_config_path=str(path.parent))
    return key, detoxify(checkpoint=str(path))


def _hint(name: str) -> str:
    if name not in DETOXIFY_MODELS:
        return "is no Detoxify checkpoint, or its base model's config.json and tokenizer are not beside it"
    from detoxify.detoxify import MODEL_URLS
    from torch.hub import get_dir

    return (
        f"needs its download once: put {MODEL_URLS[name]} into {get_dir()}/checkpoints, or name a checkpoint: detoxify:/path/to/model.ckpt"
    )


def _at_home(checkpoint: Path) -> BinaryIO:
    """The checkpoint with its own folder in place of its base model's name, which Detoxify would look up on the Hub (20 s offline)."""
    import torch

    loaded = torch.load(checkpoint, map_location="cpu", weights_only=False)
    if "config" in loaded:
        loaded["config"]["arch"]["args"]["model_type"] = str(checkpoint.parent)
    changed = BytesIO()
    torch.save(loaded, changed)
    changed.seek(0)
    return changed
