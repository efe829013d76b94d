"""Masked layers, batch normalisation, and converting a model there and back."""

import keras

from tf_tickets.layers.batch_normalization import BatchNormalization, differentiated_twice
from tf_tickets.layers.callback_order import check_backup_comes_later
from tf_tickets.layers.folding import borrowed_masks, fold, folded
from tf_tickets.layers.forward_order import Classifiers, forward_order
from tf_tickets.layers.gradient_tap import GradientTap
from tf_tickets.layers.macs import macs_density, macs_per_weight, model_macs, total_macs
from tf_tickets.layers.mask import Mask
from tf_tickets.layers.mask_selection import kernels_in
from tf_tickets.layers.maskable import why_not_maskable
from tf_tickets.layers.masked import Masked, register_maskable, without_parametrizations
from tf_tickets.layers.masked_classes import (
    MaskedBidirectional,
    MaskedConv1D,
    MaskedConv1DTranspose,
    MaskedConv2D,
    MaskedConv2DTranspose,
    MaskedConv3D,
    MaskedConv3DTranspose,
    MaskedConvLSTM1D,
    MaskedConvLSTM2D,
    MaskedConvLSTM3D,
    MaskedDense,
    MaskedDepthwiseConv1D,
    MaskedDepthwiseConv2D,
    MaskedEinsumDense,
    MaskedEmbedding,
    MaskedGRU,
    MaskedGRUCell,
    MaskedLSTM,
    MaskedLSTMCell,
    MaskedRNN,
    MaskedSeparableConv1D,
    MaskedSeparableConv2D,
    MaskedSimpleRNN,
    MaskedSimpleRNNCell,
    masked_class,
)
from tf_tickets.layers.masked_read import computing
from tf_tickets.layers.masked_weight import (
    MaskedWeight,
    classifiers_of,
    cover,
    effective_mask,
    layer_densities,
    masked_weights,
    prunable_weights,
    set_masks,
)
from tf_tickets.layers.masking import MaskReport, mask_layers
from tf_tickets.layers.model_check import check_model
from tf_tickets.layers.nothing_to_prune import nothing_to_prune
from tf_tickets.layers.optimizer_reset import has_own_schedule, replace_optimizer, reset_optimizer
from tf_tickets.layers.optimizer_slots import Slot, forget, put_masks, slot_lists, slots_of
from tf_tickets.layers.parametrization import (
    Parametrization,
    attach_parametrization,
    detach_parametrization,
    effective_value,
    masked_value,
)
from tf_tickets.layers.passed_over import PassedOver, passed_over
from tf_tickets.layers.precision import computing_in, own_precision_where_needed
from tf_tickets.layers.retracing import forget_traces, fresh_functions
from tf_tickets.layers.saved_weights import (
    hide_again,
    restore_weights,
    save_weights,
    stock_values,
    stock_weights,
)
from tf_tickets.layers.symbolic_call import (
    call_arguments,
    check_built,
    example_inputs,
    kept_losses,
    leaves_open,
    note_inputs,
    ones,
    open_lengths,
    wrapped_calls,
)
from tf_tickets.layers.unfused import unfused
from tf_tickets.layers.unpruned import UnprunedWeight, unpruned_weights
from tf_tickets.layers.variables import scope_of, value_of
from tf_tickets.support.backend import check_backend

check_backend(keras.backend.backend())

__all__ = [
    # layers to build a model of
    "BatchNormalization",
    "Masked",
    "MaskedBidirectional",
    "MaskedConv1D",
    "MaskedConv1DTranspose",
    "MaskedConv2D",
    "MaskedConv2DTranspose",
    "MaskedConv3D",
    "MaskedConv3DTranspose",
    "MaskedConvLSTM1D",
    "MaskedConvLSTM2D",
    "MaskedConvLSTM3D",
    "MaskedDense",
    "MaskedDepthwiseConv1D",
    "MaskedDepthwiseConv2D",
    "MaskedEinsumDense",
    "MaskedEmbedding",
    "MaskedGRU",
    "MaskedGRUCell",
    "MaskedLSTM",
    "MaskedLSTMCell",
    "MaskedRNN",
    "MaskedSeparableConv1D",
    "MaskedSeparableConv2D",
    "MaskedSimpleRNN",
    "MaskedSimpleRNNCell",
    "masked_class",
    "register_maskable",
    "why_not_maskable",
    # a model there and back
    "MaskReport",
    "PassedOver",
    "UnprunedWeight",
    "borrowed_masks",
    "fold",
    "folded",
    "mask_layers",
    "nothing_to_prune",
    "passed_over",
    # its weights
    "Classifiers",
    "Mask",
    "MaskedWeight",
    "classifiers_of",
    "cover",
    "effective_mask",
    "effective_value",
    "forget",
    "forward_order",
    "hide_again",
    "kernels_in",
    "layer_densities",
    "macs_density",
    "macs_per_weight",
    "masked_value",
    "masked_weights",
    "model_macs",
    "prunable_weights",
    "put_masks",
    "restore_weights",
    "save_weights",
    "set_masks",
    "stock_values",
    "stock_weights",
    "total_macs",
    "unpruned_weights",
    # other ways to compute with them
    "GradientTap",
    "Slot",
    "Parametrization",
    "attach_parametrization",
    "detach_parametrization",
    "without_parametrizations",
    # for code that changes a model, or calls it in a way of its own
    "call_arguments",
    "check_backup_comes_later",
    "check_built",
    "check_model",
    "computing",
    "computing_in",
    "differentiated_twice",
    "example_inputs",
    "forget_traces",
    "fresh_functions",
    "has_own_schedule",
    "kept_losses",
    "leaves_open",
    "note_inputs",
    "ones",
    "open_lengths",
    "own_precision_where_needed",
    "replace_optimizer",
    "reset_optimizer",
    "slot_lists",
    "slots_of",
    "scope_of",
    "unfused",
    "value_of",
    "wrapped_calls",
]
