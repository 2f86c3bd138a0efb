"""What merging and exporting did, in lines for people."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from train.exports.transformers_folder import Exported
    from train.shelf.merging_difference import Difference


def merged_lines(exported: "Exported") -> Iterator[str]:
    """What was merged, and how far it is from the adapter as trained."""
    merged = exported.merged
    into = f"as trained (quantisation: {merged.quantisation})" if merged.method == "exact" else "its own weights"
    how = "one weight at a time" if merged.layer_by_layer else "with the whole model in memory"
    yield f"merged into {merged.base}, {into}: {merged.changed:,} of {merged.weights:,} weights changed, stored as {merged.dtype}, {how}"
    if exported.difference:
        yield from _difference_lines(exported.difference)


def _difference_lines(difference: "Difference") -> Iterator[str]:
    kind = "held-out samples" if difference.held_out else "built-in conversations"
    yield f"against the adapter as trained, on {difference.texts:,} {kind} ({difference.positions:,} positions of replies):"
    share = f"{difference.mean / difference.spread:.2%} of their spread, {difference.spread:.3f}"
    yield f"  logits differ by {difference.mean:.4f} in the mean ({share}), by {difference.largest:.3f} at most"
    yield f"  KL divergence {difference.kl:.2e} nats, the same likeliest token at {difference.greedy:.2%}"


def samples_beside(adapter: Path) -> Path | None:
    """The samples of the adapter's run, where both splits that were held out of the training are there."""
    samples = adapter.parent / "samples"
    held_out = all((samples / f"{split}.parquet").is_file() for split in ("test", "validation"))
    return samples if held_out else None
