"""Answers several prompts at once, and how many of them fit into memory together.

`GenerationMixin.generate` computes every row until the longest ends, sorts the whole vocabulary for `top_p` and draws from all of it:
on a CPU that is more than half of its time.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from train.answers.batch import Batch, Row

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

_CACHE_BYTES = 4 << 30
"""Of keys and values of one batch, at most."""


def answer_together(batch: Batch, rows: Sequence[Row], has_ended: Callable[[Row], bool]) -> None:
    """Generates the answers of rows, all of which join an empty batch, until each has ended.

    Args:
        has_ended: is asked after each token of a row; the limit of its draws ends it anyway.
    """
    running = list(rows)
    batch.join(running)
    while True:
        ended = [row for row in running if has_ended(row) or len(row.new) >= len(row.draws)]
        batch.leave(ended)
        running = [row for row in running if row not in ended]
        if not running:
            return
        batch.step()


def rows_at_once(model: "PreTrainedModel | PeftModel", tokens: int, most: int) -> int:
    """How many rows of so many tokens are answered together, at most `most`: their keys and values stay within `_CACHE_BYTES`."""
    config: Any = model.config.get_text_config()
    heads = getattr(config, "num_attention_heads", 32)
    size = getattr(config, "head_dim", None) or getattr(config, "hidden_size", 4096) // heads
    width = (getattr(config, "num_key_value_heads", None) or heads) * size
    row = 2 * model.dtype.itemsize * getattr(config, "num_hidden_layers", 32) * width * max(tokens, 1)
    return max(1, min(most, _CACHE_BYTES // row))
