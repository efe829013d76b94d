"""Layers that treat each channel by itself, and those that bring tensors together channel by channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.compaction.elementwise import not_elementwise
from tf_tickets.compaction.rule import Rule, Shrunk
from tf_tickets.compaction.site import Facts, Kept, Need, Site, Tie
from tf_tickets.layers import value_of


class Channelwise(Rule):
    """One input, one output, channel c to channel c.

    Args:
        values: (site, facts of the input) -> facts of the output.
        weights: attributes with one value a channel along their last axis.
        unlike: (site) -> why a layer of the class is none of this kind; None where it is.
    """

    def __init__(
        self,
        values: Callable[[Site, Facts], Facts],
        weights: tuple[str, ...] = (),
        unlike: Callable[[Site], str | None] = lambda site: None,
    ) -> None:
        self.values = values
        self.weights = weights
        self.unlike = unlike

    def unknown(self, site: Site) -> str | None:
        given, got = site.sizes
        if len(given) != 1 or given != got or not given[0]:
            return "its channels do not go one to one"
        if getattr(site.layer, "data_format", None) == "channels_first":
            return "its channels come first"
        return self.unlike(site)

    def ties(self, site: Site) -> Iterable[Tie]:
        yield Tie.of_all(site.call.inputs[0], site.call.outputs[0], site.sizes[0][0])

    def constants(self, site: Site, given: Sequence[Facts]) -> list[Facts]:
        return [self.values(site, given[0])]

    def needs(self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]) -> list[Need]:
        return [Need.only(wanted[0])]

    def shrink(self, site: Site, given: Sequence[Facts], kept: Kept) -> Shrunk:
        stays = kept.inputs[0]
        return Shrunk(
            {},
            {
                name: value[..., stays] if value.shape[-1] == len(stays) else value  # or one for all channels
                for name, value in site.weights.items()
            },
        )


class Merging(Rule):
    """Several inputs of as many channels (or of one, for all), computed with channel by channel.

    Args:
        absorbs: whether an output is zero wherever one of the inputs is.
    """

    def __init__(self, absorbs: bool = False) -> None:
        self.absorbs = absorbs

    def unknown(self, site: Site) -> str | None:
        given, got = site.sizes
        if len(got) != 1 or not got[0] or set(given) - {1, got[0]} or got[0] not in given:
            return "its channels do not go one to one"
        own = vars(site.layer).values() if not isinstance(site.layer, keras.Layer) else ()
        others = [x for x in (*keras.tree.flatten(_other_arguments(site)), *own) if _of_each_channel(x)]
        return "an argument of it is an array" if others else None

    def ties(self, site: Site) -> Iterable[Tie]:
        (got,) = site.sizes[1]
        for number, channels in zip(site.call.inputs, site.sizes[0], strict=True):
            if channels == got:
                yield Tie.of_all(number, site.call.outputs[0], got)

    def constants(self, site: Site, given: Sequence[Facts]) -> list[Facts]:
        (got,) = site.sizes[1]
        (value,) = site.computed([facts.value for facts in given])
        constant = np.all([np.broadcast_to(facts.constant, got) for facts in given], axis=0)
        if self.absorbs:
            zero = [np.broadcast_to(facts.constant & ~facts.nonzero, got) for facts in given]
            constant = constant | np.any(zero, axis=0)
        return [Facts.of(constant, value)]

    def needs(self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]) -> list[Need]:
        (got,) = site.sizes[1]
        return [Need.only(wanted[0]) if channels == got else _of_one(wanted[0]) for channels in site.sizes[0]]


class Joining(Rule):
    """`Concatenate`: along the channels, or along another axis."""

    def unknown(self, site: Site) -> str | None:
        given, got = site.sizes
        along = sum(given) == got[0] if self._of_channels(site) else set(given) == set(got)
        return None if along and all(given) else "its channels do not go one to one"

    def ties(self, site: Site) -> Iterable[Tie]:
        for number, part in zip(site.call.inputs, self._parts(site), strict=True):
            yield Tie((number, site.call.outputs[0]), np.arange(part.stop - part.start), np.r_[part])

    def constants(self, site: Site, given: Sequence[Facts]) -> list[Facts]:
        if self._of_channels(site):
            return [
                Facts(
                    np.concatenate([facts.constant for facts in given]),
                    np.concatenate([facts.value for facts in given]),
                )
            ]
        return [_agreed(given)]

    def needs(self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]) -> list[Need]:
        return [Need.only(wanted[0][part]) for part in self._parts(site)]

    @staticmethod
    def _of_channels(site: Site) -> bool:
        return site.layer.axis in (-1, len(site.outputs[0].shape) - 1)

    def _parts(self, site: Site) -> list[slice]:
        """Of each input, its channels among those of the output."""
        if not self._of_channels(site):
            return [slice(0, site.sizes[1][0])] * len(site.inputs)
        ends = np.cumsum(site.sizes[0])
        return [slice(end - size, end) for end, size in zip(ends.tolist(), site.sizes[0], strict=True)]


def _agreed(given: Sequence[Facts]) -> Facts:
    """Of channels that come from several places: constant where all are, with one value."""
    constant = np.all([facts.constant for facts in given], axis=0)
    same = np.all([facts.value == given[0].value for facts in given], axis=0)
    return Facts.of(constant & same, given[0].value)


def _of_one(wanted: np.ndarray) -> Need:
    """Of an input whose only channel meets all of them."""
    return Need.only(np.array([wanted.any()]), pinned=np.ones(1, bool))


def _of_each_channel(value: Any) -> bool:
    return hasattr(value, "shape") and np.size(value) > 1


def _other_arguments(site: Site) -> Any:
    """Arguments that are no tensors of the graph."""
    return site.call.arguments(dict.fromkeys(site.call.inputs))


def same(site: Site, facts: Facts) -> Facts:
    """A constant stays what it is."""
    return facts


def computed(site: Site, facts: Facts) -> Facts:
    """A constant becomes what the layer makes of it."""
    (value,) = site.computed([facts.value])
    return Facts.of(facts.constant, value)


def zeros_only(site: Site, facts: Facts) -> Facts:
    """Zeros stay zeros; at the borders, another constant meets them."""
    return Facts.of(facts.constant & ~facts.nonzero, facts.value)


def slopes(site: Site, facts: Facts) -> Facts:
    """`PReLU`, whose slopes may differ by position."""
    alpha = value_of(site.layer.alpha)
    if alpha.size == alpha.shape[-1]:
        return computed(site, facts)
    return Facts.of(facts.constant & (facts.value >= 0), facts.value)


def _normalizes_channels(site: Site) -> str | None:
    axes = np.atleast_1d(site.layer.axis).tolist()
    return (
        None
        if axes in ([-1], [len(site.inputs[0].shape) - 1])
        else f"it normalizes over axis {site.layer.axis}"
    )


def _activates(site: Site) -> str | None:
    return not_elementwise(site.layer.activation)


def _brings_channels_together(site: Site) -> str | None:
    axes = np.atleast_1d(site.layer.axis).tolist()
    together = -1 in axes or len(site.inputs[0].shape) - 1 in axes
    return f"it is over axis {site.layer.axis}" if together else None


def _scales_channels(site: Site) -> str | None:
    of_each = np.size(site.layer.scale) > 1 or np.size(site.layer.offset) > 1
    return "it scales each channel by another number" if of_each else None


def _moves_channels(site: Site) -> str | None:
    last = len(site.inputs[0].shape) - 1
    return None if site.layer.dims[-1] == last else "it moves the channels to another axis"


NORMALIZATION = ("gamma", "beta", "moving_mean", "moving_variance")

PASSING = Channelwise(same)
COMPUTED = Channelwise(computed)
RESCALING = Channelwise(computed, unlike=_scales_channels)
ACTIVATION = Channelwise(computed, unlike=_activates)
PADDING = Channelwise(zeros_only)
MEAN = Channelwise(same, unlike=_brings_channels_together)
PERMUTATION = Channelwise(same, unlike=_moves_channels)
SLOPES = Channelwise(slopes, weights=("alpha",))
BATCH_NORMALIZATION = Channelwise(computed, weights=NORMALIZATION, unlike=_normalizes_channels)
MERGING = Merging()
PRODUCT = Merging(absorbs=True)
JOINING = Joining()
