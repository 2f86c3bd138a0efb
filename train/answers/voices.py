"""Several adapters beside the layers of one base: each row of a batch is answered by another, by a mix of them, or by the base alone.

An adapter adds `B A x` to what a layer puts out. Adapters that speak at once are one wide adapter whose inner columns count as much
as their adapter weighs in the row: switching is another set of weights, a mix is exactly the weighted sum of what the adapters change, and
requests for different adapters are computed in one pass. PEFT's `adapter_names` computes each adapter's rows apart, knows no weights in
a batch and no DoRA there.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from formats.errors import UserError
from train.adapters.folder import Adapter
from train.adapters.matrices import Rows, read_matrices
from train.answers.beside import BesideLayer, BesideRows, Change, Speaking, layer_shape, layer_weight

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Mix = Mapping[str, float]
"""How much each adapter counts; empty: the base alone."""


class Voices:
    """Adapters beside the layers of a model that answers; while nobody is named, the model is the base alone.

    Args:
        model: the base; hooks are put on its layers, its weights stay as they are.
    """

    def __init__(self, model: "PreTrainedModel") -> None:
        self.model = model
        self._names: list[str] = []
        self._layers: dict[str, BesideLayer] = {}
        self._rows: dict[str, BesideRows] = {}
        self._together: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The adapters, in the order in which they came."""
        return tuple(self._names)

    def add(self, name: str, adapter: Adapter) -> None:
        """Puts an adapter beside the layers; one of that name is replaced.

        Raises:
            UserError: its files are damaged, or its matrices do not fit the base.
        """
        found = read_matrices(adapter.folder)
        modules: dict[str, Any] = dict(self.model.named_modules())
        missing = [layer for layer in (*found.layers, *found.rows) if layer not in modules]
        wrong = [
            layer
            for layer, change in found.layers.items()
            if layer in modules and layer_shape(modules[layer], found.transposed) != (len(change.b), change.a.shape[1])
        ]
        if missing or wrong:
            what = f"there is no {missing[0]}" if missing else f"{wrong[0]} has another shape"
            raise UserError(
                f"{adapter.folder}: does not fit the base {self.model.name_or_path}, in which {what}; it was trained on {adapter.base}"
            )
        self.remove(name)
        self._names.append(name)
        dtype, device = self.model.dtype, self.model.device
        for place, change in found.layers.items():
            gain = None if change.magnitude is None else change.gain(layer_weight(modules[place], found.transposed))
            b = change.b if gain is None else change.b * gain[:, None]
            added = Change(change.a.to(device, dtype), b.to(device, dtype), None if gain is None else (gain - 1).to(device))
            if place not in self._layers:
                self._layers[place] = BesideLayer(modules[place])
            self._layers[place].changes[name] = added
        for place, rows in self._everywhere(found.rows).items():
            if place not in self._rows:
                self._rows[place] = BesideRows(modules[place])
            self._rows[place].add(name, rows)

    def remove(self, name: str) -> None:
        """Takes an adapter away, if it is there; no row of a batch may still need it."""
        if name not in self._names:
            return
        self._names.remove(name)
        self._together = ()
        hooked: dict[str, Any]
        for hooked in (self._layers, self._rows):
            for place in [place for place, one in hooked.items() if one.remove(name)]:
                del hooked[place]

    @contextmanager
    def speaking(self, mixes: Sequence[Mix]) -> Iterator[None]:
        """While it lasts, row `i` of what goes through the model is answered by `mixes[i]`; one mix stands for all rows.

        Raises:
            UserError: there is no adapter of that name.
        """
        speaking = self._chosen(mixes)
        hooked: list[BesideLayer | BesideRows] = [*self._layers.values(), *self._rows.values()]
        for one in hooked:
            one.speaking = speaking
        try:
            yield
        finally:
            for one in hooked:
                one.speaking = None

    def _chosen(self, mixes: Sequence[Mix]) -> Speaking | None:
        used = {name for mix in mixes for name, weight in mix.items() if weight}
        if unknown := used.difference(self._names):
            raise UserError(f"{sorted(unknown)[0]}: no such adapter here; there are {', '.join(self._names) or 'none'}")
        if not used:
            return None
        # Adapters that were put side by side stay so while several of them speak: joining them anew copies them.
        if len(used) == 1 or not used.issubset(self._together):
            self._together = tuple(name for name in self._names if name in used)
        rows = mixes[:1] if all(mix == mixes[0] for mix in mixes) else mixes
        weights = torch.tensor([[[mix.get(name, 0.0) for name in self._together]] for mix in rows], device=self.model.device)
        return Speaking(self._together, weights)

    def _everywhere(self, rows: Mapping[str, Rows]) -> dict[str, Rows]:
        """The trained rows, those of an embedding in the output matrix too where the two are one."""
        model: Any = self.model
        inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
        names = {id(module): name for name, module in model.named_modules()}
        found = dict(rows)
        if outputs is not None and outputs.weight is inputs.weight and names[id(inputs)] in rows:
            found.setdefault(names[id(outputs)], rows[names[id(inputs)]])
        return found
