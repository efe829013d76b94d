"""Layers of Keras 3 made again as layers of tf_keras, and what stands against it."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import tf_keras

# Functions that both know, with equal values: name in Keras 3 -> name in tf_keras. hard_sigmoid is left out:
# that of Keras 3 is steeper.
ACTIVATIONS = {
    "elu": "elu",
    "exponential": "exponential",
    "gelu": "gelu",
    "linear": "linear",
    "mish": "mish",
    "relu": "relu",
    "selu": "selu",
    "sigmoid": "sigmoid",
    "silu": "swish",
    "softmax": "softmax",
    "softplus": "softplus",
    "softsign": "softsign",
    "tanh": "tanh",
}


@dataclasses.dataclass(frozen=True)
class Translation:
    """How a layer's config is read by the class of the same name in tf_keras.

    Attributes:
        renamed: key in Keras 3 -> key in tf_keras.
        wrapped: keys that hold a layer, with the attribute where the layer is.
    """

    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    wrapped: Mapping[str, str] = dataclasses.field(default_factory=dict)


_SAME = Translation()
_OF_ANY_RANK = (
    *("Conv", "MaxPooling", "AveragePooling", "GlobalMaxPooling", "GlobalAveragePooling"),
    *("ZeroPadding", "Cropping", "UpSampling", "SpatialDropout"),
)
_OTHERS = (
    *("Dense", "EinsumDense", "Embedding", "MultiHeadAttention", "SimpleRNN", "GRU", "LSTM"),
    *("DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"),
    *("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"),
    *("BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization"),
    *("Activation", "ReLU", "ELU", "PReLU", "Softmax", "Rescaling"),
    *("Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization"),
    *("Flatten", "Reshape", "Permute", "RepeatVector", "Masking", "Identity"),
    *("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"),
)

# Class of both -> how its config is read. A class that is not here is refused.
LAYERS: dict[str, Translation] = {
    **{f"{kind}{rank}D": _SAME for kind in _OF_ANY_RANK for rank in (1, 2, 3)},
    **dict.fromkeys(_OTHERS, _SAME),
    "LeakyReLU": Translation(renamed={"negative_slope": "alpha"}),
    "Bidirectional": Translation(wrapped={"layer": "forward_layer", "backward_layer": "backward_layer"}),
    "TimeDistributed": Translation(wrapped={"layer": "layer"}),
}

# Which stream of random numbers a layer draws from: no two packages draw the same.
_STREAM = "seed"
# What a layer of tf_keras does that has no such argument.
_ALWAYS = {"data_format": "channels_last"}
_KINDS = {"regularizer": tf_keras.regularizers, "constraint": tf_keras.constraints}


class Untranslatable(ValueError):
    """What tf_keras has not; says what of a layer, for a list."""


def twin_layer(layer: Any, name: str) -> Any:
    """The layer of tf_keras, without its weights.

    What a layer starts from (`kernel_initializer` and others) is left at tf_keras's default, since weights
    are taken over.

    Args:
        layer: a layer of Keras 3, or an operation of a functional graph.
        name: of the new one.

    Raises:
        Untranslatable: tf_keras has no such layer, or not what its config asks for.
    """
    kind = type(layer).__name__
    if not isinstance(layer, keras.Layer):
        raise Untranslatable("an operation of keras.ops, no layer")
    if kind not in LAYERS or type(layer) is not getattr(keras.layers, kind):
        raise Untranslatable("of this class tf_keras has no layer that computes the same")
    if getattr(layer, "quantization_mode", None):
        raise Untranslatable(f"its weights are quantized: {layer.quantization_mode}")
    twin = getattr(tf_keras.layers, kind)
    config = {**dict(_translated(layer, twin, LAYERS[kind])), "name": name}
    try:
        return twin(**config)
    except (TypeError, ValueError) as error:
        raise Untranslatable(f"tf_keras refuses it: {error}") from error


def _translated(layer: Any, twin: type, translation: Translation) -> Iterator[tuple[str, Any]]:
    """(key, value) of what tf_keras is given."""
    known = _arguments(twin)
    for key, value in layer.get_config().items():
        key_there = translation.renamed.get(key, key)
        if key.endswith("_initializer") or (key == _STREAM and key not in known):
            continue
        if key in translation.wrapped:
            inner = getattr(layer, translation.wrapped[key])
            yield key, twin_layer(inner, inner.name)
        elif key == "stateful" and value:
            raise Untranslatable("it keeps state between calls (stateful=True)")
        elif key_there in known:
            yield key_there, _value(layer, key, value)
        elif value and value != _ALWAYS.get(key, _default(type(layer), key)):
            raise Untranslatable(f"tf_keras knows no {key}={value!r}")


def _value(layer: Any, key: str, value: Any) -> Any:
    ending = key.rpartition("_")[2]
    if key == "dtype":
        return layer.dtype_policy.name
    if ending == "activation":
        if not isinstance(value, str) or value not in ACTIVATIONS:
            raise Untranslatable(
                f"tf_keras has no {key}={value!r} of equal values, but {', '.join(sorted(ACTIVATIONS))}"
            )
        return ACTIVATIONS[value]
    if ending in _KINDS and value is not None:
        kind, config = value["class_name"], value["config"]
        if value["module"] != f"keras.{ending}s" or not hasattr(_KINDS[ending], kind):
            raise Untranslatable(f"tf_keras has no {key}={kind}")
        return getattr(_KINDS[ending], kind)(**config)
    return value


@functools.cache
def _arguments(cls: type) -> frozenset[str]:
    """What the constructors of a class of tf_keras, and of those that it is made of, take by name."""
    found = {"name", "trainable", "dtype"}
    for part in cls.__mro__:
        if part is tf_keras.layers.Layer:
            break
        found |= _parameters(part).keys()
    return frozenset(found)


def _default(cls: type, key: str) -> Any:
    """The value of an argument that nobody gave, in Keras 3."""
    for part in cls.__mro__:
        if key in _parameters(part):
            return _parameters(part)[key].default
    return None


def _parameters(cls: type) -> dict[str, inspect.Parameter]:
    """What the constructor that a class has itself takes by name."""
    constructor = vars(cls).get("__init__")
    if not inspect.isfunction(constructor):
        return {}
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = inspect.signature(constructor).parameters
    return {name: each for name, each in found.items() if each.kind in named and name != "self"}


def own_name(weight: Any) -> str:
    """A weight's name without its layers, and without the number that tf_keras puts behind it."""
    return weight.name.rpartition("/")[2].partition(":")[0]
