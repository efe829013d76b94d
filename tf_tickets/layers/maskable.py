"""What can be masked: a table of layer classes, and why a layer cannot be masked as it stands."""

import dataclasses

import keras


@dataclasses.dataclass(frozen=True)
class Maskable:
    """What can be masked in a layer class: attributes that hold variables.

    Args:
        weights: attributes pruned by default.
        on_request: attributes pruned only where `include=` names the layer.
        encloses: whether the layer's call reads weights of the layers in it past their own calls, as that of
            an LSTM reads the kernels of its cell where a fused kernel takes them. Their masks act in its call
            then too.
        may_lack: whether a layer may have only some of the attributes.
    """

    weights: tuple[str, ...] = ()
    on_request: tuple[str, ...] = ()
    encloses: bool = False
    may_lack: bool = False

    @property
    def attributes(self) -> tuple[str, ...]:
        """All attributes of the class that can carry a mask."""
        return self.on_request + self.weights


_KERNEL = Maskable(weights=("_kernel",))
_PLAIN_KERNEL = Maskable(weights=("kernel",))
_SEPARABLE = Maskable(weights=("pointwise_kernel",), on_request=("depthwise_kernel",))
_DEPTHWISE = Maskable(on_request=("kernel",))
_RECURRENT = Maskable(weights=("kernel", "recurrent_kernel"))
_ENCLOSING = Maskable(encloses=True)

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
    keras.layers.SimpleRNNCell: _RECURRENT,
    keras.layers.LSTMCell: _RECURRENT,
    keras.layers.GRUCell: _RECURRENT,
    keras.layers.RNN: _ENCLOSING,
    keras.layers.Bidirectional: _ENCLOSING,
}

# A cell of any other class, as Keras tells cells: by its `state_size`.
CELL = dataclasses.replace(_RECURRENT, may_lack=True)


def maskable(cls: type) -> Maskable | None:
    """The row of the nearest registered class among `cls` and its bases, or None."""
    return next((MASKABLE[base] for base in cls.__mro__ if base in MASKABLE), None)


def row_of(layer: keras.Layer) -> Maskable | None:
    """The row of the layer's class, or, of a recurrent cell of an unknown class, `CELL`; None of others."""
    row = maskable(type(layer))
    return CELL if row is None and hasattr(layer, "state_size") and present(layer, CELL) else row


def present(layer: keras.Layer, row: Maskable) -> tuple[str, ...]:
    """The attributes of the row that hold a variable in the layer."""
    return tuple(name for name in row.attributes if isinstance(layer.__dict__.get(name), keras.Variable))


def mask_name(attribute: str) -> str:
    """Name of the mask variable that belongs to a weight attribute: `_kernel` -> `kernel_mask`."""
    return f"{attribute.lstrip('_')}_mask"


def why_not_maskable(layer: keras.Layer) -> str | None:
    """Why a layer of a maskable class cannot be masked as it stands, or None if it can."""
    if getattr(layer, "quantization_mode", None) is not None:
        return f"quantized ({layer.quantization_mode})"
    if getattr(layer, "lora_enabled", False):
        return "LoRA is enabled"
    if "call" in layer.__dict__:
        return "its call was replaced, and a mask acts in that of its class"
    row = row_of(layer)
    if row is None or (row.may_lack and present(layer, row)):
        return None
    for attribute in row.attributes:
        if attribute not in present(layer, row):
            return "not built" if not layer.built else f"{attribute!r} holds no variable"
    return None
