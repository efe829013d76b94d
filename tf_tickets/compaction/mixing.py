"""Layers whose outputs are sums over input channels: dense layers and convolutions, also transposed ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tf_tickets.compaction.elementwise import activated, not_elementwise
from tf_tickets.compaction.rule import Rule, Shrunk, evened, has_adapters
from tf_tickets.compaction.site import Facts, Kept, Need, Site


@dataclasses.dataclass(frozen=True)
class Mixing(Rule):
    """A kernel, a bias and an activation.

    Attributes:
        units: key of the config that says how many outputs there are.
        taps: (layer, kernel) -> the kernel as `(taps, inputs, outputs)`.
        kernel: (layer, taps) -> the kernel, of as many channels as the taps have.
        padded: (layer) -> whether what a constant channel adds may depend on the position.
        unlike: (site) -> why a layer of the class is none of this kind; None where it is.
    """

    units: str
    taps: Callable[[Any, np.ndarray], np.ndarray]
    kernel: Callable[[Any, np.ndarray], np.ndarray]
    padded: Callable[[Any], bool]
    unlike: Callable[[Site], str | None] = lambda site: None

    weights = ("kernel", "bias")

    def unknown(self, site: Site) -> str | None:
        if getattr(site.layer, "data_format", None) == "channels_first":
            return "its channels come first"
        return self.unlike(site) or has_adapters(site.layer)

    def stays_whole(self, site: Site) -> str | None:
        return not_elementwise(site.layer.activation)

    def constants(self, site: Site, given: Sequence[Facts]) -> list[Facts]:
        constant, before = self._constants(site, given[0])
        value = activated(site.layer.activation, before, site.layer.compute_dtype)
        return [Facts.of(constant, value)]

    def needs(self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]) -> list[Need]:
        (facts,) = given
        read = self._reads(site)[:, wanted[0]].any(1)
        need = Need.to_read(read, facts, fixed=site.shared)  # a shared layer's bias is that of all calls
        if site.shared or not self.padded(site.layer):
            return [need]
        return [dataclasses.replace(need, carried=read & facts.nonzero)]

    def shrink(self, site: Site, given: Sequence[Facts], kept: Kept) -> Shrunk:
        (facts,), layer = given, site.layer
        taps = self.taps(layer, site.weights["kernel"])
        constant, before = self._constants(site, facts)
        bias = np.where(constant, before, _bias(site, taps))
        # A constant output is its bias alone, and what nobody looks at is nothing.
        computed = kept.wanted[0] & ~constant
        bias[~computed & ~constant] = 0
        gone = facts.nonzero & ~kept.inputs[0]
        carriers = kept.carriers[0]
        if self.padded(layer) and carriers is not None:
            taps = _carried(taps, facts, np.where(gone, carriers, -1))
        elif not (site.shared or self.padded(layer)):
            bias += _entering(taps, facts, gone) * computed
        # Whole kernels may be large: only what stays of them is copied.
        taps, bias = self._cut(site, kept, taps), bias[kept.outputs[0]]
        taps[:, :, ~computed[kept.outputs[0]]] = 0
        weights = {"kernel": self.kernel(layer, taps)}
        biased = "bias" in site.weights or bool(bias.any())
        if biased:
            weights["bias"] = bias
        return Shrunk({**self._form(site, kept), **self._biased(site, biased)}, weights)

    def _cut(self, site: Site, kept: Kept, taps: np.ndarray) -> np.ndarray:
        """A copy of `taps` `(taps, inputs, outputs)` with what stays."""
        return taps[np.ix_(np.arange(len(taps)), kept.inputs[0], kept.outputs[0])]

    def _form(self, site: Site, kept: Kept) -> dict[str, Any]:
        return {self.units: int(kept.outputs[0].sum())}

    def _biased(self, site: Site, biased: bool) -> dict[str, Any]:
        return {"use_bias": biased}

    def _reads(self, site: Site) -> np.ndarray:
        """`(inputs, outputs)`: whether any tap of a pair is not zero."""
        return (self.taps(site.layer, site.weights["kernel"]) != 0).any(0)

    def _constants(self, site: Site, facts: Facts) -> tuple[np.ndarray, np.ndarray]:
        """Which outputs are constant, and their values before the activation, float64."""
        taps = self.taps(site.layer, site.weights["kernel"])
        reads = (taps != 0).any(0)
        varying = ~facts.constant
        if site.shared:
            varying = np.ones_like(varying)
        elif self.padded(site.layer):
            varying = varying | facts.nonzero
        before = 0.0 if site.shared else _entering(taps, facts, facts.nonzero)
        return ~reads[varying].any(0), before + _bias(site, taps)


@dataclasses.dataclass(frozen=True)
class Grouped(Mixing):
    """A convolution whose groups of channels do not meet; each keeps as many channels as the others."""

    def needs(self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]) -> list[Need]:
        (need,) = super().needs(site, given, wanted)
        return [dataclasses.replace(need, groups=site.layer.groups)]

    def balance(self, site: Site, kept: Kept) -> Iterable[tuple[int, np.ndarray]]:
        groups = site.layer.groups
        sides = (
            (site.call.inputs[0], kept.inputs[0].reshape(groups, -1)),
            (site.call.outputs[0], kept.outputs[0].reshape(groups, -1)),
        )
        alive = np.any([stays.any(1) for _, stays in sides], axis=0)
        for number, stays in sides:
            for positions in evened(stays, alive):
                yield number, positions

    def _cut(self, site: Site, kept: Kept, taps: np.ndarray) -> np.ndarray:
        every = np.arange(len(taps))
        return np.concatenate(
            [taps[np.ix_(every, *members)] for members in self._members(site, kept)], axis=2
        )

    def _form(self, site: Site, kept: Kept) -> dict[str, Any]:
        return {**super()._form(site, kept), "groups": len(self._members(site, kept))}

    def _members(self, site: Site, kept: Kept) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each group that stays, its inputs and outputs that do."""
        sides = [stays.reshape(site.layer.groups, -1) for stays in (kept.inputs[0], kept.outputs[0])]
        return [
            (np.flatnonzero(inputs) + group * len(inputs), np.flatnonzero(outputs) + group * len(outputs))
            for group, (inputs, outputs) in enumerate(zip(*sides, strict=True))
            if outputs.any()
        ]


@dataclasses.dataclass(frozen=True)
class Einsum(Mixing):
    """An `EinsumDense` that is a dense layer over the last axis."""

    def _form(self, site: Site, kept: Kept) -> dict[str, Any]:
        shape = site.layer.partial_output_shape
        return {"output_shape": (*shape[:-1], int(kept.outputs[0].sum()))}

    def _biased(self, site: Site, biased: bool) -> dict[str, Any]:
        return {"bias_axes": site.layer.equation.replace(" ", "")[-1] if biased else None}


def _bias(site: Site, taps: np.ndarray) -> np.ndarray:
    bias = site.weights.get("bias")
    return np.zeros(taps.shape[2]) if bias is None else bias.astype(np.float64)


def _entering(taps: np.ndarray, facts: Facts, channels: np.ndarray) -> np.ndarray:
    """What constant channels add to each output where nothing is padded, float64."""
    return facts.value[channels].astype(np.float64) @ taps[:, channels].sum(0, dtype=np.float64)


def _carried(taps: np.ndarray, facts: Facts, carriers: np.ndarray) -> np.ndarray:
    """A copy of `taps` in which carriers stand for others; -1 for channels that need none."""
    taps = taps.copy()
    for carrier in np.unique(carriers[carriers >= 0]):
        channels = np.flatnonzero(carriers == carrier)
        ratios = facts.value[channels].astype(np.float64) / float(facts.value[carrier])
        taps[:, carrier] = taps[:, carrier] + np.einsum("c,tco->to", ratios, taps[:, channels])
    return taps


def _dense_taps(layer: Any, kernel: np.ndarray) -> np.ndarray:
    return kernel[None]


def _dense_kernel(layer: Any, taps: np.ndarray) -> np.ndarray:
    return taps[0]


def _convolution_taps(layer: Any, kernel: np.ndarray) -> np.ndarray:
    return kernel.reshape(-1, *kernel.shape[-2:])


def _convolution_kernel(layer: Any, taps: np.ndarray) -> np.ndarray:
    return taps.reshape(*layer.kernel_size, *taps.shape[1:])


def _grouped_taps(layer: Any, kernel: np.ndarray) -> np.ndarray:
    taps = kernel.reshape(-1, *kernel.shape[-2:])
    count, inputs, outputs = taps.shape
    whole = np.zeros((count, layer.groups, inputs, layer.groups, outputs // layer.groups), kernel.dtype)
    for group, block in enumerate(np.split(taps, layer.groups, axis=2)):
        whole[:, group, :, group] = block
    return whole.reshape(count, layer.groups * inputs, outputs)


def _transposed_taps(layer: Any, kernel: np.ndarray) -> np.ndarray:
    return _convolution_taps(layer, kernel).swapaxes(1, 2)


def _transposed_kernel(layer: Any, taps: np.ndarray) -> np.ndarray:
    return _convolution_kernel(layer, taps.swapaxes(1, 2))


def pads(layer: Any) -> bool:
    """Whether zeros are put around what a convolution sees."""
    return layer.padding != "valid" and any(size > 1 for size in layer.kernel_size)


def _scatters(layer: Any) -> bool:
    return any(size > 1 for size in (*layer.kernel_size, *layer.strides))


def _never(layer: Any) -> bool:
    return False


def not_over_the_last_axis(site: Site) -> str | None:
    """Why an `EinsumDense` is more than a dense layer over the last axis of its input."""
    left, _, result = site.layer.equation.replace(" ", "").partition("->")
    given, _, kernel = left.partition(",")
    last = len(kernel) == 2 and given[-1:] == kernel[0] and result[-1:] == kernel[1]
    plain = last and given[:-1] == result[:-1] and kernel[1] not in given
    axes = site.layer.bias_axes
    return None if plain and axes in (None, kernel[1]) else f"its equation is {site.layer.equation}"


DENSE = Mixing("units", _dense_taps, _dense_kernel, _never)
EINSUM = Einsum("output_shape", _dense_taps, _dense_kernel, _never, not_over_the_last_axis)
CONVOLUTION = Mixing("filters", _convolution_taps, _convolution_kernel, pads)
GROUPED_CONVOLUTION = Grouped("filters", _grouped_taps, _convolution_kernel, pads)
TRANSPOSED_CONVOLUTION = Mixing("filters", _transposed_taps, _transposed_kernel, _scatters)
