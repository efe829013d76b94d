"""What a solver, which prunes a model and corrects the weights that are left, is asked for and gives."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np

from tf_tickets.layers import masked_weights
from tf_tickets.support.numbers import is_whole
from tf_tickets.support.short_reprs import short_fields


@dataclasses.dataclass(frozen=True, eq=False)
class Goal:
    """What a solver is to keep of each layer: a number, n of m, or a mask. One of these is given.

    Attributes:
        counts: how many weights to keep of each layer.
        pattern: (n, m): of each m inputs in a row n, for each output.
        masks: bool arrays, which are kept as they are: only the weights are solved for.
        within: bool arrays; only what is true there can be kept (with `counts`).
        inverted: keep the weights whose removal costs least (a sanity check).
    """

    counts: Sequence[int] | None = None
    pattern: tuple[int, int] | None = None
    masks: Sequence[np.ndarray] | None = None
    within: Sequence[np.ndarray] | None = None
    inverted: bool = False

    __repr__ = short_fields

    def __post_init__(self) -> None:
        given = [name for name in ("counts", "pattern", "masks") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"A goal is one of counts=, pattern= or masks=. Received: {', '.join(given)}")
        if self.pattern is not None:
            n, m = self.pattern
            if not (is_whole(n, 1) and is_whole(m, 1) and n <= m):
                raise ValueError(f"pattern=(n, m) keeps n of each m inputs, 1 <= n <= m. Received: {n}:{m}")


@dataclasses.dataclass(frozen=True, eq=False)
class Solution:
    """What a solver found.

    Attributes:
        masks: bool arrays, in forward order.
        values: the weights, in their own dtypes, zero where a mask is false.
    """

    masks: tuple[np.ndarray, ...]
    values: tuple[np.ndarray, ...]

    __repr__ = short_fields

    def apply(self, model: keras.Model) -> None:
        """Sets the weights of a model that carries the masks; what these hide is forgotten.

        With weights that make up for those that were removed, the removed ones are of another network.
        """
        for entry, value in zip(masked_weights(model), self.values, strict=True):
            assert entry.mask is not None
            entry.weight.assign(value)
            entry.mask.forget()
