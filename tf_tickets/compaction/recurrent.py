"""Recurrent layers: units that nothing enters stay zero, and units that nobody reads are not needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.compaction.elementwise import activated, not_elementwise
from tf_tickets.compaction.rule import Rule, Shrunk, evened
from tf_tickets.compaction.site import Facts, Kept, Need, Site, Tie

KERNELS = ("cell.kernel", "cell.recurrent_kernel", "cell.bias")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell's weights, cut into gates.

    Attributes:
        kernel: `(inputs, gates, units)`.
        recurrent: `(units, gates, units)`.
        bias: `(1 or 2, gates, units)`: of the inputs, and of the state where that has its own.
        candidate: the gate whose value the state takes up.
    """

    kernel: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray
    candidate: int

    def zero_units(self, varying: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Which units are zero at every step: nothing that is not zero enters what their state takes up.

        Args:
            varying: which inputs are not constant.
            values: of those that are.
        """
        kernel, recurrent = self.kernel[:, self.candidate], self.recurrent[:, self.candidate]
        entering = values.astype(np.float64) @ np.where(varying[:, None], 0, kernel)
        zero = ~(kernel[varying] != 0).any(0)
        # Exactly: a unit that is about zero is not zero.
        zero &= (entering == 0) & (self.bias[:, self.candidate] == 0).all(0)
        while True:
            fewer = zero & ~(recurrent[~zero] != 0).any(0)
            if (fewer == zero).all():
                return zero
            zero = fewer

    def needed_units(self, wanted: np.ndarray, zero: np.ndarray) -> np.ndarray:
        """Which units some wanted unit depends on, also over several steps."""
        reads = (self.recurrent != 0).any(1) & ~zero[:, None]
        needed = wanted & ~zero
        while True:
            more = needed | reads[:, needed].any(1)
            if (more == needed).all():
                return needed
            needed = more


class Recurrent(Rule):
    """`LSTM`, `GRU`, `SimpleRNN`.

    Args:
        gates: number of gates, in the order of the kernel's columns.
        candidate: see `Cell`.
    """

    weights = KERNELS

    def __init__(self, gates: int, candidate: int) -> None:
        self.gates = gates
        self.candidate = candidate

    def unknown(self, site: Site) -> str | None:
        cell = site.layer.cell
        given, got = site.sizes
        if set(given[1:]) | set(got) != {cell.units}:
            return "its states are not those of its units"
        return _unlike(cell)

    def ties(self, site: Site) -> Iterable[Tie]:
        first, *others = [*site.call.outputs, *site.call.inputs[1:]]
        for other in others:
            yield Tie.of_all(first, other, site.layer.cell.units)

    def constants(self, site: Site, given: Sequence[Facts]) -> list[Facts]:
        zero = self._zero(site, given)
        return [Facts(zero, np.zeros(len(zero), np.float32))] * len(site.outputs)

    def wanted_within(
        self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]
    ) -> Sequence[np.ndarray]:
        needed = self.cell(site.weights).needed_units(np.any(wanted, axis=0), self._zero(site, given))
        return [needed] * len(wanted)

    def needs(self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]) -> list[Need]:
        cell = self.cell(site.weights)
        needed = cell.needed_units(np.any(wanted, axis=0), self._zero(site, given))
        need = input_need(cell, given[0], needed, site.shared)
        return [need, *[Need.only(needed)] * (len(given) - 1)]

    def shrink(self, site: Site, given: Sequence[Facts], kept: Kept) -> Shrunk:
        cell = self.cell(site.weights)
        needed = cell.needed_units(np.any(kept.wanted, axis=0), self._zero(site, given))
        weights, biased = cut(
            cell, "cell.bias" in site.weights, given[0], kept.inputs[0], kept.outputs[0], needed, site.shared
        )
        weights = _laid_out(weights, site.layer.cell)
        units = int(kept.outputs[0].sum())
        return Shrunk({"units": units, "use_bias": biased}, {f"cell.{k}": v for k, v in weights.items()})

    def cell(self, weights: Mapping[str, np.ndarray], prefix: str = "cell") -> Cell:
        """The cell's weights, by gates."""
        kernel, recurrent = weights[f"{prefix}.kernel"], weights[f"{prefix}.recurrent_kernel"]
        units = recurrent.shape[0]
        bias = weights.get(f"{prefix}.bias", np.zeros(self.gates * units, np.float32))
        return Cell(
            kernel.reshape(len(kernel), self.gates, units),
            recurrent.reshape(units, self.gates, units),
            bias.reshape(-1, self.gates, units),
            self.candidate,
        )

    def _zero(self, site: Site, given: Sequence[Facts]) -> np.ndarray:
        cell = self.cell(site.weights)
        zero = cell.zero_units(*_entering(given[0], site.shared))
        for state in given[1:]:
            starts = state.constant & ~state.nonzero & (not site.shared)
            while not (zero <= starts).all():
                zero = zero & starts
                zero &= ~(cell.recurrent[~zero][:, self.candidate] != 0).any(0)
        return zero


class BothWays(Rule):
    """`Bidirectional` of a recurrent layer, its outputs side by side.

    Args:
        rules: class of the layer within -> its rule.
    """

    weights = tuple(f"{way}_layer.{name}" for way in ("forward", "backward") for name in KERNELS)

    def __init__(self, rules: Mapping[type, Recurrent]) -> None:
        self.rules = rules

    def unknown(self, site: Site) -> str | None:
        layer = site.layer
        ways = (layer.forward_layer, layer.backward_layer)
        if type(ways[0]) is not type(ways[1]) or type(ways[0]) not in self.rules:
            return f"it holds a {type(ways[0]).__name__}"
        if layer.merge_mode != "concat":
            return f"its merge_mode is {layer.merge_mode!r}"
        if layer.return_state or len(site.inputs) > 1:
            return "its states are taken or given"
        return _unlike(ways[0].cell) or _unlike(ways[1].cell)

    def constants(self, site: Site, given: Sequence[Facts]) -> list[Facts]:
        zero = np.concatenate(
            [cell.zero_units(*_entering(given[0], site.shared)) for cell in self._cells(site)]
        )
        return [Facts(zero, np.zeros(len(zero), np.float32))]

    def wanted_within(
        self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]
    ) -> Sequence[np.ndarray]:
        return [np.concatenate(self._needed(site, given, wanted))]

    def needs(self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]) -> list[Need]:
        needs = [
            input_need(cell, given[0], needed, site.shared)
            for cell, needed in zip(self._cells(site), self._needed(site, given, wanted), strict=True)
        ]
        return [
            Need.only(
                np.any([need.wanted for need in needs], axis=0),
                np.any([need.pinned for need in needs], axis=0),
            )
        ]

    def balance(self, site: Site, kept: Kept) -> Iterable[tuple[int, np.ndarray]]:
        # Keras takes it that both directions have as many units.
        for positions in evened(kept.outputs[0].reshape(2, -1)):
            yield site.call.outputs[0], positions

    def shrink(self, site: Site, given: Sequence[Facts], kept: Kept) -> Shrunk:
        needed = self._needed(site, given, kept.wanted)
        ways = kept.outputs[0].reshape(2, -1)
        config, weights = {}, {}
        cells = self._cells(site)
        had_bias = "forward_layer.cell.bias" in site.weights
        cuts = [
            cut(cell, had_bias, given[0], kept.inputs[0], stays, of_way, site.shared)
            for cell, stays, of_way in zip(cells, ways, needed, strict=True)
        ]
        biased = any(flag for _, flag in cuts)
        for way, cell, stays, (found, _) in zip(("forward", "backward"), cells, ways, cuts, strict=True):
            layer = getattr(site.layer, f"{way}_layer")
            within = keras.saving.serialize_keras_object(layer)
            within.pop("build_config", None)  # of inputs as they were
            within["config"].update(units=int(ways[0].sum()), use_bias=biased)
            config["layer" if way == "forward" else "backward_layer"] = within
            if biased:
                # Where only the other direction needs one, Keras would begin with another than zero.
                found.setdefault("bias", np.zeros_like(cell.bias[..., stays]))
            for name, value in _laid_out(found, layer.cell).items():
                weights[f"{way}_layer.cell.{name}"] = value
        return Shrunk(config, weights)

    def _cells(self, site: Site) -> list[Cell]:
        rule = self.rules[type(site.layer.forward_layer)]
        return [rule.cell(site.weights, f"{way}_layer.cell") for way in ("forward", "backward")]

    def _needed(self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]) -> list[np.ndarray]:
        entering = _entering(given[0], site.shared)
        return [
            cell.needed_units(of_way, cell.zero_units(*entering))
            for cell, of_way in zip(self._cells(site), wanted[0].reshape(2, -1), strict=True)
        ]


def input_need(cell: Cell, facts: Facts, needed: np.ndarray, shared: bool) -> Need:
    """What a cell needs of its inputs, for the units that are needed; the bias stands for constant ones."""
    read = (cell.kernel[:, :, needed] != 0).any((1, 2))
    return Need.to_read(read, facts, fixed=shared)


def cut(
    cell: Cell,
    had_bias: bool,
    facts: Facts,
    inputs: np.ndarray,
    units: np.ndarray,
    needed: np.ndarray,
    shared: bool,
) -> tuple[dict[str, np.ndarray], bool]:
    """The cell's weights for the inputs and units that stay, and whether it has a bias."""
    kernel, recurrent = cell.kernel.astype(np.float64), cell.recurrent.astype(np.float64)
    bias = cell.bias.astype(np.float64)
    for values in (kernel, recurrent, bias):
        values[..., ~needed] = 0
    gone = facts.nonzero & ~inputs
    if not shared:
        bias[0] += np.einsum("i,igu->gu", facts.value[gone].astype(np.float64), kernel[gone])
    weights = {"kernel": kernel[inputs][..., units], "recurrent_kernel": recurrent[units][..., units]}
    biased = had_bias or bool(bias.any())
    if biased:
        weights["bias"] = bias[..., units]
    return weights, biased


def _laid_out(weights: Mapping[str, np.ndarray], cell: Any) -> dict[str, np.ndarray]:
    """Weights by gates, as Keras stores them."""
    found = {name: value.reshape(len(value), -1) for name, value in weights.items()}
    if "bias" in found:
        # A state with a bias of its own has one for each of the two.
        bias = found["bias"]
        if not getattr(cell, "reset_after", False):
            found["bias"] = bias[0]
        elif len(bias) == 1:
            found["bias"] = np.concatenate([bias, np.zeros_like(bias)])
    return found


def _entering(facts: Facts, shared: bool) -> tuple[np.ndarray, np.ndarray]:
    """Which inputs vary, and the values of the others."""
    if shared:
        return np.ones_like(facts.constant), np.zeros_like(facts.value)
    return ~facts.constant, facts.value


def _unlike(cell: Any) -> str | None:
    for name in ("activation", "recurrent_activation"):
        reason = not_elementwise(getattr(cell, name, None))
        if reason:
            return reason
    zero = activated(cell.activation, np.zeros(1), "float32")
    return "its activation does not leave zero at zero" if zero[0] != 0 else None


RECURRENT: dict[type, Recurrent] = {
    keras.layers.LSTM: Recurrent(gates=4, candidate=2),
    keras.layers.GRU: Recurrent(gates=3, candidate=2),
    keras.layers.SimpleRNN: Recurrent(gates=1, candidate=0),
}
BOTH_WAYS = BothWays(RECURRENT)
