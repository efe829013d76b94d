"""What pruning passes over: weights of layers that cannot be masked, and those left alone by design."""

import dataclasses
import re

import keras

from tf_tickets.layers.maskable import row_of, why_not_maskable
from tf_tickets.layers.masked import Masked
from tf_tickets.layers.saved_weights import stock_weights
from tf_tickets.support.short_reprs import short_fields

# Fraction of all parameters from which on a layer that is passed over is warned about.
BIG = 0.01

# Of variables, which are no kernels whatever their shape (GRU's bias is a matrix).
NO_KERNEL = re.compile(r"bias|beta|gamma")


@dataclasses.dataclass(frozen=True)
class PassedOver:
    """Matrices and larger weights without masks, but for those that `include=` or `exclude=` left out.

    Attributes:
        unmaskable: (path of the layer, reason, fraction of all parameters) of layers that cannot be masked
            and hold more than `BIG` of all parameters.
        by_design: (path of the weight, fraction of all parameters) of those masked only on request.
    """

    unmaskable: tuple[tuple[str, str, float], ...]
    by_design: tuple[tuple[str, float], ...]

    __repr__ = short_fields

    @property
    def warning(self) -> str | None:
        """A sentence on what cannot be masked; None where that is nothing of weight."""
        if not self.unmaskable:
            return None
        parts = [f"{path} ({reason}; {share:.1%})" for path, reason, share in self.unmaskable]
        total = sum(share for *_, share in self.unmaskable)
        return f"{total:.1%} of all parameters lie in layers that cannot be masked: {', '.join(parts)}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the sparsity should know."""
        notes = [] if self.warning is None else [self.warning]
        if self.by_design:
            paths = ", ".join(path for path, _ in self.by_design)
            total = sum(share for _, share in self.by_design)
            notes.append(
                f"{total:.1%} of all parameters are depthwise kernels, embeddings or other weights that are "
                f"pruned only where include= names them: {paths}"
            )
        return tuple(notes)


@dataclasses.dataclass(frozen=True)
class _Choice:
    """What a model remembers of what its user left out; no bare set, which Keras would walk when it saves."""

    layers: frozenset[int]


def note_choice(model: keras.Model, layers: frozenset[int]) -> None:
    """Has the model remember the layers, by id, of which its user left out a weight."""
    object.__setattr__(model, "_left_out", _Choice(left_out_by_choice(model) | layers))


def passed_over(model: keras.Model) -> PassedOver:
    """What carries no mask in a masked model, and does not by its user's choice."""
    total = sum(weight.shape.num_elements() for weight in stock_weights(model))
    left_out = left_out_by_choice(model)
    unmaskable: list[tuple[str, str, float]] = []
    by_design: list[tuple[str, float]] = []
    for layer in model._flatten_layers():
        row = row_of(layer)
        known = {id(layer.__dict__.get(name)): name for name in row.attributes} if row else {}
        masked = layer.masks if isinstance(layer, Masked) else {}
        why = f"{type(layer).__name__} is no maskable class" if row is None else why_not_maskable(layer)
        rest = 0
        for variable in layer._trainable_variables:
            name = known.get(id(variable))
            if name in masked or id(layer) in left_out or len(variable.shape) < 2:
                continue
            if row is not None and name in row.on_request:
                by_design.append((variable.path, variable.shape.num_elements() / total))
            elif (row is None or name in row.weights) and not NO_KERNEL.search(variable.name):
                rest += variable.shape.num_elements()
        if why and rest > BIG * total:
            unmaskable.append((layer.path, why, rest / total))
    return PassedOver(tuple(unmaskable), tuple(by_design))


def left_out_by_choice(model: keras.Model) -> frozenset[int]:
    """Layers, by id, of which the user left out a weight by `include=` or `exclude=`."""
    choice: _Choice | None = model.__dict__.get("_left_out")
    return frozenset() if choice is None else choice.layers
