"""`MultiHeadAttention`: dimensions of values that nothing enters or nobody reads; heads without any."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence

import keras
import numpy as np

from tf_tickets.compaction.rule import Rule, Shrunk, has_adapters
from tf_tickets.compaction.site import Facts, Kept, Need, Site

QUERY, KEY, VALUE, OUTPUT = "_query_dense", "_key_dense", "_value_dense", "_output_dense"
PARTS = (QUERY, KEY, VALUE, OUTPUT)


class Attention(Rule):
    """Weights of attention sum to one: a value that is the same at all positions comes out as it is."""

    weights = tuple(f"{part}.{name}" for part in PARTS for name in ("kernel", "bias"))

    def unknown(self, site: Site) -> str | None:
        layer, (given, got) = site.layer, site.sizes
        if getattr(layer, "_use_gate", False):
            return "its values are gated"
        if any(getattr(layer, part).kernel.ndim != 3 for part in PARTS):
            return "its heads are not those of one axis"
        adapters = [reason for part in PARTS if (reason := has_adapters(getattr(layer, part)))]
        if adapters:
            return adapters[0]
        if len(got) > 1:
            return "its attention scores are taken"
        taken = {site.call.inputs[place] for place in self._placed(site).values()}
        if taken != set(site.call.inputs) or not all(given):
            return "it takes other tensors than query, value and key"
        return None

    def constants(self, site: Site, given: Sequence[Facts]) -> list[Facts]:
        constant, value = self._outputs(site, given)
        return [Facts.of(constant, value)]

    def needs(self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]) -> list[Need]:
        live = self._live(site, given, wanted[0])
        places = self._placed(site)
        found: list[Need] = []
        reads = {
            QUERY: (site.weights[f"{QUERY}.kernel"][:, live.any(1)] != 0).any((1, 2)),
            KEY: (site.weights[f"{KEY}.kernel"][:, live.any(1)] != 0).any((1, 2)),
            VALUE: (site.weights[f"{VALUE}.kernel"] * live != 0).any((1, 2)),
        }
        for place, facts in enumerate(given):
            read = np.any([reads[part] for part, of in places.items() if of == place], axis=0)
            found.append(Need.to_read(read, facts, fixed=site.shared))
        return found

    def shrink(self, site: Site, given: Sequence[Facts], kept: Kept) -> Shrunk:
        constant, before = self._outputs(site, given)
        computed = kept.wanted[0] & ~constant
        live = self._live(site, given, computed)
        places = self._placed(site)
        weights: dict[str, np.ndarray] = {}
        heads = np.flatnonzero(live.any(1)) if live.any() else np.zeros(1, int)
        size = max(1, int(live.sum(1).max()))
        # As many dimensions in each head; what fills up a head is multiplied with zeros.
        order = np.argsort(~live[heads], axis=1, kind="stable")[:, :size]
        filling = ~np.take_along_axis(live[heads], order, axis=1)
        biased = f"{VALUE}.bias" in site.weights
        for part in (QUERY, KEY, VALUE):
            kernel = site.weights[f"{part}.kernel"].astype(np.float64)
            facts, stays = given[places[part]], kept.inputs[places[part]]
            bias = site.weights.get(f"{part}.bias", np.zeros(kernel.shape[1:])).astype(np.float64)
            gone = facts.nonzero & ~stays
            if not site.shared:
                bias = bias + np.einsum("i,ihd->hd", facts.value[gone].astype(np.float64), kernel[gone])
            kernel, bias = kernel[stays][:, heads], bias[heads]
            if part == VALUE:
                kernel = np.take_along_axis(kernel, order[None], axis=2)
                bias = np.take_along_axis(bias, order, axis=1)
            weights[f"{part}.kernel"], weights[f"{part}.bias"] = kernel, bias
        kernel = site.weights[f"{OUTPUT}.kernel"].astype(np.float64)
        bias = site.weights.get(f"{OUTPUT}.bias", np.zeros(kernel.shape[2])).astype(np.float64)
        bias = np.where(constant, before, bias + self._settled(site, given, live))
        bias[~computed & ~constant] = 0
        kernel = kernel * computed
        kernel = np.take_along_axis(kernel[heads], order[:, :, None], axis=1)
        kernel[filling] = 0
        weights[f"{OUTPUT}.kernel"] = kernel[:, :, kept.outputs[0]]
        weights[f"{OUTPUT}.bias"] = bias[kept.outputs[0]]
        biased = biased or any(weights[f"{part}.bias"].any() for part in PARTS)
        if not biased:
            weights = {name: value for name, value in weights.items() if not name.endswith("bias")}
        config = {
            "num_heads": len(heads),
            "value_dim": size,
            "output_shape": (int(kept.outputs[0].sum()),),
            "use_bias": biased,
        }
        return Shrunk(config, weights, {"values": (live.size, len(heads) * size)})

    @staticmethod
    def _placed(site: Site) -> dict[str, int]:
        """Part of the layer -> which of the inputs it takes."""
        places = {number: place for place, number in reversed(list(enumerate(site.call.inputs)))}
        args, kwargs = site.call.arguments({number: _Place(place) for number, place in places.items()})
        given = inspect.signature(keras.layers.MultiHeadAttention.call).bind(None, *args, **kwargs).arguments
        names = {QUERY: "query", VALUE: "value", KEY: "value" if given.get("key") is None else "key"}
        return {part: given[name].number for part, name in names.items()}

    def _values(self, site: Site, given: Sequence[Facts]) -> tuple[np.ndarray, np.ndarray]:
        """Of each head and dimension of the values: whether it varies, and what it is where it does not."""
        facts = given[self._placed(site)[VALUE]]
        kernel = site.weights[f"{VALUE}.kernel"].astype(np.float64)
        bias = site.weights.get(f"{VALUE}.bias", np.zeros(kernel.shape[1:])).astype(np.float64)
        varying = np.ones_like(facts.constant) if site.shared else ~facts.constant
        fixed = np.einsum("i,ihd->hd", np.where(varying, 0, facts.value).astype(np.float64), kernel)
        return (kernel[varying] != 0).any(0), fixed + bias

    def _live(self, site: Site, given: Sequence[Facts], wanted: np.ndarray) -> np.ndarray:
        """`(heads, dimensions)`: what varies and is read by an output that is wanted."""
        varying, _ = self._values(site, given)
        return varying & (site.weights[f"{OUTPUT}.kernel"][:, :, wanted] != 0).any(2)

    def _settled(self, site: Site, given: Sequence[Facts], live: np.ndarray) -> np.ndarray:
        """What dimensions that are taken out, and do not vary, add to each output."""
        varying, values = self._values(site, given)
        return np.einsum("hd,hdo->o", np.where(varying | live, 0, values), site.weights[f"{OUTPUT}.kernel"])

    def _outputs(self, site: Site, given: Sequence[Facts]) -> tuple[np.ndarray, np.ndarray]:
        """Which outputs are constant, and their values."""
        varying, values = self._values(site, given)
        kernel = site.weights[f"{OUTPUT}.kernel"].astype(np.float64)
        value = np.einsum("hd,hdo->o", np.where(varying, 0, values), kernel)
        value = value + site.weights.get(f"{OUTPUT}.bias", 0.0)
        return ~(kernel[varying] != 0).any(0), value


@dataclasses.dataclass(frozen=True)
class _Place:
    """Stands for an input among the arguments of a call."""

    number: int


ATTENTION = Attention()
