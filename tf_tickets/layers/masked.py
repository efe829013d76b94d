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

from tf_tickets.layers.layer_config import LayerConfig, masks_of, without_masks
from tf_tickets.layers.mask import Mask
from tf_tickets.layers.mask_variables import add_masks, attach_mask, drop_masks, take_mask_from
from tf_tickets.layers.maskable import (
    MASKABLE,
    Maskable,
    mask_name,
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
        return "_built_masked" in self.__dict__ or "_written" in self.__dict__

    def get_config(self) -> dict[str, Any]:
        """The stock layer's config; refused while a parametrization's variables are more than that tells."""
        self.check_copyable()
        return LayerConfig(super().get_config(), self.masks)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], *options: Any) -> Any:
        """A layer of the config, not built yet; with the masks of the one whose `get_config` this is."""
        layer = super().from_config(without_masks(config), *options)
        layer.__dict__["_given_masks"] = masks_of(config)
        return layer

    def get_build_config(self) -> dict[str, Any] | None:
        """As the stock layer; Keras asks while it writes this very layer, not when a parent looks."""
        self.note_written()
        return super().get_build_config()

    def note_written(self) -> None:
        """Notes for `reloads` that a file under way says that this layer is masked."""
        self.__dict__["_written"] = True

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
        self.__dict__.pop("_written", None)
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


@functools.cache
def class_with_masks(stock: Any, row: Maskable) -> type:
    """The masked class of a layer class that has a row with weights, registered with Keras."""

    # `wraps` keeps the stock signatures: Keras inspects those of `build` and `call`.
    @functools.wraps(stock.build)
    def build(self: Any, *args: Any, **kwargs: Any) -> None:
        stock.build(self, *args, **kwargs)
        reason = why_not_maskable(self)
        if reason:
            raise ValueError(f"{type(self).__name__} '{self.name}' cannot be masked: {reason}.")
        self.__dict__["_built_masked"] = True
        given = self.__dict__.pop("_given_masks", {})
        by_default = tuple(name for name in row.weights or row.on_request if name in present(self, row))
        add_masks(self, tuple(given) or by_default)
        for name, mask in given.items():
            take_mask_from(self.masks[name], mask)

    @functools.wraps(stock.call)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        # Bound, since a `tf.function` keeps its traces for each instance.
        bound = stock.call.__get__(self, type(self))
        with computing(self):
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
    members.update({name: MaskedRead(name) for name in row.attributes})
    cls = type(f"Masked{stock.__name__}", (Masked, stock), members)
    return keras.saving.register_keras_serializable(package=PACKAGE, name=registered_name(stock))(cls)


def give_mask(layer: keras.Layer, attribute: str, mask: keras.Variable | None = None) -> bool:
    """Gives the layer its masked class and the weight a mask, by default a new one; False if it had one."""
    if not isinstance(layer, Masked):
        row = row_of(layer)
        assert row is not None
        stock: Any = type(layer)
        object.__setattr__(layer, "__class__", class_with_masks(stock, row))
    if attribute in layer.masks:
        return False
    if mask is None:
        add_masks(layer, (attribute,))
    else:
        attach_mask(layer, attribute, mask)
    return True


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
    class_with_masks(cls, row)
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
        "parent layer or model, without the mask. Call `tf_tickets.mask_layers(model)` with the whole model, "
        "which keeps the masks that are there, before you save it. Or save the parts: `ticket.save(path)` "
        "for the masks and `model.save_weights(path)`; or `tf_tickets.fold(model)` first and then "
        "`model.save(path)`."
    )


def registered_name(stock: type) -> str:
    """The name by which Keras finds the masked class of a class in a config."""
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
