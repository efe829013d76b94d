"""Which rule holds for which layer: a table."""

from __future__ import annotations

from typing import Any

import keras
from keras.src import ops
from keras.src.activations import activations

from tf_tickets.compaction.attention import ATTENTION
from tf_tickets.compaction.channelwise import (
    ACTIVATION,
    BATCH_NORMALIZATION,
    COMPUTED,
    JOINING,
    MEAN,
    MERGING,
    PADDING,
    PASSING,
    PERMUTATION,
    PRODUCT,
    RESCALING,
    SLOPES,
)
from tf_tickets.compaction.depthwise import DEPTHWISE, SEPARABLE
from tf_tickets.compaction.mixing import (
    CONVOLUTION,
    DENSE,
    EINSUM,
    GROUPED_CONVOLUTION,
    TRANSPOSED_CONVOLUTION,
)
from tf_tickets.compaction.recurrent import BOTH_WAYS, RECURRENT
from tf_tickets.compaction.reshaping import Reshaping
from tf_tickets.compaction.rule import Rule
from tf_tickets.compaction.table_lookup import TABLE

UNKNOWN = Rule()
TOGETHER = Rule("it computes with all channels together")


def _named(module: Any, names: str, rule: Rule) -> dict[type, Rule]:
    """A row for each class that this version of Keras has."""
    return {getattr(module, name): rule for name in names.split() if hasattr(module, name)}


# Exact classes: what a class that inherits does with its channels is its own affair.
RULES: dict[type, Rule] = {
    keras.layers.Dense: DENSE,
    keras.layers.EinsumDense: EINSUM,
    **_named(keras.layers, "Conv1D Conv2D Conv3D", CONVOLUTION),
    **_named(keras.layers, "Conv1DTranspose Conv2DTranspose Conv3DTranspose", TRANSPOSED_CONVOLUTION),
    **_named(keras.layers, "DepthwiseConv1D DepthwiseConv2D", DEPTHWISE),
    **_named(keras.layers, "SeparableConv1D SeparableConv2D", SEPARABLE),
    keras.layers.Embedding: TABLE,
    keras.layers.BatchNormalization: BATCH_NORMALIZATION,
    keras.layers.Activation: ACTIVATION,
    keras.layers.Rescaling: RESCALING,
    keras.layers.PReLU: SLOPES,
    **_named(keras.layers, "ReLU LeakyReLU ELU", COMPUTED),
    **_named(
        keras.layers, "Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D AlphaDropout", PASSING
    ),
    **_named(keras.layers, "GaussianNoise GaussianDropout Identity ActivityRegularization", PASSING),
    **_named(keras.layers, "MaxPooling1D MaxPooling2D MaxPooling3D", PASSING),
    **_named(keras.layers, "AveragePooling1D AveragePooling2D AveragePooling3D", PASSING),
    **_named(keras.layers, "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D", PASSING),
    **_named(keras.layers, "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D", PASSING),
    **_named(keras.layers, "UpSampling1D UpSampling2D UpSampling3D", PASSING),
    **_named(keras.layers, "Cropping1D Cropping2D Cropping3D RepeatVector", PASSING),
    **_named(keras.layers, "ZeroPadding1D ZeroPadding2D ZeroPadding3D", PADDING),
    keras.layers.Permute: PERMUTATION,
    keras.layers.Flatten: Reshaping(),
    keras.layers.Reshape: Reshaping("target_shape"),
    **_named(keras.layers, "Add Subtract Average Maximum Minimum", MERGING),
    keras.layers.Multiply: PRODUCT,
    keras.layers.Concatenate: JOINING,
    **_named(keras.layers, "LayerNormalization GroupNormalization UnitNormalization", TOGETHER),
    **_named(keras.layers, "RMSNormalization Softmax Dot Attention AdditiveAttention", TOGETHER),
    **RECURRENT,
    keras.layers.Bidirectional: BOTH_WAYS,
    keras.layers.MultiHeadAttention: ATTENTION,
    **_named(ops.numpy, "Add Subtract Divide TrueDivide Maximum Minimum", MERGING),
    **_named(ops.numpy, "Multiply", PRODUCT),
    **_named(ops.numpy, "Concatenate", JOINING),
    **_named(ops.numpy, "Mean", MEAN),
    **_named(activations, "ReLU", MERGING),
    **_named(ops.numpy, "Abs Absolute Negative Square Exp Tanh Sin Cos Clip", MERGING),
    **_named(
        ops.nn, "Relu Relu6 Sigmoid Silu Softplus Softsign Elu Selu Gelu LeakyRelu HardSigmoid", MERGING
    ),
    **_named(ops.nn, "HardSilu HardTanh LogSigmoid Mish Celu SoftShrink TanhShrink SquarePlus", MERGING),
}


def rule_of(layer: Any) -> Rule:
    """The rule of a layer or operation, by its exact class."""
    if (
        isinstance(layer, keras.layers.Conv1D | keras.layers.Conv2D | keras.layers.Conv3D)
        and layer.groups > 1
    ):
        return GROUPED_CONVOLUTION if type(layer) in RULES else UNKNOWN
    return RULES.get(type(layer), UNKNOWN)
