"""Interoperation: a pruned model in the Keras of another package."""

from typing import TYPE_CHECKING

from tf_tickets.support.late import late_names

if TYPE_CHECKING:  # `X as X`: type checkers take it as public
    from tf_tickets.interop.tf_keras_quantization import calibrate as calibrate
    from tf_tickets.interop.tf_keras_quantization import lost_zeros as lost_zeros
    from tf_tickets.interop.tf_keras_twin import to_tf_keras as to_tf_keras

# Public name -> where it is: tf_keras is loaded at first use.
_PUBLIC = {
    "calibrate": "tf_tickets.interop.tf_keras_quantization:calibrate",
    "lost_zeros": "tf_tickets.interop.tf_keras_quantization:lost_zeros",
    "to_tf_keras": "tf_tickets.interop.tf_keras_twin:to_tf_keras",
}

__all__ = list(_PUBLIC)

__getattr__, __dir__ = late_names(__name__, _PUBLIC)
