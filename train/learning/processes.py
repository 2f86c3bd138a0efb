"""Several processes that train one adapter, as `torchrun` or `accelerate launch` starts them: who writes, and what they agree on."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed

from formats.errors import UserError

_MAIN_SPEAKS_S = 15.0
"""How long another process waits for the main one to fail, to say so, and to be noticed by the launcher."""


@dataclass(frozen=True)
class Processes:
    """This process among those that train together; alone where nothing started several."""

    count: int = 1
    rank: int = 0
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def wait(self) -> None:
        """Returns when all have come here."""
        if self.count > 1:
            distributed.barrier()

    def agreed(self, value: Any) -> Any:
        """What the main process has."""
        if self.count == 1:
            return value
        shared = [value]
        distributed.broadcast_object_list(shared, src=0)
        return shared[0]

    def summed(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, element by element."""
        if self.count > 1:
            distributed.all_reduce(values)
        return values

    def any_of(self, flag: bool, device: torch.device) -> bool:
        """Whether it is true in any of them."""
        return bool(self.summed(torch.tensor(int(flag), device=device)).item()) if self.count > 1 else flag


def this_process() -> Processes:
    """What the launcher's environment says (`WORLD_SIZE`, `RANK`, `LOCAL_RANK`): both torchrun and accelerate set all three."""
    names = ("WORLD_SIZE", "RANK", "LOCAL_RANK")
    if not all(name in os.environ for name in names):
        return Processes()
    return Processes(*(int(os.environ[name]) for name in names))


def spreads_base() -> bool:
    """Whether `accelerate launch` was told to spread the base over the processes (FSDP)."""
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"


@contextmanager
def one_voice() -> Iterator[bool]:
    """Whether this process is the one that writes and speaks; what every process meets is told by that one alone."""
    is_main = this_process().is_main
    try:
        yield is_main
    except Exception:
        if not is_main:
            # Where the main process failed as well, the launcher ends this one before it says the same again.
            time.sleep(_MAIN_SPEAKS_S)
        raise


def require_gpus() -> None:
    """Refuses to spread a base over processes on CPUs.

    Raises:
        UserError: there is no GPU.
    """
    if not torch.cuda.is_available():
        # accelerate 1.15 passes over it in silence, and each process would hold the whole base.
        raise UserError("ACCELERATE_USE_FSDP is set, and a base is spread over GPUs only; leave FSDP out: on CPUs each has it whole")


@contextmanager
def joined() -> Iterator[Processes]:
    """Joins this process with the others: gloo on CPUs, NCCL and a GPU for each on GPUs.

    Raises:
        UserError: the base is to be spread over processes on CPUs.
    """
    processes = this_process()
    if spreads_base():
        require_gpus()
    joins = processes.count > 1 and not distributed.is_initialized()
    if processes.count > 1 and torch.cuda.is_available():
        # Whatever is loaded onto "cuda" from here on goes to this process's own.
        torch.cuda.set_device(processes.local_rank)
    if joins:
        # NCCL moves tensors on GPUs only; gloo beside it takes what the processes agree on.
        distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield processes
    finally:
        if joins:
            distributed.destroy_process_group()
