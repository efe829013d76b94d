"""Convolutions of each channel by itself: depthwise ones, and separable ones, which mix them afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tf_tickets.compaction.elementwise import activated, not_elementwise
from tf_tickets.compaction.mixing import pads
from tf_tickets.compaction.rule import Rule, Shrunk
from tf_tickets.compaction.site import Facts, Kept, Need, Site, Tie


class Depthwise(Rule):
    """Channel c goes to the m channels c * m, ..., c * m + m - 1, which go together with it."""

    weights = ("kernel", "bias")

    def unknown(self, site: Site) -> str | None:
        return "its channels come first" if site.layer.data_format == "channels_first" else None

    def stays_whole(self, site: Site) -> str | None:
        return not_elementwise(site.layer.activation)

    def ties(self, site: Site) -> Iterable[Tie]:
        every = np.arange(site.sizes[1][0])
        yield Tie((site.call.inputs[0], site.call.outputs[0]), every // site.layer.depth_multiplier, every)

    def constants(self, site: Site, given: Sequence[Facts]) -> list[Facts]:
        taps, layer = _taps(site.weights["kernel"]), site.layer
        multiplier = taps.shape[2]
        constant, nonzero = given[0].constant[:, None], given[0].nonzero[:, None]
        if site.shared:
            constant, nonzero = np.zeros_like(constant), np.zeros_like(nonzero)
        known = (constant & ~(nonzero & pads(layer))) | ~(taps != 0).any(0)
        before = (given[0].value[:, None] * taps.sum(0, dtype=np.float64)).reshape(-1)
        before = np.where(np.repeat(constant[:, 0], multiplier), before, 0) + site.weights.get("bias", 0.0)
        return [Facts.of(known.reshape(-1), activated(layer.activation, before, layer.compute_dtype))]

    def needs(self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]) -> list[Need]:
        read = (_taps(site.weights["kernel"]) != 0).any(0)
        return [Need.only((read & wanted[0].reshape(read.shape)).any(1))]

    def shrink(self, site: Site, given: Sequence[Facts], kept: Kept) -> Shrunk:
        weights = {"kernel": site.weights["kernel"][..., kept.inputs[0], :]}
        if "bias" in site.weights:
            weights["bias"] = site.weights["bias"][kept.outputs[0]]
        return Shrunk({"use_bias": "bias" in weights}, weights)


class Separable(Rule):
    """A depthwise convolution and one of size 1; the channels between them are nobody else's."""

    weights = ("depthwise_kernel", "pointwise_kernel", "bias")

    def unknown(self, site: Site) -> str | None:
        return "its channels come first" if site.layer.data_format == "channels_first" else None

    def stays_whole(self, site: Site) -> str | None:
        return not_elementwise(site.layer.activation)

    def constants(self, site: Site, given: Sequence[Facts]) -> list[Facts]:
        constant, before = self._constants(site, given[0])
        return [Facts.of(constant, activated(site.layer.activation, before, site.layer.compute_dtype))]

    def needs(self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]) -> list[Need]:
        (facts,) = given
        read = self._reads(site)[:, wanted[0]].any(1)
        return [Need.to_read(read, facts, fixed=pads(site.layer) or site.shared)]

    def shrink(self, site: Site, given: Sequence[Facts], kept: Kept) -> Shrunk:
        (facts,), depthwise = given, site.weights["depthwise_kernel"]
        multiplier = depthwise.shape[-1]
        pointwise = site.weights["pointwise_kernel"].astype(np.float64)
        constant, before = self._constants(site, facts)
        bias = np.where(constant, before, site.weights.get("bias", 0.0))
        computed = kept.wanted[0] & ~constant
        pointwise[..., ~computed] = 0
        bias[~computed & ~constant] = 0
        gone = facts.nonzero & ~kept.inputs[0]
        if not (site.shared or pads(site.layer)):
            bias = bias + _through(facts.value * gone, depthwise) @ _matrix(pointwise)
        stays = np.repeat(kept.inputs[0], multiplier)
        weights = {
            "depthwise_kernel": depthwise[..., kept.inputs[0], :],
            "pointwise_kernel": pointwise[..., stays, :][..., kept.outputs[0]],
        }
        bias = bias[kept.outputs[0]]
        biased = "bias" in site.weights or bool(bias.any())
        if biased:
            weights["bias"] = bias
        return Shrunk({"filters": len(bias), "use_bias": biased}, weights)

    def _reads(self, site: Site) -> np.ndarray:
        """`(inputs, outputs)`."""
        taps = (_taps(site.weights["depthwise_kernel"]) != 0).any(0)
        matrix = (_matrix(site.weights["pointwise_kernel"]) != 0).reshape(*taps.shape, -1)
        return (taps[:, :, None] & matrix).any(1)

    def _constants(self, site: Site, facts: Facts) -> tuple[np.ndarray, np.ndarray]:
        varying = ~facts.constant
        if site.shared:
            varying = np.ones_like(varying)
        elif pads(site.layer):
            varying = varying | facts.nonzero
        before = _through(facts.value * ~varying, site.weights["depthwise_kernel"]) @ _matrix(
            site.weights["pointwise_kernel"].astype(np.float64)
        )
        return ~self._reads(site)[varying].any(0), before + site.weights.get("bias", 0.0)


def _taps(kernel: np.ndarray) -> np.ndarray:
    """`(taps, channels, multiplier)`."""
    return kernel.reshape(-1, *kernel.shape[-2:])


def _matrix(kernel: np.ndarray) -> np.ndarray:
    """A kernel of size 1, as `(inputs, outputs)`."""
    return kernel.reshape(kernel.shape[-2:])


def _through(values: np.ndarray, depthwise: np.ndarray) -> np.ndarray:
    """What constant channels are behind a depthwise kernel, where nothing is padded."""
    return (values[:, None] * _taps(depthwise).sum(0, dtype=np.float64)).reshape(-1)


DEPTHWISE = Depthwise()
SEPARABLE = Separable()
