"""How each weight of a model is drawn anew: by its layer's own initializer, with another seed."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import keras

from tf_tickets.layers import Masked
from tf_tickets.models.initial_weights import layer_seeds

# (shape, dtype) -> values, as Keras calls an initializer.
Draw: TypeAlias = Callable[..., Any]
# An initializer -> the same with a seed of its own.
Anew: TypeAlias = Callable[[Any], Draw]


def redraws(model: keras.Model, seed: int) -> list[tuple[keras.Variable, Draw]]:
    """Each weight of the model once, with what draws it anew."""
    found: dict[int, tuple[keras.Variable, Draw]] = {}
    missing: dict[int, str] = {}
    seeds = layer_seeds(seed)
    owners = ((layer, weights) for layer in model._flatten_layers() if (weights := _own_weights(layer)))
    for (layer, weights), layer_seed in zip(owners, seeds, strict=False):
        # A layer's weights may share an initializer, too.
        for weight, weight_seed in zip(weights, layer_seeds(layer_seed), strict=False):
            draw = _redraw(layer, weight, weight_seed)
            if draw is None:
                missing.setdefault(id(weight), f"{weight.path} of {type(layer).__name__} '{layer.name}'")
            else:
                found.setdefault(id(weight), (weight, draw))
    # A wrapper may hold a weight of the layer that it wraps, which knows the initializer.
    lost = [name for weight, name in missing.items() if weight not in found]
    if lost:
        raise ValueError(
            f"reinitialize does not know how '{model.name}' drew {'; '.join(lost)}. The initializer of a "
            "weight `name` is looked for in the layer's attribute `name_initializer`: set it, for example "
            "layer.w_initializer = 'glorot_uniform'."
        )
    return [(weight, draw) for weight, draw in found.values() if draw is not _stays]


def _own_weights(layer: keras.Layer) -> list[keras.Variable]:
    """Variables that the layer itself holds, but for masks."""
    masks = {id(mask) for mask in layer.masks.values()} if isinstance(layer, Masked) else set()
    own = layer._trainable_variables + layer._non_trainable_variables
    return [variable for variable in own if id(variable) not in masks]


def _redraw(layer: keras.Layer, weight: keras.Variable, seed: int) -> Draw | None:
    """What draws the weight as a new layer would; None where that is not to be found."""
    anew = functools.partial(_reseeded, seed=seed, where=f"{weight.path} of layer '{layer.name}'")
    names = [*_attributes(layer, weight), weight.name]
    for cls in type(layer).__mro__:
        rows = _EXCEPTIONS.get(cls.__name__, {}) if cls.__module__.startswith("keras.") else {}
        for name in (*names, "*"):
            if name in rows:
                return rows[name](layer, anew)
    for name in names:
        # `depthwise_kernel` and `recurrent_kernel` have a `depthwise_initializer`, `recurrent_initializer`.
        for role in (name, name.removesuffix("_kernel")):
            initializer = getattr(layer, f"{role}_initializer", None)
            if initializer is not None:
                return anew(initializer)
    return None


def _attributes(layer: keras.Layer, weight: keras.Variable) -> Iterator[str]:
    """Names of the layer's attributes that are the weight, or a list with it."""
    for name, value in layer.__dict__.items():
        held = value if isinstance(value, (list, tuple)) else (value,)
        # Keras's own lists of all variables say nothing.
        if not name.endswith("_variables") and any(item is weight for item in held):
            yield name.lstrip("_")


def _reseeded(initializer: Any, seed: int, where: str) -> Draw:
    """The initializer with another seed; as it is where it draws nothing."""
    initializer = keras.initializers.get(initializer)
    config = initializer.get_config() if hasattr(initializer, "get_config") else {}
    if "seed" in config:
        return type(initializer).from_config({**config, "seed": seed})
    if type(initializer).__module__.startswith("keras."):
        return initializer
    raise ValueError(
        f"The initializer of {where} cannot be drawn anew, because it takes no seed. Received: "
        f"{initializer!r}. Use one of keras.initializers, or a subclass of keras.initializers.Initializer "
        "with a seed in its constructor and in its config."
    )


def _stays(*_: Any, **__: Any) -> None:
    """Marks variables that no building draws."""


def _by(attribute: str) -> Callable[[Any, Anew], Draw]:
    return lambda layer, anew: anew(getattr(layer, attribute))


def _always(initializer: Any) -> Callable[[Any, Anew], Draw]:
    return lambda layer, anew: anew(initializer)


def _einsum_kernel(layer: Any, anew: Anew) -> Draw:
    """Fans as the equation says, which the kernel's shape does not."""
    initializer = layer.kernel_initializer
    config = initializer.get_config() if isinstance(initializer, keras.initializers.VarianceScaling) else {}
    # Earlier releases of Keras have no such axes.
    if None not in (config.get("input_axes", ()), config.get("output_axes", ())):
        return anew(initializer)
    operands, outputs = layer.equation.split("->")
    kernel = operands.split(",")[1].strip()
    axes = {
        "input_axes": [axis for axis, letter in enumerate(kernel) if letter not in outputs],
        "output_axes": [axis for axis, letter in enumerate(kernel) if letter in outputs],
    }
    return anew(type(initializer).from_config({**config, **axes}))


def _unit_forget_bias(layer: Any, anew: Anew) -> Draw:
    bias = anew(layer.bias_initializer)
    if not layer.unit_forget_bias:
        return bias

    def draw(shape: tuple[int, ...], dtype: str) -> Any:
        units = shape[0] // 4
        parts = bias((units,), dtype=dtype), keras.ops.ones((units,), dtype), bias((2 * units,), dtype=dtype)
        return keras.ops.concatenate(parts)

    return draw


def _moving_stddev(layer: Any, anew: Anew) -> Draw:
    variance = anew(layer.moving_variance_initializer)
    return lambda shape, dtype: keras.ops.sqrt(variance(shape, dtype=dtype))


def _fourier(part: str) -> Callable[[Any, Anew], Draw]:
    return lambda layer, anew: keras.initializers.STFT(part, layer.window, layer.scaling, layer.periodic)


# Keras's own layers that do not follow the convention: class -> weight -> (layer, anew) -> what draws it. By
# name, since Keras does not export all of them. "*" is every weight.
_EXCEPTIONS: dict[str, dict[str, Callable[[Any, Anew], Draw]]] = {
    "AdditiveAttention": {"scale": _always("glorot_uniform")},
    "Attention": {"scale": _always("ones"), "concat_score_weight": _always("ones")},
    "BaseDepthwiseConv": {"kernel": _by("depthwise_initializer")},
    "BatchNormalization": {
        "moving_stddev": _moving_stddev,
        "renorm_mean": _by("moving_mean_initializer"),
        "renorm_stddev": _moving_stddev,
    },
    "ConvLSTMCell": {"bias": _unit_forget_bias},
    "EinsumDense": {"kernel": _einsum_kernel},
    "LSTMCell": {"bias": _unit_forget_bias},
    # Of ConvNeXt.
    "LayerScale": {"gamma": lambda layer, anew: keras.initializers.Constant(layer.init_values)},
    # What it has learnt of the data is no weight.
    "Normalization": {"*": lambda layer, anew: _stays},
    "RMSNormalization": {"scale": _always("ones")},
    "ReversibleEmbedding": {"reverse_embeddings": _by("embeddings_initializer")},
    "STFTSpectrogram": {"real_kernel": _fourier("real"), "imag_kernel": _fourier("imag")},
    "SpectralNormalization": {"vector_u": _always(keras.initializers.TruncatedNormal(stddev=0.02))},
}
