"""How much memory a training took at most."""

import ctypes
import gc
import resource
import sys
from pathlib import Path

import torch

_CLEAR_REFS, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_RESET_PEAK = "5"
"""What resets `VmHWM` when it is written to `clear_refs`: proc_pid_clear_refs(5)."""


def start_peak() -> None:
    """Begins anew, so that what came before in this process does not count: its peak, not what it still holds."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return
    gc.collect()
    # Loading a base leaves freed memory with the C library, which keeps it: hundreds of megabytes that the training may not need.
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK, encoding="ascii")
    except OSError:
        # Not on Linux, or not allowed: the peak of the whole process is what there is.
        return


def peak_bytes() -> int:
    """The most memory in bytes since `start_peak`, of this process.

    On a GPU what PyTorch had allocated, and the rest that the device has in use beside what PyTorch reserved: the CUDA context, and other
    programs where there are any. On a CPU the resident set.
    """
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        return torch.cuda.max_memory_allocated() + max(0, total - free - torch.cuda.memory_reserved())
    try:
        status = _STATUS.read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        # Not on Linux: of the whole process, in bytes on macOS.
        highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return highest if sys.platform == "darwin" else highest * 1024
