"""What can be masked: a table of layer classes, and why a layer cannot be masked as it stands."""

import dataclasses

import keras


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


def why_not_maskable(layer: keras.Layer) -> str | None:
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
