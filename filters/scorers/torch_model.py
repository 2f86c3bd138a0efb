"""Runs a classifier in torch, on a processor or a GPU, in float32 or bfloat16."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from filters.rule import RuleError
from filters.scorers.batches import CPU_BUDGET, GPU_BUDGET

Precision = Literal["auto", "float32", "bfloat16"]

BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
"""As Linux names what multiplies bfloat16 in hardware, on x86 and on Arm; elsewhere it is emulated, and slower than float32."""


class TorchModel:
    """A classifier's weights in torch.

    The batches of a call go to a GPU from pinned memory and without waiting for one another: while it works on one, the next is
    padded and copied; the logits come back at the end of the call.
    """

    def __init__(self, model: Any, precision: Literal["float32", "bfloat16"], device: str) -> None:
        import torch

        self.name = precision
        self.budget = CPU_BUDGET if device == "cpu" else GPU_BUDGET
        self._device = torch.device(device)
        self._model = model.to(self._device, getattr(torch, precision)).eval()

    def logits(self, batches: Iterable[Mapping[str, Any]]) -> list[NDArray[np.float32]]:
        """Float32 logits of each batch, shape (texts, labels)."""
        import torch

        pins, found = self._device.type == "cuda", []
        with torch.inference_mode():
            for batch in batches:
                here = {name: (value.pin_memory() if pins else value).to(self._device, non_blocking=pins) for name, value in batch.items()}
                found.append(self._model(**here).logits.float())
            return [logits.cpu().numpy() for logits in found]


def device_of(device: str) -> str:
    """The device by its name in torch; `auto` is a GPU where there is one.

    Raises:
        RuleError: there is no such device.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
        if torch.device(device).type == "meta":
            raise RuntimeError("meta computes nothing")
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = " ".join(str(error).partition("\n")[0].split())
        raise RuleError(f"toxicity: no device {device!r} here ({reason}); expected auto, cpu, cuda, cuda:1 or mps") from None
    return device


def precision_of(precision: Precision, device: str) -> Literal["float32", "bfloat16"]:
    """The precision on a device; `auto` is bfloat16 where the device multiplies it in hardware, else float32."""
    import torch

    if precision != "auto":
        return precision
    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if device == "cpu" and _multiplies_bf16(Path("/proc/cpuinfo")) else "float32"


def _multiplies_bf16(processors: Path) -> bool:
    """Whether the first processor that the system lists says so."""
    if not processors.is_file():
        return False
    lines = processors.read_text(errors="replace").splitlines()
    flags = next((line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "features"))), "")
    return bool(BF16_FLAGS & set(flags.split()))
