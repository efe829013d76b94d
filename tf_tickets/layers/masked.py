"""Keras layers that carry a mask beside each weight and compute with the masked weight.

A masked layer is its stock layer in every respect but one: while its `call` runs, reading a maskable
weight gives the weight where the mask is true and zero elsewhere. Outside `call` the attribute is the
plain variable. Gradients, momentum, clipping and averages are therefore those of the sparse network,
under any optimizer and any training loop. What a mask hides contributes nothing and learns nothing; it is
zero in the variable, and its values wait beside it (`tf_tickets.layers.mask`).
"""

import contextlib
import functools
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, NoReturn

import keras

from tf_tickets.layers.mask import Mask
from tf_tickets.layers.mask_variables import add_masks, drop_masks
from tf_tickets.layers.maskable import (
    CELL,
    MASKABLE,
    Maskable,
    mask_name,
    maskable,
    present,
    row_of,
    why_not_maskable,
)
from tf_tickets.layers.masked_read import MaskedRead, computing
from tf_tickets.layers.parametrization import Parametrization, parametrization_name, saved_name

PACKAGE = "tf_tickets"


class Masked(keras.Layer):
    """What every masked layer adds to its stock class (`stock`): masks, and computing through them."""

    stock: type
    maskable: Maskable

    @property
    def masks(self) -> dict[str, Mask]:
        """Mask variables (bool, shaped like the weight) by weight attribute."""
        found = ((name, self.__dict__.get(mask_name(name))) for name in self.maskable.attributes)
        return {name: mask for name, mask in found if mask is not None}

    @property
    def parametrizations(self) -> dict[str, Parametrization]:
        """Parametrizations by weight attribute, of the weights that have one."""
        found = ((name, self.__dict__.get(parametrization_name(name))) for name in self.maskable.attributes)
        return {name: parametrization for name, parametrization in found if parametrization is not None}

    @property
    def added_variables(self) -> dict[str, keras.Variable]:
        """The variables that the stock class does not have, masks first, by the names they are saved by."""
        masks = {mask_name(attribute): mask for attribute, mask in self.masks.items()}
        return masks | {
            saved_name(attribute, name): variable
            for attribute, parametrization in self.parametrizations.items()
            for name, variable in parametrization.variables.items()
        }

    @property
    def reloads(self) -> bool:
        """Whether a `.keras` file would give back the mask; asked after the configs were written."""
        return "_built_masked" in self.__dict__ or "_config_written" in self.__dict__

    def get_config(self) -> dict[str, Any]:
        """The stock layer's config; refused while a parametrization's variables are more than that tells."""
        self.check_copyable()
        # Noted for `reloads`: a layer masked in place comes back only where its own config does.
        self.__dict__["_config_written"] = True
        if not self.maskable.encloses:
            return super().get_config()
        inside = _masked_inside(self)
        for layer in inside:
            layer.check_copyable()
            layer.__dict__["_config_written"] = True
        # Cells of classes without a row, which a process that reads the config need not know as masked.
        with stock_layers([layer for layer in inside if layer.maskable is CELL]):
            return super().get_config()

    def check_copyable(self) -> None:
        """Raises ValueError if a copy by config would lack a parametrization's variables: another network."""
        for attribute, parametrization in self.parametrizations.items():
            if parametrization.variables:
                raise ValueError(
                    f"{self.__dict__[attribute].path} is computed by {type(parametrization).__name__}, which "
                    "a copy, a config or a .keras file of the model would lack: it would be another network. "
                    "Call tf_tickets.fold(model) first, or write `model.save_weights(path)`."
                )

    def save_assets(self, store: Any) -> None:
        """Stops `model.save` where the parent would rebuild this layer without its mask."""
        reloads = self.reloads
        self.__dict__.pop("_config_written", None)
        self.check_copyable()
        if not reloads:
            raise ValueError(unsaveable_message([self.path]))

    def enable_lora(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuses: an adapter would fill in what the mask removes."""
        raise ValueError(
            f"Layer '{self.name}' is masked, and LoRA would add to the weights that the mask removes. "
            "Call tf_tickets.fold(model) first."
        )

    def save_own_variables(self, store: MutableMapping) -> None:
        """Saves what the stock class saves, then what was added to it, each under its own name."""
        with self._added_untracked():
            super().save_own_variables(store)
        for name, variable in self.added_variables.items():
            store[name] = variable

    def load_own_variables(self, store: Mapping) -> None:
        """Loads what the stock class loads, and the masks if the file has them."""
        # An h5 store has only `keys`, and not what a mapping makes of them.
        stored = {key: store[key] for key in store.keys()}  # noqa: SIM118
        add_masks(
            self, tuple(x for x in self.maskable.attributes if mask_name(x) in stored and x not in self.masks)
        )
        if any(mask_name(x) in stored for x in self.maskable.attributes):
            # Built with a mask beside every weight, of which the saved layer had fewer.
            drop_masks(self, [x for x in self.masks if mask_name(x) not in stored])
        added = self.added_variables
        with self._added_untracked():
            super().load_own_variables({key: value for key, value in stored.items() if key not in added})
        for mask in self.masks.values():
            mask.hidden = None
        for key in added.keys() & stored.keys():
            added[key].assign(stored[key])

    @contextlib.contextmanager
    def _added_untracked(self) -> Iterator[None]:
        added = {id(variable) for variable in self.added_variables.values()}
        lists = (self._trainable_variables, self._non_trainable_variables)
        tracked = [list(variables) for variables in lists]
        for variables in lists:
            variables[:] = [v for v in variables if id(v) not in added]
        try:
            yield
        finally:
            for variables, before in zip(lists, tracked, strict=True):
                variables[:] = before


def masked_class(stock: Any) -> type:
    """The masked class of a stock Keras layer class, or of a user's own registered class.

    Args:
        stock: a class in `MASKABLE`, or one derived from such a class.

    Returns:
        A class named `Masked<Name>`, registered with Keras under the package `tf_tickets`.
    """
    row = maskable(stock)
    if row is None:
        known = ", ".join(sorted(cls.__name__ for cls in MASKABLE))
        raise ValueError(
            f"{stock.__name__} is not maskable. Maskable layers: {known}. "
            "Register your own with tf_tickets.register_maskable(cls, weights=(...))."
        )
    return _masked_class(stock, row)


def give_class(layer: keras.Layer) -> None:
    """Gives a layer of a stock class its masked class; one that has it keeps it."""
    if not isinstance(layer, Masked):
        row = row_of(layer)
        assert row is not None
        stock: Any = type(layer)
        object.__setattr__(layer, "__class__", _masked_class(stock, row))


def enclose(layers: Iterable[keras.Layer]) -> None:
    """Gives layers that read the weights of masked layers in them their masked class."""
    for layer in layers:
        row = row_of(layer)
        if row is not None and row.encloses and _masked_inside(layer):
            give_class(layer)


@functools.cache
def _masked_class(stock: Any, row: Maskable) -> type:
    # `wraps` keeps the stock signatures: Keras inspects those of `build` and `call`.
    @functools.wraps(stock.build)
    def build(self: Any, *args: Any, **kwargs: Any) -> None:
        stock.build(self, *args, **kwargs)
        reason = why_not_maskable(self)
        if reason:
            raise ValueError(f"{type(self).__name__} '{self.name}' cannot be masked: {reason}.")
        self.__dict__["_built_masked"] = True
        add_masks(self, row.weights or row.on_request)
        if row.encloses:
            _mask_inside(self)

    @functools.wraps(stock.call)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        # Bound, since a `tf.function` keeps its traces for each instance.
        bound = stock.call.__get__(self, type(self))
        with computing(self, *(_masked_inside(self) if row.encloses else ())):
            return bound(*args, **kwargs)

    weights = " and ".join(f"`{name.lstrip('_')}`" for name in row.attributes) or "each kernel in it"
    members = {
        "stock": stock,
        "maskable": row,
        "build": build,
        "call": call,
        "__module__": __name__,
        "__doc__": (
            f"`{stock.__name__}` with a non-trainable bool mask beside {weights}: it computes with the "
            "weight where the mask is true and with zero elsewhere. Same arguments, shapes and config as the "
            "stock layer; the mask starts all true.\n\n"
            + (stock.__doc__ or "").replace(stock.__name__, f"Masked{stock.__name__}")
        ),
    }
    members.update({name: MaskedRead(name) for name in row.attributes})
    cls = type(f"Masked{stock.__name__}", (Masked, stock), members)
    return keras.saving.register_keras_serializable(package=PACKAGE, name=_registered_name(stock))(cls)


def register_maskable(cls: type, weights: tuple[str, ...], on_request: tuple[str, ...] = ()) -> type:
    """Makes a layer class of your own maskable.

    Args:
        cls: subclass of `keras.Layer` that reads the weights, inside `call`, as attributes of itself.
        weights: names of the attributes that hold the variables to prune by default.
        on_request: names of attributes pruned only where `include=` selects the layer.

    Returns:
        `cls`, so that the function also serves as the last line of a decorator.

    Raises:
        TypeError: `cls` is not a Keras layer class, or a name is a property rather than a variable.

    Example:
        >>> tt.register_maskable(MyLayer, weights=("w", "v"))
    """
    if not (isinstance(cls, type) and issubclass(cls, keras.Layer)):
        raise TypeError(f"register_maskable takes a subclass of keras.Layer. Received: {cls!r}")
    weights, on_request = _names(weights, "weights"), _names(on_request, "on_request")
    if not weights and not on_request:
        raise TypeError(f"register_maskable({cls.__name__}) names no weight.")
    for name in weights + on_request:
        if isinstance(getattr(cls, name, None), property):
            raise TypeError(
                f"{cls.__name__}.{name} is a property; name the attribute that holds the variable."
            )
    row = Maskable(weights=weights, on_request=on_request)
    if MASKABLE.get(cls, row) != row:
        raise ValueError(f"{cls.__name__} is registered already, with {MASKABLE[cls]}.")
    MASKABLE[cls] = row
    masked_class(cls)
    return cls


@contextlib.contextmanager
def stock_layers(layers: list[keras.Layer]) -> Iterator[None]:
    """For the duration, the masked layers of the list look as if they had never been masked.

    This is how a weights file written before masking is loaded: Keras addresses layers by class name.
    """
    with contextlib.ExitStack() as stack:
        for layer in layers:
            if not isinstance(layer, Masked):
                continue
            cls = type(layer)
            stack.enter_context(layer._added_untracked())
            object.__setattr__(layer, "__class__", cls.stock)
            stack.callback(object.__setattr__, layer, "__class__", cls)
        yield


@contextlib.contextmanager
def without_parametrizations(layers: list[keras.Layer]) -> Iterator[None]:
    """For the duration, the layers compute with their masked weights, without their parametrizations."""
    taken = [
        (layer, parametrization_name(attribute), parametrization)
        for layer in layers
        if isinstance(layer, Masked)
        for attribute, parametrization in layer.parametrizations.items()
    ]
    for layer, name, _ in taken:
        del layer.__dict__[name]
    try:
        yield
    finally:
        for layer, name, parametrization in taken:
            layer.__dict__[name] = parametrization


def unsaveable_message(paths: list[str]) -> str:
    """The error for a `.keras` file that could not give the layers their masks back."""
    return (
        f"A .keras file or a copy of this model would lack masks: {', '.join(paths)} is rebuilt by its "
        "parent layer or model, without the mask. Save the parts instead: `ticket.save(path)` for the masks "
        "and `model.save_weights(path)`, or `tf_tickets.fold(model)` first and then `model.save(path)`."
    )


def _masked_inside(layer: keras.Layer) -> list[Masked]:
    return [part for part in layer._flatten_layers(include_self=False) if isinstance(part, Masked)]


def _mask_inside(layer: keras.Layer) -> None:
    """Masks the layers in one that was built from its config: all, or those of which that does not tell."""
    told = bool(_masked_inside(layer))
    parts = [(part, row_of(part)) for part in layer._flatten_layers(include_self=False)]
    for part, row in parts:
        if row is not None and row.weights and not isinstance(part, Masked) and (row is CELL or not told):
            give_class(part)
            add_masks(part, tuple(name for name in present(part, row) if name in row.weights))
    enclose(part for part, _ in parts)


def _registered_name(stock: type) -> str:
    name = f"Masked{keras.saving.get_registered_name(stock)}"
    taken = keras.saving.get_registered_object(f"{PACKAGE}>{name}")
    if taken is not None and taken.stock.__module__.startswith("keras."):
        # A user's own class called Dense must not stand in for Keras's when a file is loaded.
        name = f"Masked{stock.__module__}.{stock.__qualname__}"
    return name


def _names(names: str | Iterable[str], argument: str) -> tuple[str, ...]:
    names = (names,) if isinstance(names, str) else tuple(names)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"{argument} takes names of attributes. Received: {names!r}")
    return names


MaskedDense = masked_class(keras.layers.Dense)
MaskedEinsumDense = masked_class(keras.layers.EinsumDense)
MaskedConv1D = masked_class(keras.layers.Conv1D)
MaskedConv2D = masked_class(keras.layers.Conv2D)
MaskedConv3D = masked_class(keras.layers.Conv3D)
MaskedConv1DTranspose = masked_class(keras.layers.Conv1DTranspose)
MaskedConv2DTranspose = masked_class(keras.layers.Conv2DTranspose)
MaskedConv3DTranspose = masked_class(keras.layers.Conv3DTranspose)
MaskedSeparableConv1D = masked_class(keras.layers.SeparableConv1D)
MaskedSeparableConv2D = masked_class(keras.layers.SeparableConv2D)
MaskedDepthwiseConv1D = masked_class(keras.layers.DepthwiseConv1D)
MaskedDepthwiseConv2D = masked_class(keras.layers.DepthwiseConv2D)
MaskedEmbedding = masked_class(keras.layers.Embedding)
MaskedSimpleRNNCell = masked_class(keras.layers.SimpleRNNCell)
MaskedLSTMCell = masked_class(keras.layers.LSTMCell)
MaskedGRUCell = masked_class(keras.layers.GRUCell)
MaskedRNN = masked_class(keras.layers.RNN)
MaskedSimpleRNN = masked_class(keras.layers.SimpleRNN)
MaskedLSTM = masked_class(keras.layers.LSTM)
MaskedGRU = masked_class(keras.layers.GRU)
MaskedConvLSTM1D = masked_class(keras.layers.ConvLSTM1D)
MaskedConvLSTM2D = masked_class(keras.layers.ConvLSTM2D)
MaskedConvLSTM3D = masked_class(keras.layers.ConvLSTM3D)
MaskedBidirectional = masked_class(keras.layers.Bidirectional)
