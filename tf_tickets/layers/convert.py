"""Giving a model's layers masks, in place, and taking them away again."""

import collections
import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np

from tf_tickets.layers import masked
from tf_tickets.layers.batch_normalization import BatchNormalization
from tf_tickets.layers.forward_order import check_built, reads, renew_functions
from tf_tickets.layers.weights_file import check_weights_file

Selection: TypeAlias = Callable[[keras.Layer], bool] | type | keras.Layer | Iterable

# Layers of ours that `fold` turns into what Keras ships, beside the masked ones.
FOLDED = {BatchNormalization: keras.layers.BatchNormalization}

# Where a Keras model keeps what it has traced; `make_...` renews it.
TRACED = ("train_function", "test_function", "predict_function")


@dataclasses.dataclass(frozen=True, eq=False)
class MaskedWeight:
    """One prunable weight of a model. Two entries are equal if they hold the same variables.

    Attributes:
        layer: the layer that owns it.
        attribute: the layer's attribute that holds it.
        name: label for people (the variable's path); the position in forward order is the key.
        weight: the variable, with every value that was ever in it, masked or not.
        mask: bool variable of the same shape; None on a model that is not masked yet.
    """

    layer: keras.Layer
    attribute: str
    name: str
    weight: keras.Variable
    mask: keras.Variable | None

    def __eq__(self, other: object) -> bool:
        # Comparing variables would compare their values.
        if not isinstance(other, MaskedWeight):
            return NotImplemented
        return self.weight is other.weight and self.mask is other.mask

    def __hash__(self) -> int:
        return id(self.weight)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight, in Keras layout."""
        return tuple(self.weight.shape)

    @property
    def size(self) -> int:
        """Number of weights."""
        return self.weight.shape.num_elements()


@dataclasses.dataclass(frozen=True)
class MaskReport:
    """What `mask_layers` did.

    Attributes:
        masked: entries in forward order, whether masked now or before.
        left_alone: (path, reason) of every layer with weights that carries no mask.
    """

    masked: list[MaskedWeight]
    left_alone: list[tuple[str, str]]

    def __str__(self) -> str:
        lines = [f"masked: {len(self.masked)} weights, {sum(w.size for w in self.masked):,} values"]
        lines += [f"  {entry.name}  {entry.shape}" for entry in self.masked]
        if self.left_alone:
            lines.append(f"left alone: {len(self.left_alone)}")
            lines += [f"  {path}: {reason}" for path, reason in self.left_alone]
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class _ForwardOrder:
    """What a model remembers of its order; no bare tuple, which Keras would walk when it saves."""

    pairs: tuple[tuple[keras.Layer, str], ...]


def mask_layers(
    model: keras.Model,
    include: Selection | None = None,
    exclude: Selection | None = None,
    data: Any = None,
) -> MaskReport:
    """Gives the model's layers masks, in place; layers that have them already keep theirs.

    By default every kernel of a convolution or dense layer is masked (Dense, EinsumDense, Conv*,
    Conv*Transpose, the pointwise kernel of SeparableConv*), wherever it is nested. Depthwise kernels and
    embeddings are masked only where `include` names them; biases and normalisation never are.

    Args:
        model: any built Keras model: functional, Sequential, nested or subclassed, compiled or not. It keeps
            its optimizer and need not be compiled again; functions that Keras traced for it are renewed
            (another model that shares its layers must be compiled again).
        include: which layers to mask instead of the default: a layer (with all that it contains), a layer
            class, a predicate `layer -> bool`, or an iterable of these.
        exclude: which layers to leave alone; same forms.
        data: one batch of inputs, for a subclassed model that does not know its input shapes.

    Returns:
        A MaskReport: what carries masks, in forward order, and what was left alone and why.

    Raises:
        ValueError: the model is not built or cannot be traced.
        TypeError: `model` is no Keras model, or a selection is of no accepted form.

    Example:
        >>> report = tt.mask_layers(model, exclude=model.layers[-1])
        >>> print(report)
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"mask_layers takes a keras.Model. Received: {type(model).__name__}")
    chosen, left_alone = _choose(model, include, exclude)
    ordered, unmaskable = _in_forward_order(model, chosen, data)
    changed = [pair for pair in ordered if _give_mask(*pair)]
    if changed:
        forget_traces(model)
    for part in _parts(model) if ordered else ():
        _guard_save(part)
    return MaskReport(masked=[_entry(*pair) for pair in ordered], left_alone=left_alone + unmaskable)


def masked_weights(model: keras.Model) -> list[MaskedWeight]:
    """The model's masked weights, in forward order; empty for a model without masks."""
    found = [
        (layer, attribute)
        for layer in model._flatten_layers()
        if isinstance(layer, masked.Masked)
        for attribute in layer.masks
    ]
    ordered, _ = _in_forward_order(model, found, None)
    return [_entry(*pair) for pair in ordered]


def prunable_weights(model: keras.Model, data: Any = None) -> list[MaskedWeight]:
    """The masked weights, or, of a model without masks, those that `mask_layers` would mask."""
    entries = masked_weights(model)
    if entries:
        return entries
    chosen, _ = _choose(model, None, None)
    ordered, _ = _in_forward_order(model, chosen, data)
    return [_entry(*pair) for pair in ordered]


def fold(model: keras.Model) -> keras.Model:
    """Bakes the zeros into the weights and gives every layer its stock Keras class back, in place.

    What is saved or exported afterwards needs no tf_tickets to load (a file that holds an optimizer of ours
    does: load it with `compile=False`, or write it by `export`). The inverse of `mask_layers`, except that
    masked weights are now zero.

    A compiled model stays compiled. Where layers had trained thresholds or scores, it gets a fresh optimizer
    of the same config, since other variables are trained from now on.

    Args:
        model: any Keras model; without masks it is returned as it is.

    Returns:
        The same model.
    """
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, masked.Masked)]
    trains_others = any(reading.variables for layer in layers for reading in layer.readings.values())
    _fold(model)
    if trains_others:
        renew_optimizer(model)
        forget_traces(model)
    return model


@contextlib.contextmanager
def folded(model: keras.Model) -> Iterator[keras.Model]:
    """For the duration, the model is what `fold` makes of it; afterwards it is what it was, masks and all."""
    layers = model._flatten_layers()
    classes = [(layer, type(layer)) for layer in layers if type(layer) in FOLDED]
    state = [
        (layer, attribute, mask, layer.readings.get(attribute), np.array(layer.__dict__[attribute]))
        for layer in layers
        if isinstance(layer, masked.Masked)
        for attribute, mask in layer.masks.items()
    ]
    kept = [(part, dict(part.__dict__)) for part in _parts(model)]
    _fold(model)
    try:
        yield model
    finally:
        for layer, cls in classes:
            object.__setattr__(layer, "__class__", cls)
        for layer, attribute, mask, reading, value in state:
            _give_mask(layer, attribute, mask)
            layer.__dict__[attribute].assign(value)
            if reading is not None:
                masked.attach_reading(layer, attribute, reading)
        for part, before in kept:
            for name in ("save", "_forward_order"):
                if name in before:
                    object.__setattr__(part, name, before[name])
            # The very same variables again, so what was traced with them holds.
            for name in TRACED:
                setattr(part, name, before.get(name))


@contextlib.contextmanager
def borrowed_masks(model: keras.Model) -> Iterator[list[MaskedWeight]]:
    """For the duration the model carries masks, its own or new ones; afterwards it is what it was."""
    had_masks = bool(masked_weights(model))
    entries = masked_weights(model) if had_masks else mask_layers(model).masked
    masks = [entry.mask for entry in entries if entry.mask is not None]
    values = [np.array(mask) for mask in masks]
    try:
        yield entries
    finally:
        for mask, value in zip(masks, values, strict=True):
            mask.assign(value)
        if not had_masks:
            # All true now, so that nothing is baked in.
            for layer in {id(entry.layer): entry.layer for entry in entries}.values():
                masked.remove_masks(layer)
            _forget_masks(model)


def kept(entry: MaskedWeight) -> np.ndarray:
    """Bool, where a masked weight takes part in the network: its mask, or what its reading leaves of it."""
    assert entry.mask is not None
    reading = entry.layer.readings.get(entry.attribute)
    return np.array(entry.mask.value if reading is None else reading.kept(entry.weight, entry.mask))


def set_masks(entries: Sequence[MaskedWeight], masks: Sequence[np.ndarray]) -> None:
    """Assigns bool arrays to the masks of weights that have masks."""
    for entry, mask in zip(entries, masks, strict=True):
        assert entry.mask is not None
        entry.mask.assign(mask)


def stock_weights(model: keras.Model) -> list[keras.Variable]:
    """The model's weights without its masks: the variables of `model.get_weights()` before masking."""
    added = {
        id(variable)
        for layer in model._flatten_layers()
        if isinstance(layer, masked.Masked)
        for variable in layer.added.values()
    }
    return [weight for weight in model.weights if id(weight) not in added]


def restore_weights(model: keras.Model, weights: Sequence[np.ndarray] | str | os.PathLike) -> None:
    """Sets a model's weights, masked or not, to what they were when it had no masks. Masks stay.

    Args:
        model: a built Keras model.
        weights: arrays, as `model.get_weights()` gave them, or a Keras `.weights.h5` file.

    Raises:
        ValueError: the file is damaged, of another model, or not only of weights; names it. Some of the
            model's weights may be the file's then.
    """
    if isinstance(weights, (str, os.PathLike)):
        try:
            check_weights_file(weights)
            with masked.stock_layers(model._flatten_layers()), _without_optimizer(model):
                model.load_weights(os.fspath(weights))
        except Exception as error:  # of Keras, h5py and HDF5, each with errors of their own
            raise ValueError(f"{weights} does not hold weights of this model: {error}") from error
        return
    for variable, array in zip(stock_weights(model), weights, strict=True):
        variable.assign(array)


def save_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Writes the weights to a Keras `.weights.h5` file as if the model had no masks, folded or not.

    Only the weights: Keras would write the optimizer's slots beside them.
    """
    with masked.stock_layers(model._flatten_layers()), _without_optimizer(model):
        model.save_weights(os.fspath(path))


@contextlib.contextmanager
def _without_optimizer(model: keras.Model) -> Iterator[None]:
    optimizer = model.__dict__.pop("optimizer", None)
    try:
        yield
    finally:
        if optimizer is not None:
            model.__dict__["optimizer"] = optimizer


def forget_traces(model: keras.Model) -> None:
    """Renews the train, test and predict functions that Keras has traced for the model.

    Keras would go on running the old graph. They are renewed rather than set to None, since a running
    `fit` calls them again after each callback; tracing itself happens at the next call. So do calls of
    layers that the user made a `tf.function`.
    """
    renew_functions(model)
    for part in _parts(model):
        for name in TRACED:
            if getattr(part, name, None) is not None:
                getattr(part, f"make_{name}")(force=True)


def renew_optimizer(model: keras.Model) -> None:
    """Gives a compiled model a fresh optimizer of the same config if it had one for other variables."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not optimizer.built:
        return
    strategy = getattr(model, "distribute_strategy", None)
    with strategy.scope() if strategy is not None else contextlib.nullcontext():
        model.optimizer = type(optimizer).from_config(optimizer.get_config())


def _fold(model: keras.Model) -> None:
    changed = False
    for layer in model._flatten_layers():
        if isinstance(layer, masked.Masked):
            masked.remove_masks(layer)
            changed = True
        elif type(layer) in FOLDED:
            object.__setattr__(layer, "__class__", FOLDED[type(layer)])
            changed = True
    if changed:
        _forget_masks(model)


def _forget_masks(model: keras.Model) -> None:
    """Removes what the model itself remembers of having masks."""
    forget_traces(model)
    for part in _parts(model):
        part.__dict__.pop("_forward_order", None)
        part.__dict__.pop("save", None)


def _parts(model: keras.Model) -> list[keras.Model]:
    """The model and the models inside it."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.Model)]


def _choose(model, include, exclude) -> tuple[list, list]:
    """(layer, attribute) pairs to mask, unordered, and (path, reason) for what is left alone."""
    check_built(model)
    included = None if include is None else _predicate(include, "include")
    excluded = _predicate(() if exclude is None else exclude, "exclude")
    chosen: list[tuple[keras.Layer, str]] = []
    left_alone: list[tuple[str, str]] = []
    layers = model._flatten_layers()
    holders = collections.Counter(
        id(variable)
        for layer in layers
        for variable in layer._trainable_variables + layer._non_trainable_variables
    )
    for layer in layers:
        row = masked.maskable(type(layer))
        if row is None:
            if layer._trainable_variables or layer._non_trainable_variables:
                left_alone.append((layer.path, f"{type(layer).__name__} has no maskable weight"))
            continue
        present = tuple(layer.masks) if isinstance(layer, masked.Masked) else ()
        reason = masked.why_not(layer)
        if any(holders[id(layer.__dict__.get(name))] > 1 for name in row.attributes):
            # SpectralNormalization, for one, would go on reading and writing what the mask hides.
            reason = reason or "another layer holds its weight too"
        if excluded(layer):
            reason = reason or "excluded"
        elif included is not None and not included(layer):
            reason = reason or "not included"
        elif included is None and not row.weights:
            reason = reason or f"{type(layer).__name__} is masked only where include= names it"
        wanted = row.attributes if included is not None else row.weights
        attributes = [name for name in row.attributes if name in present or (name in wanted and not reason)]
        chosen += [(layer, name) for name in attributes]
        if not attributes:
            left_alone.append((layer.path, str(reason)))
    return chosen, left_alone


def _predicate(selection: Selection, argument: str) -> Callable[[keras.Layer], bool]:
    if isinstance(selection, keras.Layer):
        inside = {id(layer) for layer in selection._flatten_layers()}
        return lambda layer: id(layer) in inside
    if isinstance(selection, type):
        return lambda layer: isinstance(layer, selection)
    if callable(selection):
        return selection
    if isinstance(selection, Iterable) and not isinstance(selection, (str, bytes)):
        parts = [_predicate(part, argument) for part in selection]
        return lambda layer: any(part(layer) for part in parts)
    raise TypeError(
        f"{argument}= takes a layer, a layer class, a predicate of a layer, or an iterable of these. "
        f"Received: {selection!r}"
    )


def _in_forward_order(model, pairs: list, data) -> tuple[tuple, list[tuple[str, str]]]:
    """The pairs in forward order; (path, reason) of those that a mask would not reach."""
    if not pairs:
        return (), []
    known = model.__dict__.get("_forward_order", _ForwardOrder(()))
    if {(id(layer), name) for layer, name in known.pairs} == {(id(layer), name) for layer, name in pairs}:
        return known.pairs, []
    order, outside = reads(model, [(layer, layer.__dict__[name]) for layer, name in pairs], data)
    reasons = dict.fromkeys(sorted(set(range(len(pairs))) - set(order)), "never read by the forward pass")
    for position in sorted(outside):
        layer, name = pairs[position]
        if not (isinstance(layer, masked.Masked) and name in layer.masks):
            reasons[position] = "read outside its layer's call, where a mask does not act"
    unmaskable = [(_entry(*pairs[position]).name, reason) for position, reason in reasons.items()]
    # Layers by their first read, and within a layer by its row: there a masked weight is read where `call`
    # names it, and one without a mask where `call` uses it.
    first: dict[int, int] = {}
    for rank, position in enumerate(order):
        first.setdefault(id(pairs[position][0]), rank)
    order.sort(key=lambda position: (first[id(pairs[position][0])], position))
    ordered = tuple(pairs[position] for position in order if position not in reasons)
    object.__setattr__(model, "_forward_order", _ForwardOrder(ordered))
    return ordered, unmaskable


def _give_mask(layer: keras.Layer, attribute: str, mask: keras.Variable | None = None) -> bool:
    """Gives the layer its masked class and the weight a mask, by default a new one; False if it had one."""
    if not isinstance(layer, masked.Masked):
        stock: Any = type(layer)
        object.__setattr__(layer, "__class__", masked.masked_class(stock))
    if attribute in layer.masks:
        return False
    if mask is None:
        masked.add_masks(layer, (attribute,))
    else:
        masked.attach_mask(layer, attribute, mask)
    return True


def _entry(layer: keras.Layer, attribute: str) -> MaskedWeight:
    weight = layer.__dict__[attribute]
    mask = layer.masks.get(attribute) if isinstance(layer, masked.Masked) else None
    return MaskedWeight(layer=layer, attribute=attribute, name=weight.path, weight=weight, mask=mask)


def _guard_save(model: keras.Model) -> None:
    """Lets `model.save` refuse before it opens the file: Keras truncates an existing one first."""

    def save(filepath, *args, **kwargs):
        layers = [x for x in model._flatten_layers() if isinstance(x, masked.Masked)]
        for layer in layers:
            layer.__dict__.pop("_config_written", None)
            layer.check_copyable()
        keras.saving.serialize_keras_object(model)
        lost = [layer.path for layer in layers if not layer.reloads]
        if lost:
            raise ValueError(masked.unsaveable_message(lost))
        return type(model).save(model, filepath, *args, **kwargs)

    object.__setattr__(model, "save", save)
