"""The masked classes of Keras's layers, to build a model of by hand."""

import functools
from typing import Any

import keras

from tf_tickets.layers.mask_holder import hold_masks_inside, holder_class
from tf_tickets.layers.maskable import MASKABLE, maskable, present, row_of
from tf_tickets.layers.masked import PACKAGE, class_with_masks, give_mask, registered_name


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
    return _class_masked_inside(stock) if row.encloses else class_with_masks(stock, row)


@functools.cache
def _class_masked_inside(stock: Any) -> type:
    """Of a layer without maskable weights of its own: when it is built, the layers in it are masked."""

    @functools.wraps(stock.build)
    def build(self: Any, *args: Any, **kwargs: Any) -> None:
        stock.build(self, *args, **kwargs)
        for layer in self._flatten_layers(include_self=False):
            row = row_of(layer)
            for name in () if row is None else set(row.weights) & set(present(layer, row)):
                give_mask(layer, name)
        # From now on what `mask_layers` makes of such a layer: its config says where masks are.
        object.__setattr__(self, "__class__", holder_class(stock))
        hold_masks_inside(self)

    members = {
        "stock": stock,
        "build": build,
        "__module__": __name__,
        "__doc__": (
            f"`{stock.__name__}` with a non-trainable bool mask beside each kernel in it: it computes with "
            "the kernel where the mask is true and with zero elsewhere. Same arguments, shapes and config as "
            "the stock layer; the masks start all true.\n\n"
            + (stock.__doc__ or "").replace(stock.__name__, f"Masked{stock.__name__}")
        ),
    }
    cls = type(f"Masked{stock.__name__}", (stock,), members)
    return keras.saving.register_keras_serializable(package=PACKAGE, name=registered_name(stock))(cls)


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
