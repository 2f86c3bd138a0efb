"""`lorum` in float32, with FSDP on processors: accelerate spreads models over GPUs only, so it is told that these processors are some."""

import os
import sys

import accelerate.state
import torch
from accelerate.utils import DistributedType

import train.bases.base_model
import train.learning.arguments
import train.learning.processes
from curate.cli import main


def _backend(self: object, cpu: bool = False, sagemaker_dp: bool = False, backend: str | None = None) -> tuple[str, DistributedType]:
    return "gloo", DistributedType.MULTI_GPU


def _set_device(self: accelerate.state.PartialState) -> None:
    self.device = torch.device("cpu")


accelerate.state.PartialState._prepare_backend = _backend
accelerate.state.PartialState.set_device = _set_device
torch.cuda.set_device = lambda index: None
for module in (train.bases.base_model, train.learning.arguments):
    module.compute_dtype = lambda: torch.float32
train.learning.processes.require_gpus = lambda: None
os.environ |= {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP"}
os.environ |= {"FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT", "FSDP_RESHARD_AFTER_FORWARD": "true"}
main(sys.argv[1:])
