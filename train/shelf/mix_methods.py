"""Methods of mixing adapters: those of PEFT's `add_weighted_adapter`, on the adapters' matrices alone, without their base.

`cat` puts the matrices side by side: exactly the weighted sum of what the adapters change, at the sum of their ranks. `svd` is the best
approximation of that sum at one rank (Eckart and Young 1936), found in the small matrices: PEFT takes the whole product of each layer
apart, which for a large base takes hours. The others mix A with A and B with B, so that the product also holds what no
adapter learned: `linear`; `magnitude_prune`, which keeps the largest numbers; `ties` (Yadav et al. 2023), which then keeps those of the
sign that prevails; `dare_linear` and `dare_ties` (Yu et al. 2024), which keep random numbers, scaled up.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import torch
from peft import LoraConfig
from peft.tuners.lora import LoraLayer, LoraModel
from torch.nn.functional import pad

from formats.errors import UserError
from train.adapters.matrices import LowRank

Method = Literal["cat", "svd", "linear", "ties", "dare_ties", "dare_linear", "magnitude_prune"]
METHODS: tuple[str, ...] = get_args(Method)

THINNING = ("ties", "dare_ties", "dare_linear", "magnitude_prune")
"""Those that keep a share of the numbers only."""

RANDOM = ("dare_ties", "dare_linear")
"""Those that draw which ones."""

_MIX = "mix"


@dataclass(frozen=True)
class Blend:
    """How adapters are mixed.

    Args:
        density: the share of the numbers that is kept, of the methods that keep a share.
        rank: of the mix, of `svd`; None: the highest of its parts.
        seed: of what is kept, of the methods that draw.
    """

    method: Method = "cat"
    density: float = 0.5
    rank: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.density <= 1:
            raise UserError(f"density {self.density:g}: expected a share above 0 and at most 1")
        if self.rank is not None and self.method != "svd":
            raise UserError(f"a rank goes with the method svd alone, not with {self.method}; leave it out, or name that method")

    def options(self) -> dict[str, float | int]:
        """What of these settings the method looks at."""
        options: dict[str, float | int] = {}
        if self.method in THINNING:
            options["density"] = self.density
        if self.method in RANDOM:
            options["seed"] = self.seed
        if self.method == "svd" and self.rank is not None:
            options["rank"] = self.rank
        return options


@dataclass(frozen=True)
class Ingredient:
    """An adapter that is mixed: its name, its layers with their scale in B, that scale, and how much it counts."""

    name: str
    layers: Mapping[str, LowRank]
    scale: float
    weight: float

    @property
    def rank(self) -> int:
        """The highest of its layers."""
        return max(len(layer.a) for layer in self.layers.values())


def blended(parts: Sequence[Ingredient], blend: Blend) -> dict[str, LowRank]:
    """The mixed matrices of all layers that one of the parts changes, of equal rank and with their scale in them.

    Raises:
        UserError: a layer differs in size between two parts, or ranks differ where the method needs equal ones.
    """
    if len(parts) == 1 and blend.method in THINNING:
        raise UserError(f"{blend.method} mixes two adapters or more, and {parts[0].name} is one; take cat to change its strength")
    if blend.method not in ("cat", "svd") and len({part.rank for part in parts}) > 1:
        shown = ", ".join(f"{part.name} has {part.rank}" for part in parts)
        raise UserError(f"{blend.method} mixes adapters of equal rank, and {shown}; take cat or svd")
    sizes = _sizes(parts)
    if blend.rank is not None and blend.rank > (highest := min(sum(part.rank for part in parts), *map(min, sizes.values()))):
        raise UserError(f"rank {blend.rank}: the sum of the adapters has at most {highest} in some layer; take that or less")
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        # A density of 1 is said to prune nothing.
        warnings.simplefilter("ignore")
        tuner = _tuner(parts, sizes)
        torch.manual_seed(blend.seed)
        tuner.add_weighted_adapter(
            [str(place) for place in range(len(parts))],
            [part.weight for part in parts],
            _MIX,
            combination_type="cat" if blend.method == "svd" else blend.method,
            density=blend.density,
        )
    layers: dict[str, Any] = {name: module for name, module in tuner.model.named_modules() if isinstance(module, LoraLayer)}
    mixed = {name: LowRank(layer.lora_A[_MIX].weight.data, layer.lora_B[_MIX].weight.data) for name, layer in layers.items()}
    if blend.method != "svd":
        return mixed
    rank = blend.rank or max(part.rank for part in parts)
    return {name: _nearest(layer, rank) for name, layer in mixed.items()}


def _nearest(layer: LowRank, rank: int) -> LowRank:
    """The matrices of a rank whose product is nearest to that of others: its largest singular values, all of them in B as PEFT has them."""
    of_b, upper_b = torch.linalg.qr(layer.b)
    of_a, upper_a = torch.linalg.qr(layer.a.T)
    left, values, right = torch.linalg.svd(upper_b @ upper_a.T, full_matrices=False)
    # A layer with a side narrower than the rank has no more values: what is missing is nothing.
    missing = max(0, rank - len(values))
    a, b = right[:rank] @ of_a.T, of_b @ (left[:, :rank] * values[:rank])
    return LowRank(pad(a, (0, 0, 0, missing)), pad(b, (0, missing)))


def _sizes(parts: Sequence[Ingredient]) -> dict[str, tuple[int, int]]:
    """The shape (out, in) of each layer."""
    sizes: dict[str, tuple[int, int]] = {}
    for part in parts:
        for layer, change in part.layers.items():
            size = len(change.b), change.a.shape[1]
            if sizes.setdefault(layer, size) != size:
                raise UserError(
                    f"{part.name}: its {layer} is of another size than in {parts[0].name}; they were trained on different bases"
                )
    return sizes


def _tuner(parts: Sequence[Ingredient], sizes: Mapping[str, tuple[int, int]]) -> Any:
    """PEFT's adapters on layers that hold nothing.

    The scale is said as alpha / rank in every case: PEFT would give a mix of rank-stabilised adapters the square root of its rank as scale.
    """
    tuner: Any = None
    for place, part in enumerate(parts):
        name, alpha = str(place), cast(int, part.scale * part.rank)
        config = LoraConfig(r=part.rank, lora_alpha=alpha, target_modules=list(part.layers), init_lora_weights=False)
        if tuner is None:
            tuner = LoraModel(_hollow(sizes), config, name)
        else:
            tuner.peft_config[name] = config
            tuner.inject_adapter(tuner.model, name)
        for path, change in part.layers.items():
            layer: Any = tuner.model.get_submodule(path)
            _put(layer.lora_A[name].weight, change.a, 0)
            _put(layer.lora_B[name].weight, change.b / part.scale, 1)
    return tuner


def _put(parameter: torch.nn.Parameter, matrix: torch.Tensor, dim: int) -> None:
    """Fills a parameter, of a layer with a lower rank than the others with zeros beyond it."""
    parameter.data.zero_()
    parameter.data.narrow(dim, 0, matrix.shape[dim]).copy_(matrix)


def _hollow(sizes: Mapping[str, tuple[int, int]]) -> torch.nn.Module:
    """A tree of linear layers whose weights are one zero each, however large they look."""
    root = torch.nn.Module()
    for name, (rows, columns) in sizes.items():
        *path, last = name.split(".")
        inner = root
        for step in path:
            if step not in dict(inner.named_children()):
                inner.add_module(step, torch.nn.Module())
            inner = inner.get_submodule(step)
        layer = torch.nn.Linear(columns, rows, bias=False, device="meta")
        layer.weight = torch.nn.Parameter(torch.zeros(()).expand(rows, columns), requires_grad=False)
        inner.add_module(last, layer)
    return root
