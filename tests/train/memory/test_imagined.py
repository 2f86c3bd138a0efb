"""Tensors without memory: what is alive is counted, and what decides a program's way is known."""

import torch

from train.memory.imagined import Imagination


def test_bytes_are_alive_from_making_to_letting_go() -> None:
    imagination = Imagination()
    with imagination:
        weight = torch.empty(1000, 10)
        assert imagination.live == 40_000
        view = weight.t()
        assert imagination.live == 40_000
        del weight
        assert imagination.live == 40_000, "a view holds what it looks at"
        half = view.to(torch.bfloat16)
        assert imagination.live == 60_000
        del view
        assert (imagination.live, imagination.peak) == (20_000, 60_000)
        imagination.mark()
        assert imagination.peak == imagination.live
        del half
    assert imagination.live == 0


def test_the_backward_pass_frees_what_was_kept_for_it() -> None:
    imagination = Imagination()
    with imagination:
        weight = torch.nn.Parameter(torch.empty(8, 8))
        x = torch.empty(100, 8)
        before = imagination.live
        loss = (x @ weight).relu().sum()
        assert imagination.live - before >= 100 * 8 * 4, "relu keeps its output"
        loss.backward()
        del loss
        assert imagination.live - before == 8 * 8 * 4, "the gradient stays"


def test_lengths_and_masks_are_known_numbers_are_not() -> None:
    with Imagination():
        starts = torch.tensor([0, 3, 5])
        assert starts.diff().tolist() == [3, 2]
        mask = torch.tensor([True, False, True])
        assert bool(mask.any())
        assert torch.empty(3, 7)[mask].shape == (2, 7)
        assert torch.empty(1, 3, 7)[mask[None]].shape == (2, 7)
        assert torch.arange(4).float().shape == (4,)


def test_no_memory_is_taken() -> None:
    with Imagination() as imagination:
        huge = torch.empty(1 << 40, dtype=torch.uint8)
        assert huge.add(huge).shape == (1 << 40,)
    assert imagination.peak == 2 << 40
