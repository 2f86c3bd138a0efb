"""Looks at the row of a base's output matrix that puts out the stop, without loading the model.

An adapter on the linear layers leaves this matrix as it is. A token whose row no training ever moved cannot be told from its fellows
by the model, so no adapter teaches it to stop there.
"""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from formats.contract.report import OutputRow
from formats.errors import UserError
from train.bases.weights import INDEX, WHOLE, local_file

if TYPE_CHECKING:
    from train.bases.base_model import Base

OUTPUTS = ("lm_head.weight", "embed_out.weight")
"""How the names of output matrices end."""

EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight")
"""How the names of input matrices end, which are the output's as well where a base ties them."""

BLOCKS, BLOCK = 32, 128
"""So many stretches of so many rows stand for the vocabulary, and one around the token: reserved tokens lie side by side."""

SAME = 0.02
"""Rows nearer than this are one, in medians of the rows' distance from their mean. In SmolLM2-135M the eleven tokens that it never saw
lie within 0.002 of each other, the nearest two rows of words are 0.2 apart, `<|im_end|>` is 0.2 from the never seen."""

FELLOWS = 2
"""As many other rows at the same place make it one that nothing moved."""

MEAN = 0.1
"""A row so near the mean was put there when the vocabulary grew (transformers does so); those of SmolLM2-135M are 0.72 and more away."""

SMALL = 0.3
"""A row this much shorter than the shortest hundredth of the others was left as it was filled."""

Matrix = NDArray[np.float32]


def output_row(base: "Base", token: int) -> OutputRow:
    """Whether the row of a token in the base's output matrix was ever trained.

    Only some thousand rows are read. Never-trained rows are found by where they lie, as in Land and Bartolo 2024 ("Fishing for
    Magikarp"): weights without a gradient of their own go the same way, so they end up as one row, near zero, or at the mean. Fresh
    random numbers as long as the other rows cannot be told from a trained row. Weights that are not on this computer are not fetched:
    then it is not judged.

    Raises:
        UserError: the weights are damaged.
    """
    from safetensors import SafetensorError

    tied = bool(getattr(base.config.get_text_config(), "tie_word_embeddings", False))
    try:
        found = _matrix(base.location, tied)
        if found is None:
            return OutputRow(None, tied, f"the weights of {base.name} are not at hand in safetensors, only what describes them")
        file, name = found
        row, others = _rows(file, name, token)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"base {base.name}: its weights are damaged ({type(error).__name__}: {reason}); fetch it again") from None
    return _judged(row, others, token, tied)


def _judged(row: Matrix | None, others: Matrix, token: int, tied: bool) -> OutputRow:
    """The verdict on a row, given others of the matrix, shape (rows, width)."""
    matrix = "the embedding (tied, so the output matrix as well)" if tied else "the output matrix"
    if row is None:
        return OutputRow(False, tied, f"token {token} has no row in {matrix}", exists=False)
    mean = others.mean(axis=0)
    scale = float(np.median(np.linalg.norm(others - mean, axis=1))) or 1.0
    lengths = np.linalg.norm(others, axis=1)
    same = int((np.linalg.norm(others - row, axis=1) < SAME * scale).sum())
    if not np.isfinite(row).all() or np.linalg.norm(row) < SMALL * np.quantile(lengths, 0.01):
        return OutputRow(False, tied, f"its row in {matrix} is nearly zero")
    if same >= FELLOWS:
        return OutputRow(False, tied, f"its row in {matrix} is the same as that of {same} other tokens, so no training told them apart")
    if np.linalg.norm(row - mean) < MEAN * scale:
        return OutputRow(False, tied, f"its row in {matrix} is the mean of the others, as when a vocabulary was grown")
    return OutputRow(True, tied, f"its row in {matrix} differs from those that were never trained")


def _rows(file: Path, name: str, token: int) -> tuple[Matrix | None, Matrix]:
    """The row of the token (None where there is none), and rows of others, the file being mapped and not read."""
    from safetensors import safe_open

    with ExitStack() as stack:
        matrix = stack.enter_context(safe_open(str(file), framework="pt")).get_slice(name)
        count = int(matrix.get_shape()[0])
        starts = np.unique(np.linspace(0, max(0, count - BLOCK), BLOCKS).astype(int))
        chosen = {number for start in [*starts, token - BLOCK // 2] for number in range(max(0, start), min(count, start + BLOCK))}
        others = [matrix[first : last + 1] for first, last in _stretches(sorted(chosen - {token}))]
        row = _as_numbers(matrix[token : token + 1])[0] if 0 <= token < count else None
        return row, np.concatenate([_as_numbers(stretch) for stretch in others])


def _stretches(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of following numbers."""
    edges = np.flatnonzero(np.diff(numbers) != 1).tolist()
    firsts = [numbers[0], *(numbers[edge + 1] for edge in edges)]
    return list(zip(firsts, [*(numbers[edge] for edge in edges), numbers[-1]], strict=True))


def _as_numbers(rows: Any) -> Matrix:
    numbers: Matrix = rows.float().numpy()
    return numbers


def _matrix(location: str, tied: bool) -> tuple[Path, str] | None:
    """The file of the output matrix and its name there; None where no safetensors file on this computer holds it in plain numbers."""
    from safetensors import safe_open

    for file in _files(location):
        with safe_open(str(file), framework="pt") as weights:
            names = list(weights.keys())
            endings = (*OUTPUTS, *EMBEDDINGS) if tied else OUTPUTS
            held = [name for ending in endings for name in names if name.endswith(ending)]
            for name in held:
                if weights.get_slice(name).get_dtype() in ("F64", "F32", "F16", "BF16"):
                    return file, name
    return None


def _files(location: str) -> list[Path]:
    """The safetensors files of a base, those that hold an output matrix first; none where they would have to be fetched."""
    index = local_file(location, INDEX)
    if index is None:
        whole = local_file(location, WHOLE)
        return [whole] if whole else []
    places: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    wanted = [file for ending in (*OUTPUTS, *EMBEDDINGS) for name, file in places.items() if name.endswith(ending)]
    found = (local_file(location, file) for file in dict.fromkeys(wanted))
    return [file for file in found if file is not None]
