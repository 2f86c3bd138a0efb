"""At which tokens generating ends with a base, as its own files say."""

from typing import TYPE_CHECKING

from transformers import GenerationConfig

if TYPE_CHECKING:
    from train.bases.base_model import Base


def end_tokens(base: "Base") -> frozenset[int]:
    """The ids at which `generate()` ends: those of generation_config.json, or of config.json where that file is not there.

    A chat model often names its end of turn there beside the end token of its tokenizer.
    """
    try:
        said = GenerationConfig.from_pretrained(base.location).eos_token_id
    except (OSError, ValueError):
        said = getattr(base.config.get_text_config(), "eos_token_id", None)
    return frozenset() if said is None else frozenset(said if isinstance(said, list) else [said])
