"""Keras layers that carry a mask beside each weight and compute with the masked weight.

A masked layer is its stock layer in every respect but one: while its `call` runs, reading a maskable
weight gives the weight where the mask is true and zero elsewhere. Outside `call` the attribute is the
plain variable. Gradients, momentum, clipping and averages are therefore those of the sparse network,
under any optimizer and any training loop. What a mask hides contributes nothing and learns nothing, but is
still there (weight decay may shrink it) until `fold` makes it zero.
"""

import collections
import contextlib
import dataclasses
import functools
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, NoReturn

import keras
import tensorflow as tf

PACKAGE = "tf_tickets"


@dataclasses.dataclass(frozen=True)
class Maskable:
    """What can be masked in a layer class: attributes that hold variables.

    Args:
        weights: attributes pruned by default.
        on_request: attributes pruned only where `include=` names the layer.
    """

    weights: tuple[str, ...] = ()
    on_request: tuple[str, ...] = ()

    @property
    def attributes(self) -> tuple[str, ...]:
        """All attributes of the class that can carry a mask."""
        return self.on_request + self.weights


_KERNEL = Maskable(weights=("_kernel",))
_PLAIN_KERNEL = Maskable(weights=("kernel",))
_SEPARABLE = Maskable(weights=("pointwise_kernel",), on_request=("depthwise_kernel",))
_DEPTHWISE = Maskable(on_request=("kernel",))

MASKABLE: dict[type, Maskable] = {
    keras.layers.Dense: _KERNEL,
    keras.layers.EinsumDense: _KERNEL,
    keras.layers.Conv1D: _KERNEL,
    keras.layers.Conv2D: _KERNEL,
    keras.layers.Conv3D: _KERNEL,
    keras.layers.Conv1DTranspose: _PLAIN_KERNEL,
    keras.layers.Conv2DTranspose: _PLAIN_KERNEL,
    keras.layers.Conv3DTranspose: _PLAIN_KERNEL,
    keras.layers.SeparableConv1D: _SEPARABLE,
    keras.layers.SeparableConv2D: _SEPARABLE,
    keras.layers.DepthwiseConv1D: _DEPTHWISE,
    keras.layers.DepthwiseConv2D: _DEPTHWISE,
    keras.layers.Embedding: Maskable(on_request=("_embeddings",)),
}


def maskable(cls: type) -> Maskable | None:
    """The row of the nearest registered class among `cls` and its bases, or None."""
    return next((MASKABLE[base] for base in cls.__mro__ if base in MASKABLE), None)


def mask_name(attribute: str) -> str:
    """Name of the mask variable that belongs to a weight attribute: `_kernel` -> `kernel_mask`."""
    return f"{attribute.lstrip('_')}_mask"


def reading_name(attribute: str) -> str:
    """Name under which a layer keeps the reading of a weight attribute: `_kernel` -> `kernel_reading`."""
    return f"{attribute.lstrip('_')}_reading"


def masked_value(weight: keras.Variable, mask: keras.Variable) -> tf.Tensor:
    """The weight where `mask` is true and zero elsewhere, in the dtype of the running computation."""
    value = tf.convert_to_tensor(weight)
    return tf.where(mask.value, value, tf.zeros_like(value))


class Reading:
    """How a masked layer computes with a weight, where that is more than hiding what is masked.

    A subclass says what the effective weight is; outside of the mask it is zero. Variables of its own belong
    to the layer while the reading is attached (`attach_reading`), are trained with it and saved with it, and
    are gone when the model is folded, which bakes the effective weight in.

    Attributes:
        variables: Keras variables by name.
    """

    variables: Mapping[str, keras.Variable] = MappingProxyType({})

    def __call__(self, weight: keras.Variable, mask: keras.Variable) -> tf.Tensor:
        """The effective weight, in the dtype of the running computation."""
        raise NotImplementedError

    def kept(self, weight: keras.Variable, mask: keras.Variable) -> tf.Tensor:
        """Bool, where the effective weight takes part in the network: the mask, or less."""
        return tf.convert_to_tensor(mask.value)

    def attached(self, weight: keras.Variable) -> None:
        """Called when a layer gets the reading."""

    def detached(self, weight: keras.Variable) -> None:
        """Called when a layer is folded or gets another reading, to take back what `attached` did."""


class Masked(keras.Layer):
    """What every masked layer adds to its stock class (`stock`): masks, and reading through them."""

    stock: type
    maskable: Maskable

    @property
    def masks(self) -> dict[str, keras.Variable]:
        """Mask variables (bool, shaped like the weight) by weight attribute."""
        found = ((name, self.__dict__.get(mask_name(name))) for name in self.maskable.attributes)
        return {name: mask for name, mask in found if mask is not None}

    @property
    def readings(self) -> dict[str, Reading]:
        """Readings by weight attribute, of the weights that have one."""
        found = ((name, self.__dict__.get(reading_name(name))) for name in self.maskable.attributes)
        return {name: reading for name, reading in found if reading is not None}

    @property
    def added(self) -> dict[str, keras.Variable]:
        """The variables that the stock class does not have, masks first, by the names they are saved by."""
        masks = {mask_name(attribute): mask for attribute, mask in self.masks.items()}
        return masks | {
            f"{reading_name(attribute)}_{name}": variable
            for attribute, reading in self.readings.items()
            for name, variable in reading.variables.items()
        }

    @property
    def reloads(self) -> bool:
        """Whether a `.keras` file would give back the mask; asked after the configs were written."""
        return "_built_masked" in self.__dict__ or "_config_written" in self.__dict__

    def get_config(self) -> dict[str, Any]:
        """The stock layer's config; refused while a reading's variables are more than that tells."""
        self.check_copyable()
        # Noted for `reloads`: a layer masked in place comes back only where its own config does.
        self.__dict__["_config_written"] = True
        return super().get_config()

    def check_copyable(self) -> None:
        """Raises ValueError if a copy by config would lack a reading's variables: another network."""
        for attribute, reading in self.readings.items():
            if reading.variables:
                raise ValueError(
                    f"{self.__dict__[attribute].path} is computed by {type(reading).__name__}, which a copy, "
                    "a config or a .keras file of the model would lack: it would be another network. Call "
                    "tf_tickets.fold(model) first, or write `model.save_weights(path)`."
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
        """Saves what the stock class saves, then each mask and what readings own under its own name."""
        with self._added_untracked():
            super().save_own_variables(store)
        for name, variable in self.added.items():
            store[name] = variable

    def load_own_variables(self, store: Mapping) -> None:
        """Loads what the stock class loads, and the masks if the file has them."""
        # An h5 store has only `keys`, and not what a mapping makes of them.
        stored = {key: store[key] for key in store.keys()}  # noqa: SIM118
        add_masks(
            self, tuple(x for x in self.maskable.attributes if mask_name(x) in stored and x not in self.masks)
        )
        added = self.added
        with self._added_untracked():
            super().load_own_variables({key: value for key, value in stored.items() if key not in added})
        for key in added.keys() & stored.keys():
            added[key].assign(stored[key])

    @contextlib.contextmanager
    def _added_untracked(self) -> Iterator[None]:
        added = {id(variable) for variable in self.added.values()}
        lists = (self._trainable_variables, self._non_trainable_variables)
        tracked = [list(variables) for variables in lists]
        for variables in lists:
            variables[:] = [v for v in variables if id(v) not in added]
        try:
            yield
        finally:
            for variables, before in zip(lists, tracked, strict=True):
                variables[:] = before


def add_masks(layer: keras.Layer, attributes: tuple[str, ...]) -> None:
    """Creates an all-true mask beside each of the layer's weights named (layer of a `Masked` class)."""
    for attribute in attributes:
        weight = layer.__dict__[attribute]
        # Under tf.distribute a mask must be mirrored wherever its weight is.
        strategy = getattr(weight._value, "distribute_strategy", None)
        with _unlocked(layer), strategy.scope() if strategy is not None else contextlib.nullcontext():
            mask = layer.add_weight(
                name=mask_name(attribute),
                shape=weight.shape,
                dtype="bool",
                initializer="ones",
                trainable=False,
            )
        attach_mask(layer, attribute, mask)


def attach_mask(layer: keras.Layer, attribute: str, mask: keras.Variable) -> None:
    """Puts a mask variable beside the layer's weight (layer of a `Masked` class)."""
    weight = layer.__dict__[attribute]
    with _unlocked(layer):
        setattr(layer, mask_name(attribute), mask)
    if weight.regularizer is not None:
        weight.regularizer = _RegularizeMasked(weight.regularizer, mask)
    if weight.constraint is not None:
        weight.constraint = _ConstrainMasked(weight.constraint, mask)


def attach_reading(layer: keras.Layer, attribute: str, reading: Reading) -> None:
    """Makes a masked layer compute with what `reading` makes of the weight, instead of any reading before.

    What was traced of the model goes on with the one before: renew it by `forget_traces`.
    """
    detach_reading(layer, attribute)
    # Past Keras's tracking of attributes: a reading without variables leaves no trace in the layer's weights.
    layer.__dict__[reading_name(attribute)] = reading
    with _unlocked(layer):
        for variable in reading.variables.values():
            layer._track_variable(variable)
    reading.attached(layer.__dict__[attribute])


def detach_reading(layer: keras.Layer, attribute: str) -> None:
    """Makes a masked layer compute again with the weight where its mask is true."""
    reading = layer.__dict__.pop(reading_name(attribute), None)
    if reading is None:
        return
    for variable in reading.variables.values():
        layer._untrack_variable(variable)
    reading.detached(layer.__dict__[attribute])


def effective_value(layer: keras.Layer, attribute: str) -> tf.Tensor:
    """What a masked layer computes with: the masked weight, or what its reading makes of it."""
    reading = layer.__dict__.get(reading_name(attribute), masked_value)
    return reading(layer.__dict__[attribute], layer.__dict__[mask_name(attribute)])


def remove_masks(layer: keras.Layer) -> None:
    """Bakes the zeros into the weights, removes the masks and gives the layer its stock class."""
    for attribute, mask in layer.masks.items():
        weight = layer.__dict__[attribute]
        weight.assign(effective_value(layer, attribute))
        detach_reading(layer, attribute)
        for role in ("regularizer", "constraint"):
            wrapped = getattr(weight, role)
            if isinstance(wrapped, _OnMasked):
                setattr(weight, role, wrapped.inner)
        layer._untrack_variable(mask)
        # Past keras.Layer.__delattr__, which collects garbage after every variable.
        super(keras.Layer, layer).__delattr__(mask_name(attribute))
    layer.__dict__.pop("_config_written", None)
    object.__setattr__(layer, "__class__", type(layer).stock)


@contextlib.contextmanager
def _unlocked(layer: keras.Layer) -> Iterator[None]:
    """Lets a built layer take in another variable."""
    locked = layer._tracker.locked
    layer._tracker.unlock()
    try:
        yield
    finally:
        if locked:
            layer._tracker.lock()


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
def masks_alone(layers: list[keras.Layer]) -> Iterator[None]:
    """For the duration, the layers compute with their masked weights, without their readings."""
    taken = [
        (layer, reading_name(attribute), reading)
        for layer in layers
        if isinstance(layer, Masked)
        for attribute, reading in layer.readings.items()
    ]
    for layer, name, _ in taken:
        del layer.__dict__[name]
    try:
        yield
    finally:
        for layer, name, reading in taken:
            layer.__dict__[name] = reading


@functools.cache
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

    # `wraps` keeps the stock signatures: Keras inspects those of `build` and `call`.
    @functools.wraps(stock.build)
    def build(self, *args, **kwargs):
        stock.build(self, *args, **kwargs)
        reason = why_not(self)
        if reason:
            raise ValueError(f"{type(self).__name__} '{self.name}' cannot be masked: {reason}.")
        self.__dict__["_built_masked"] = True
        add_masks(self, row.weights or row.on_request)

    @functools.wraps(stock.call)
    def call(self, *args, **kwargs):
        # Bound, since a `tf.function` keeps its traces for each instance.
        bound = stock.call.__get__(self, type(self))
        with _computing(self):
            return bound(*args, **kwargs)

    weights = " and ".join(f"`{name.lstrip('_')}`" for name in row.attributes)
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
    members.update({name: _MaskedRead(name) for name in row.attributes})
    cls = type(f"Masked{stock.__name__}", (Masked, stock), members)
    return keras.saving.register_keras_serializable(package=PACKAGE, name=_registered_name(stock))(cls)


def _registered_name(stock: type) -> str:
    name = f"Masked{keras.saving.get_registered_name(stock)}"
    taken = keras.saving.get_registered_object(f"{PACKAGE}>{name}")
    if taken is not None and taken.stock.__module__.startswith("keras."):
        # A user's own class called Dense must not stand in for Keras's when a file is loaded.
        name = f"Masked{stock.__module__}.{stock.__qualname__}"
    return name


def why_not(layer: keras.Layer) -> str | None:
    """Why a layer of a maskable class cannot be masked as it stands, or None if it can."""
    if getattr(layer, "quantization_mode", None) is not None:
        return f"quantized ({layer.quantization_mode})"
    if getattr(layer, "lora_enabled", False):
        return "LoRA is enabled"
    if "call" in layer.__dict__:
        return "its call was replaced, and a mask acts in that of its class"
    row = maskable(type(layer))
    for attribute in row.attributes if row else ():
        if not isinstance(layer.__dict__.get(attribute), keras.Variable):
            return "not built" if not layer.built else f"{attribute!r} holds no variable"
    return None


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


def unsaveable_message(paths: list[str]) -> str:
    """The error for a `.keras` file that could not give the layers their masks back."""
    return (
        f"A .keras file or a copy of this model would lack masks: {', '.join(paths)} is rebuilt by its "
        "parent layer or model, without the mask. Save the parts instead: `ticket.save(path)` for the masks "
        "and `model.save_weights(path)`, or `tf_tickets.fold(model)` first and then `model.save(path)`."
    )


class _MaskedRead:
    """The attribute of a maskable weight: the variable, or inside `call` its masked value."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, layer, owner=None):
        if layer is None:
            return self
        try:
            weight = layer.__dict__[self.name]
        except KeyError:
            raise AttributeError(f"{type(layer).__name__!r} object has no attribute {self.name!r}") from None
        if not _active()[id(layer)]:
            return weight
        return effective_value(layer, self.name) if mask_name(self.name) in layer.__dict__ else weight

    def __set__(self, layer, value):
        layer.__dict__[self.name] = value

    def __delete__(self, layer):
        del layer.__dict__[self.name]


class _OnMasked:
    """Something of the user's that acts on a weight, shown the sparse weight instead."""

    def __init__(self, inner, mask):
        self.inner = inner
        self.mask = mask

    def sparse(self, weight):
        """What the user's own sees of the weight."""
        return self.inner(masked_value(weight, self.mask))


class _RegularizeMasked(_OnMasked, keras.regularizers.Regularizer):
    """A user's regularizer that does not see what the mask hides."""

    def __call__(self, weight):
        return self.sparse(weight)


class _ConstrainMasked(_OnMasked, keras.constraints.Constraint):
    """A user's constraint that neither sees nor changes what the mask hides."""

    def __call__(self, weight):
        return tf.where(self.mask.value, self.sparse(weight), tf.convert_to_tensor(weight))


# One counter for each thread: under tf.distribute every replica calls the layer in a thread of its own.
_threads = threading.local()


def _active() -> collections.Counter:
    if not hasattr(_threads, "active"):
        _threads.active = collections.Counter()
    return _threads.active


@contextlib.contextmanager
def _computing(layer: keras.Layer) -> Iterator[None]:
    active = _active()
    active[id(layer)] += 1
    try:
        yield
    finally:
        active[id(layer)] -= 1
        if not active[id(layer)]:
            del active[id(layer)]


def _names(names, argument: str) -> tuple[str, ...]:
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
