"""`Flatten`, `Reshape` and the like: positions become features, or features positions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tf_tickets.compaction.rule import Rule, Shrunk
from tf_tickets.compaction.site import Facts, Kept, Need, Site, Tie


class Reshaping(Rule):
    """Values keep their order, so that channel c of the axis that is shorter meets every c-th of the longer.

    Args:
        target: key of the config that holds the target shape; "" where there is none.
    """

    def __init__(self, target: str = "") -> None:
        self.target = target

    @property
    def has_form(self) -> bool:
        return bool(self.target)

    def unknown(self, site: Site) -> str | None:
        (given,), (got,) = site.sizes
        if getattr(site.layer, "data_format", None) == "channels_first":
            return "its channels come first"
        return None if given and got and not (given % got and got % given) else "it takes channels apart"

    def ties(self, site: Site) -> Iterable[Tie]:
        (given,), (got,) = site.sizes
        every = np.arange(max(given, got))
        yield Tie((site.call.inputs[0], site.call.outputs[0]), every % given, every % got)

    def constants(self, site: Site, given: Sequence[Facts]) -> list[Facts]:
        (facts,), ((channels,), (got,)) = given, site.sizes
        if got >= channels:
            return [Facts(np.tile(facts.constant, got // channels), np.tile(facts.value, got // channels))]
        constant, value = facts.constant.reshape(-1, got), facts.value.reshape(-1, got)
        return [Facts.of(constant.all(0) & (value == value[0]).all(0), value[0])]

    def needs(self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]) -> list[Need]:
        (channels,), (got,) = site.sizes
        if got >= channels:
            return [Need.only(np.any(wanted[0].reshape(-1, channels), axis=0))]
        return [Need.only(np.tile(wanted[0], channels // got))]

    def shrink(self, site: Site, given: Sequence[Facts], kept: Kept) -> Shrunk:
        if not self.target:
            return Shrunk({}, {})
        shape = [*getattr(site.layer, self.target)]
        shape[-1] = int(kept.outputs[0].sum())
        return Shrunk({self.target: tuple(shape)}, {})
