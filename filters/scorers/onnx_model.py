"""Runs a classifier in ONNX Runtime on a processor, in float32 or with weights and activations in int8."""

import logging
import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from filters.rule import RuleError
from filters.scorers.batches import CPU_BUDGET
from filters.scorers.classifier import Classifier, one_line

Runtime = Literal["torch", "onnx", "onnx-int8"]

MODEL = "model.onnx"

TRACED = ["a text", "another text that is longer than the first"]
"""What the exporter sees; the model takes any number of texts of any length."""


class OnnxModel:
    """A classifier, converted for ONNX Runtime.

    Args:
        runtime: `onnx` (float32), or `onnx-int8` (dynamic quantisation: weights once, activations as they come).
        cache: the folder in which the converted model is kept, under `onnx`; it is thrown away where there is none.

    Raises:
        RuleError: a package is missing, or the model cannot be converted.
    """

    budget = CPU_BUDGET

    def __init__(self, classifier: Classifier, runtime: Runtime, cache: Path | None) -> None:
        try:
            import onnx  # noqa: F401
            import onnxruntime
            import onnxscript  # noqa: F401
        except ImportError as error:
            raise RuleError(
                f"toxicity: runtime {runtime} needs the packages onnx, onnxscript and onnxruntime ({error}); pip install 'lorum[onnx]'"
            ) from None
        self.name = runtime
        with tempfile.TemporaryDirectory() as passing:
            folder = (cache or Path(passing)) / "onnx" / f"{classifier.key}-{runtime}"
            if not folder.is_dir():
                try:
                    _convert(classifier, folder, int8=runtime == "onnx-int8")
                except Exception as error:  # the exporter raises whatever an operator that it does not know leads to
                    raise RuleError(
                        f"toxicity: cannot convert {classifier.key} for ONNX Runtime ({one_line(error)}); leave runtime out"
                    ) from error
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            self._session = onnxruntime.InferenceSession(folder / MODEL, options, providers=["CPUExecutionProvider"])
        self._inputs = {wanted.name for wanted in self._session.get_inputs()}

    def logits(self, batches: Iterable[Mapping[str, Any]]) -> list[NDArray[np.float32]]:
        """Float32 logits of each batch, shape (texts, labels)."""
        return [
            np.asarray(
                self._session.run(["logits"], {name: value.numpy() for name, value in batch.items() if name in self._inputs})[0], np.float32
            )
            for batch in batches
        ]


def _convert(classifier: Classifier, folder: Path, int8: bool) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    unfinished = folder.with_name(f".{uuid.uuid4().hex}.tmp")
    unfinished.mkdir(parents=True)
    try:
        with _quiet():
            _export(classifier, unfinished / MODEL)
            if int8:
                exported = onnx.load(unfinished / MODEL)
                # The exporter's shapes do not fit those that quantisation infers, and it gives up.
                del exported.graph.value_info[:]
                shutil.rmtree(unfinished)
                unfinished.mkdir()
                quantize_dynamic(exported, unfinished / MODEL, weight_type=QuantType.QInt8)
        if not folder.is_dir():
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _export(classifier: Classifier, path: Path) -> None:
    import torch

    inputs = dict(classifier.tokenizer(TRACED, padding=True, return_tensors="pt"))
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}

    torch.onnx.export(
        classifier.model.float(),
        (),
        path,
        kwargs=inputs,
        input_names=list(inputs),
        output_names=["logits"],
        dynamic_shapes=dict.fromkeys(inputs, free),
        dynamo=True,
        verbose=False,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter and the quantisation tell much that is for their authors."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
