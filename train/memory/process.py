"""What a training takes beside tensors: the process with its libraries, or the CUDA context."""

import sys
from pathlib import Path

import torch

CUDA_CONTEXT = 500 << 20
"""Bytes of a CUDA context with PyTorch's kernels where none can be measured: `nvidia-smi` shows 300 to 600 MiB for a process that holds
one small tensor, more on newer GPUs and with more kernels loaded."""


def process_bytes(device: str) -> int:
    """Bytes that are taken before a model is loaded: measured in this process, which has loaded what a training loads.

    On a GPU what the device has in use beside PyTorch's tensors; where there is no GPU, `CUDA_CONTEXT`.
    """
    if device != "cuda":
        return _resident_bytes()
    if not torch.cuda.is_available():
        return CUDA_CONTEXT
    torch.empty(1, device="cuda")
    free, total = torch.cuda.mem_get_info()
    return max(0, total - free - torch.cuda.memory_reserved())


def free_bytes(device: str) -> int | None:
    """Bytes that a program could take now beside what is in use; None where the system does not say."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    memory = Path("/proc/meminfo")
    lines = memory.read_text(encoding="ascii", errors="replace").splitlines() if memory.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _resident_bytes() -> int:
    """The resident set of this process, with the libraries of the training in it."""
    import train.learning.trainer  # noqa: F401

    status = Path("/proc/self/status")
    if status.is_file():
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), 0)
    import resource

    # Not on Linux: the highest so far, in bytes on macOS.
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024
