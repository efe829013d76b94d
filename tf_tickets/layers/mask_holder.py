"""Layers that make their inner layers themselves: a copy, or what a file gives back, has the masks again.

Keras writes a model as the configs of its layers. A functional or Sequential model rebuilds each of its
layers from that layer's own config, and that of a masked layer says that it is masked. Any other layer or
model (attention, a wrapper, a block or a subclassed model of the user) makes its inner layers anew. Where
these are masked it is turned into a `MaskHolder` of its class: its config is the one that it had without
masks, and beside it which of the inner layers, in Keras's own order, are to be masked before their variables
are loaded. Nothing is built to find that out.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras

from tf_tickets.layers.layer_config import LayerConfig, masks_of
from tf_tickets.layers.mask_variables import take_mask_from
from tf_tickets.layers.maskable import maskable
from tf_tickets.layers.masked import PACKAGE, Masked, give_mask
from tf_tickets.layers.masked_read import computing

# In the config of a holder, beside what is its own class's.
KEY = "tf_tickets_masks"


@keras.saving.register_keras_serializable(package=PACKAGE)
class MaskHolder(keras.Layer):
    """What a layer that makes masked layers itself adds to its own class (`stock`)."""

    stock: type

    def get_config(self) -> dict[str, Any]:
        """The config of the layer without masks; beside it, of which class it is and where its masks are."""
        masked = self._masked_inside()
        for _, layer in masked:
            layer.check_copyable()
        inner = self._flatten_layers(include_self=False)
        with without_masked_classes([self, *inner]):
            written = keras.saving.serialize_keras_object(self)
        holds = {
            "name": self.name,
            "class": {key: written[key] for key in ("module", "class_name", "registered_name")},
            "inner_layers": len(inner),
            "masked": [[i, layer.stock.__name__, list(layer.masks)] for i, layer in masked],
        }
        masks = {(i, name): mask for i, layer in masked for name, mask in layer.masks.items()}
        if "_awaited_masks" in self.__dict__:
            # Written again before it is built: Bidirectional makes its layers of configs of the one given.
            holds["inner_layers"], holds["masked"], masks = self._awaited_masks
        return {**written["config"], KEY: LayerConfig(holds, masks)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], *_: Any) -> Any:
        """The layer of its own class, whose inner layers are masked as soon as they are built."""
        holds = config[KEY]
        own = {key: value for key, value in config.items() if key != KEY}
        layer = keras.saving.deserialize_keras_object({**holds["class"], "config": own})
        if holds["masked"]:
            hold_masks(layer)
            layer.__dict__["_awaited_masks"] = (holds["inner_layers"], holds["masked"], masks_of(holds))
        return layer

    def get_build_config(self) -> dict[str, Any] | None:
        """As the layer's own; Keras asks while it writes this very layer, not when a parent looks."""
        for _, layer in self._masked_inside():
            layer.note_written()
        return super().get_build_config()

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Builds what its own class builds; if that is all of it, it has its masks before it is called."""
        super().build_from_config(config)
        if "_awaited_masks" in self.__dict__:
            self._mask_inner_layers()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        outputs = super().__call__(*args, **kwargs)
        if "_awaited_masks" in self.__dict__:
            self._mask_inner_layers()
        return outputs

    def load_own_variables(self, store: Mapping) -> None:
        """Loads what its own class loads; the inner layers, whose turn is next, have their masks then."""
        if "_awaited_masks" in self.__dict__ and not self._mask_inner_layers():
            raise ValueError(
                f"{self.path} is rebuilt from its config with other layers than were saved: it has "
                f"{len(self._flatten_layers(include_self=False))} inside, and of {self._awaited_masks[0]} "
                f"these were masked: {self._awaited_masks[1]}."
            )
        super().load_own_variables(store)

    def __reduce__(self) -> tuple:
        """A pickle names Keras's class: this one is no attribute of a module."""
        _, arguments = super().__reduce__()
        return keras.Layer._unpickle_model, arguments

    def _masked_inside(self) -> list[tuple[int, Masked]]:
        inner = self._flatten_layers(include_self=False)
        return [(i, layer) for i, layer in enumerate(inner) if isinstance(layer, Masked)]

    def _mask_inner_layers(self) -> bool:
        """Masks the inner layers that the config names; False while they are not all built."""
        count, places, given = self._awaited_masks
        inner = self._flatten_layers(include_self=False)
        if len(inner) != count:
            return False
        found = [(i, inner[i], names) for i, _, names in places]
        if any(_stock_name(layer) != name for (_, layer, _), (_, name, _) in zip(found, places, strict=True)):
            return False
        if not all(
            isinstance(layer.__dict__.get(name), keras.Variable)
            for _, layer, names in found
            for name in names
        ):
            return False
        for i, layer, names in found:
            for name in names:
                give_mask(layer, name)
                take_mask_from(layer.masks[name], given.get((i, name)))
        hold_masks_inside(self)
        del self.__dict__["_awaited_masks"]
        return True


@functools.cache
def holder_class(stock: Any) -> type:
    """The `MaskHolder` of a layer class; its name stays, since weights files name layers by it."""
    members: dict[str, Any] = {"stock": stock, "__module__": __name__, "__doc__": stock.__doc__}
    row = maskable(stock)
    if row is not None and row.encloses:
        members["call"] = _enclosing_call(stock)
    if hasattr(stock, "save_to_preset"):
        members["save_to_preset"] = _refuse_preset
    cls = type(stock.__name__, (MaskHolder, stock), members)
    # One name for all: `from_config` finds the class in the config.
    return keras.saving.register_keras_serializable(package=PACKAGE, name=MaskHolder.__name__)(cls)


def hold_masks(layer: keras.Layer) -> None:
    """Turns a layer into a `MaskHolder` of its class."""
    if not isinstance(layer, (Masked, MaskHolder)):
        stock: Any = type(layer)
        object.__setattr__(layer, "__class__", holder_class(stock))


def hold_masks_inside(model: keras.Layer) -> None:
    """Does so with all layers of a model, and the model, that have masked layers inside.

    A plain functional or Sequential model may stay what it is: Keras rebuilds each of its layers. One inside
    another may not, since a clone of the whole would have the masks of its configs alone.
    """
    for layer in model._flatten_layers():
        plain = layer is model and type(layer).__module__.startswith("keras.")
        if not plain and any(isinstance(x, Masked) for x in layer._flatten_layers(include_self=False)):
            hold_masks(layer)


def release_holders(model: keras.Layer) -> None:
    """Gives holders without a masked layer inside, the model or within it, their own class back."""
    for layer in model._flatten_layers():
        if isinstance(layer, MaskHolder) and not any(
            isinstance(inner, Masked) for inner in layer._flatten_layers(include_self=False)
        ):
            object.__setattr__(layer, "__class__", type(layer).stock)


@contextlib.contextmanager
def without_masked_classes(layers: Sequence[keras.Layer]) -> Iterator[None]:
    """For the duration, masked layers and holders are of their stock classes."""
    changed = [(layer, type(layer)) for layer in layers if isinstance(layer, (Masked, MaskHolder))]
    for layer, cls in changed:
        object.__setattr__(layer, "__class__", cls.stock)
    try:
        yield
    finally:
        for layer, cls in changed:
            object.__setattr__(layer, "__class__", cls)


def _enclosing_call(stock: Any) -> Callable:
    """The call of a layer that may read weights of the layers in it past their own calls."""

    @functools.wraps(stock.call)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        # Bound, since a `tf.function` keeps its traces for each instance.
        bound = stock.call.__get__(self, type(self))
        with computing(*(layer for _, layer in self._masked_inside())):
            return bound(*args, **kwargs)

    return call


def _stock_name(layer: keras.Layer) -> str:
    cls: Any = type(layer)
    return getattr(cls, "stock", cls).__name__


def _refuse_preset(self: keras.Layer, *args: Any, **kwargs: Any) -> None:
    raise ValueError(
        f"A preset of '{self.name}' would lack its masks. Call tf_tickets.fold(model) first, or save the "
        "model by `model.save(path)`."
    )
