"""Runs PyTorch code on tensors that have a shape and a type and no memory, and counts the bytes that would be alive.

Numbers with a point are only imagined: no program may look at them. Positions, lengths and masks are small and decide which way a
program takes, so they are computed.
"""

import weakref
from collections.abc import Sequence
from typing import Any, Self

import torch
from bitsandbytes.backends.default.ops import _gemm_4bit_default_impl
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

_COMPUTED = (torch.bool, torch.int32, torch.int64)
"""Eight-bit integers are left out: weights and states of optimizers are packed into them."""

_COMPUTED_AT_MOST = 1 << 26
"""Elements; masks beyond are imagined as well."""

_ASKS_FOR_VALUES = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}

_INDEX = torch.ops.aten.index.Tensor


class Imagination(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows every operation, and the storages that they leave alive.

    `live` is the number of bytes alive now, `peak` the highest since `mark` was called.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.fake = FakeTensorMode(allow_non_fake_inputs=True)
        self.live = 0
        self.peak = 0
        self._sizes: dict[int, int] = {}

    def mark(self) -> None:
        """Begins a new stretch, whose highest is `peak`."""
        self.peak = self.live

    def __enter__(self) -> Self:
        self.fake.__enter__()
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *reason: Any) -> None:
        super().__exit__(*reason)  # type: ignore[no-untyped-call]
        self.fake.__exit__(*reason)

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.bitsandbytes.gemm_4bit.default:
            # The kernel unpacks the whole weight, which its result does not show.
            with self:
                return _gemm_4bit_default_impl(*args, **kwargs)
        result = self._run(func, args, kwargs)
        for tensor in _tensors(result):
            self._count(tensor)
        return result

    def _run(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if func is _INDEX:
            args = (args[0], _as_numbers(args[1]))
        if any(isinstance(tensor, FakeTensor) or tensor.dtype not in _COMPUTED for tensor in _tensors((args, kwargs))):
            return func(*args, **kwargs)
        if not _ASKS_FOR_VALUES.intersection(func.tags):
            shaped = func(*args, **kwargs)
            if any(tensor.dtype not in _COMPUTED or tensor.numel() > _COMPUTED_AT_MOST for tensor in _tensors(shaped)):
                return shaped
        with unset_fake_temporarily():
            return func(*args, **kwargs)

    def _count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        size = storage.nbytes()
        before = self._sizes.get(key)
        if before is None:
            weakref.finalize(storage, self._freed, key)
        if before != size:
            self._sizes[key] = size
            self.live += size - (before or 0)
            self.peak = max(self.peak, self.live)

    def _freed(self, key: int) -> None:
        self.live -= self._sizes.pop(key, 0)


def _tensors(values: Any) -> list[torch.Tensor]:
    return [value for value in tree_flatten(values)[0] if isinstance(value, torch.Tensor)]


def _as_numbers(indices: Sequence[Any]) -> list[Any]:
    """Computed masks among the indices of a tensor as the numbers of their places: how many those are has to be known."""
    numbered: list[Any] = []
    for index in indices:
        if isinstance(index, torch.Tensor) and index.dtype == torch.bool and not isinstance(index, FakeTensor):
            with unset_fake_temporarily():
                numbered.extend(index.nonzero(as_tuple=True))
        else:
            numbered.append(index)
    return numbered
