"""A target network read as a chain: layers with weights, and what stands between them."""

import dataclasses
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import Masked, effective_value, why_not_maskable

_CONVOLUTION = ("kernel_size", "strides", "padding", "dilation_rate")

# Layers with weights that can be copied neuron by neuron -> what of their form a source keeps.
WEIGHTED: dict[type, tuple[str, ...]] = {
    keras.layers.Dense: (),
    keras.layers.Conv1D: _CONVOLUTION,
    keras.layers.Conv2D: _CONVOLUTION,
    keras.layers.Conv3D: _CONVOLUTION,
}

# Layers without weights that treat every channel alike, and so the copies of a channel too.
ALIKE = (
    keras.layers.Activation,
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.AveragePooling3D,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalAveragePooling3D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.GlobalMaxPooling3D,
    keras.layers.LeakyReLU,
    keras.layers.MaxPooling1D,
    keras.layers.MaxPooling2D,
    keras.layers.MaxPooling3D,
    keras.layers.ReLU,
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
    keras.layers.ZeroPadding3D,
)

# Activations that act on each neuron by itself.
ELEMENTWISE = (
    keras.activations.elu,
    keras.activations.gelu,
    keras.activations.leaky_relu,
    keras.activations.linear,
    keras.activations.relu,
    keras.activations.relu6,
    keras.activations.selu,
    keras.activations.sigmoid,
    keras.activations.silu,
    keras.activations.softplus,
    keras.activations.tanh,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Block:
    """A layer with weights, and the layers without that follow it.

    Attributes:
        layer: the target's layer.
        kernel: the kernel it computes with, shape (*space, inputs, neurons), zero where the target is pruned.
        bias: its biases, zeros where it has none.
        after: layers before the next one with weights; after the last, all that are left.
    """

    layer: keras.Layer
    kernel: np.ndarray
    bias: np.ndarray
    after: tuple[keras.Layer, ...]

    @property
    def stock(self) -> type:
        """The Keras class of the layer, masked or not."""
        return stock_class(self.layer)

    @property
    def form(self) -> dict[str, Any]:
        """What of the layer's form a source keeps, as arguments of its class."""
        return {name: getattr(self.layer, name) for name in WEIGHTED[self.stock]}


@dataclasses.dataclass(frozen=True, eq=False)
class Chain:
    """A target network.

    Attributes:
        before: layers without weights before the first block.
        blocks: the layers with weights, in order.
    """

    before: tuple[keras.Layer, ...]
    blocks: tuple[Block, ...]

    @property
    def arch(self) -> tuple[int, ...]:
        """Inputs of the first block, then the neurons (or channels) of each."""
        return (self.blocks[0].kernel.shape[-2], *(block.kernel.shape[-1] for block in self.blocks))

    @property
    def connections(self) -> tuple[int, ...]:
        """Nonzero weights of each block."""
        return tuple(int(np.count_nonzero(block.kernel)) for block in self.blocks)


def read_chain(model: Any) -> Chain:
    """Reads a model as a chain of blocks.

    Raises:
        TypeError: it is no Keras model.
        ValueError: it is no chain, or has a layer whose neurons cannot be copied; names the layer.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"The target is a keras.Model. Received: {type(model).__name__}")
    layers = _layers_in_order(model)
    places = [place for place, layer in enumerate(layers) if stock_class(layer) in WEIGHTED]
    for layer in layers:
        _check_layer(layer)
    if not places:
        raise ValueError(f"The target '{model.name}' has no layer of {_names(WEIGHTED)}.")
    for layer in layers[places[0] : places[-1]]:
        _check_copyable(layer)
    ends = [*places[1:], len(layers)]
    blocks = tuple(
        _block(layers[place], tuple(layers[place + 1 : end])) for place, end in zip(places, ends, strict=True)
    )
    for block in blocks:
        if not (np.isfinite(block.kernel).all() and np.isfinite(block.bias).all()):
            raise ValueError(f"Layer '{block.layer.name}' of the target has weights that are not finite.")
    return Chain(before=tuple(layers[: places[0]]), blocks=blocks)


def stock_class(layer: Any) -> type:
    """The Keras class behind a masked layer; of any other layer its class."""
    return type(layer).stock if isinstance(layer, Masked) else type(layer)


def _layers_in_order(model: keras.Model) -> list[keras.Layer]:
    """The layers from inputs to outputs, without the input layer."""
    way_out = "embed_target takes a built Sequential or functional model whose layers form one chain."
    # Subclassed models know neither, nor does a Sequential model before it is built.
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if not inputs or not outputs:
        raise ValueError(
            f"The target '{model.name}' is {'subclassed' if model.built else 'not built'}. {way_out}"
        )
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(
            f"The target '{model.name}' has {len(inputs)} inputs and {len(outputs)} outputs, not one of "
            f"each. {way_out}"
        )
    layers: list[keras.Layer] = []
    tensor = outputs[0]
    while tensor is not inputs[0]:
        layer, node, _ = tensor._keras_history
        sources = layer._inbound_nodes[node].input_tensors
        if len(sources) != 1:
            raise ValueError(f"Layer '{layer.name}' of the target joins {len(sources)} tensors. {way_out}")
        layers.insert(0, layer)
        tensor = sources[0]
    for layer in layers:
        if layers.count(layer) > 1:
            raise ValueError(f"Layer '{layer.name}' of the target stands in it more than once. {way_out}")
    return layers


def _check_layer(layer: Any) -> None:
    """Refuses what no source can be built with, wherever it stands."""
    if not isinstance(layer, keras.Layer):
        raise ValueError(
            f"'{layer.name}' of the target is an operation, no layer. Use a layer in its place, such as "
            "keras.layers.ReLU."
        )
    if getattr(layer, "data_format", "channels_last") == "channels_first":
        raise ValueError(f"Layer '{layer.name}' of the target has its channels first, not last.")
    if stock_class(layer) not in WEIGHTED:
        if layer.weights:
            raise ValueError(
                f"Layer '{layer.name}' of the target is a {type(layer).__name__}. Layers with weights can be "
                f"{_names(WEIGHTED)}. Fold batch normalisation into the layer before it; put the layers of a "
                "nested model in its place."
            )
        return
    if getattr(layer, "groups", 1) > 1:
        raise ValueError(f"Layer '{layer.name}' of the target is a convolution in {layer.groups} groups.")
    reason = why_not_maskable(layer)
    if reason:
        raise ValueError(f"Layer '{layer.name}' of the target cannot be masked: {reason}.")


def _check_copyable(layer: keras.Layer) -> None:
    """Refuses what does not treat copies of a neuron as the neuron; after the last block all is allowed."""
    if stock_class(layer) not in WEIGHTED and type(layer) not in ALIKE:
        raise ValueError(
            f"Layer '{layer.name}' of the target is a {type(layer).__name__}. Between layers with weights "
            f"there can be: {_names(ALIKE)}."
        )
    activation = getattr(layer, "activation", keras.activations.linear)
    if activation not in ELEMENTWISE:
        raise ValueError(
            f"Layer '{layer.name}' of the target has the activation "
            f"{getattr(activation, '__name__', activation)!r}. Before the last layer with weights an "
            f"activation acts on each neuron by itself: {_names(ELEMENTWISE)}."
        )


def _block(layer: keras.Layer, after: tuple[keras.Layer, ...]) -> Block:
    has_mask = isinstance(layer, Masked) and layer.masks
    kernel = np.asarray(effective_value(layer, "_kernel") if has_mask else layer.kernel)
    bias = np.zeros_like(kernel[(0,) * (kernel.ndim - 1)]) if layer.bias is None else np.asarray(layer.bias)
    return Block(layer=layer, kernel=kernel, bias=bias, after=after)


def _names(things: Any) -> str:
    return ", ".join(thing.__name__ for thing in things)
