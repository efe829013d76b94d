"""What is known of a kind of layer: how channels go through it, and how it is made with fewer of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.compaction.site import Facts, Kept, Need, Site, Tie


class Rule:
    """A row of the table. This one knows nothing, so that all channels around the layer stay.

    Args:
        reason: why they stay.
    """

    # Attributes of the layer (dotted) that hold its weights, as far as the rule cuts them.
    weights: tuple[str, ...] = ()

    def __init__(self, reason: str = "what it does with its channels is not known") -> None:
        self.reason = reason

    @property
    def has_form(self) -> bool:
        """Whether a layer with fewer channels is another layer, so that all calls of it have to agree."""
        return bool(self.weights)

    def unknown(self, site: Site) -> str | None:
        """Why the rule does not hold for a layer of its class; None where it does."""
        return self.reason

    def stays_whole(self, site: Site) -> str | None:
        """Why all outputs stay, though the rule holds and inputs may go; None where outputs may, too."""
        return None

    def ties(self, site: Site) -> Iterable[Tie]:
        """Channels of inputs and outputs that stay or go together."""
        return ()

    def constants(self, site: Site, given: Sequence[Facts]) -> list[Facts]:
        """What is known of the outputs, from what is known of the inputs."""
        return [Facts.varying(channels) for channels in site.sizes[1]]

    def wanted_within(
        self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]
    ) -> Sequence[np.ndarray]:
        """Of each output, what is wanted when the layer's own reading of its outputs counts, too."""
        return wanted

    def needs(self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]) -> list[Need]:
        """What of each input is needed.

        Args:
            given: of each input.
            wanted: of each output, the channels that somebody computes with and that are not constant.
        """
        return [Need.everything(channels) for channels in site.sizes[0]]

    def balance(self, site: Site, kept: Kept) -> Iterable[tuple[int, np.ndarray]]:
        """Channels that have to stay for the layer's form: (number of a tensor, positions)."""
        return ()

    def shrink(self, site: Site, given: Sequence[Facts], kept: Kept) -> Shrunk:
        """The layer with the channels that stay."""
        return Shrunk({}, {})


class Shrunk:
    """How a layer is made anew.

    Args:
        config: what differs in its config.
        weights: attribute (dotted) -> array; empty: all weights are those of the layer.
        inside: name of channels that are only the layer's own -> how many there were, and how many stay.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        weights: Mapping[str, np.ndarray],
        inside: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        self.config = config
        self.weights = weights
        self.inside = inside or {}


def evened(stays: np.ndarray, alive: Any = True) -> Iterator[np.ndarray]:
    """What else has to stay so that all groups keep as many channels, one at least.

    Args:
        stays: `(groups, channels of each)`.
        alive: of each group, whether it stays at all.

    Returns:
        Positions among all channels, of each group that is short of some.
    """
    counts = stays.sum(1)
    most = max(1, counts.max())
    for group in np.flatnonzero(alive & (counts < most)):
        yield group * stays.shape[1] + np.flatnonzero(~stays[group])[: most - counts[group]]


def attribute_of(layer: Any, dotted: str) -> Any:
    """What a dotted name means in a layer; None where it has no such thing."""
    for name in dotted.split("."):
        layer = getattr(layer, name, None)
    return layer


def has_adapters(layer: keras.Layer) -> str | None:
    """Why a kernel is not all that a layer multiplies with."""
    if getattr(layer, "lora_enabled", False):
        return "it has LoRA weights beside its kernel"
    if getattr(layer, "quantization_mode", None):
        return f"it is quantized ({layer.quantization_mode})"
    return None
