"""A search by edge-popup that begins with a dense selection."""

import warnings

import keras

from tf_tickets.layers import masked_weights, value_of
from tf_tickets.pruning.counts import counts_inside
from tf_tickets.sparse_training.density_schedules import annealed_densities
from tf_tickets.sparse_training.edge_popup import EdgePopup
from tf_tickets.support.numbers import check_whole, is_number


class AnnealedDensity(keras.callbacks.Callback):
    """Lets a search by edge-popup begin with a dense selection, and takes it to the target in levels.

    The training is cut into levels of equal length; level k selects (target / start)^(1 / levels) times what
    the level before did, never more than the masks have, and the last the target. Of more levels than epochs
    some are passed over, never the last.

    Args:
        start: density before the first level, in (0, 1], not below the target's.
        levels: how many.

    Raises:
        ValueError: a value out of range; at the start of training, a model without edge-popup layers, or a
            start below the target's density.
    """

    def __init__(self, start: float = 0.6, levels: int = 5):
        super().__init__()
        if not is_number(start) or not 0 < start <= 1:
            raise ValueError(f"start= is a density in (0, 1]. Received: {start!r}")
        self.start = float(start)
        self.levels = check_whole("levels=", levels, 1)
        self._parametrizations: list[EdgePopup] = []
        self._counts: list[list[int]] = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        entries = masked_weights(self.model)
        found = [entry.layer.parametrizations.get(entry.attribute) for entry in entries]
        self._parametrizations = [x for x in found if isinstance(x, EdgePopup)]
        if not self._parametrizations or len(self._parametrizations) < len(entries):
            raise ValueError(
                f"Model '{self.model.name}' does not search by edge-popup: call "
                "tf_tickets.sparse_training.edge_popup(model, sparsity) first."
            )
        masks = [value_of(entry.mask) for entry in entries]
        total = sum(mask.size for mask in masks)
        source = sum(int(mask.sum()) for mask in masks) / total
        target = [parametrization.target for parametrization in self._parametrizations]
        last = sum(target) / total
        if round(self.start * total) < sum(target):
            raise ValueError(
                f"start={self.start} is below the density that the search ends at, {last:.6g}: levels go "
                "down. Raise start=, or give edge_popup a higher sparsity."
            )
        densities = annealed_densities(max(self.start, last), last, self.levels, source)
        ratios = self._parametrizations[0].ratios
        self._counts = [
            *(counts_inside(self.model, 1 - density, ratios, masks) for density in densities[:-1]),
            target,
        ]

    def on_train_end(self, logs: dict | None = None) -> None:
        total = sum(entry.size for entry in masked_weights(self.model))
        counts = [int(value_of(x.variables["count"])) for x in self._parametrizations]
        if counts != self._counts[-1]:
            warnings.warn(
                f"AnnealedDensity did not reach its target: the training ended at a density of "
                f"{sum(counts) / total:.6g}, and {sum(self._counts[-1]) / total:.6g} was asked for. The "
                "selection is left as it is.",
                stacklevel=2,
            )

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        epochs = self.params.get("epochs") or 1
        level = min(-(-(epoch + 1) * self.levels // epochs), self.levels) - 1
        for parametrization, count in zip(self._parametrizations, self._counts[level], strict=True):
            parametrization.variables["count"].assign(count)
