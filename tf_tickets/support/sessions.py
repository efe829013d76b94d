"""Sessions: what TensorFlow and Keras keep of models that nobody uses any more."""

from __future__ import annotations

import gc

# The names under which TensorFlow keeps the derivative of every `tf.custom_gradient` that was traced.
_CUSTOM_GRADIENT = "CustomGradient-"


def clear_session() -> None:
    """Forgets all models of this process. What was traced of them must not be used any more.

    TensorFlow keeps a traced derivative of one's own for ever, and with it the graph and its constants: tens
    of megabytes a training. `keras.utils.clear_session` leaves them.
    """
    import keras
    from tensorflow.python.framework import ops

    keras.utils.clear_session()
    kept = getattr(ops.gradient_registry, "_registry", {})  # without a public name
    for name in [name for name in kept if name.startswith(_CUSTOM_GRADIENT)]:
        del kept[name]
    gc.collect()
