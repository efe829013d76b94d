"""Sessions: what TensorFlow and Keras keep of models that nobody uses any more."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

# The names under which TensorFlow keeps the derivative of every `tf.custom_gradient` that was traced.
_CUSTOM_GRADIENT = "CustomGradient-"
# The name under which Keras keeps how many layers there are of each name.
_COUNTS = "object_name_uids"


def clear_session() -> None:
    """Forgets all models of this process. What was traced of them must not be used any more.

    TensorFlow keeps a traced derivative of one's own for ever, and with it the graph and its constants: tens
    of megabytes a training. `keras.utils.clear_session` leaves them.
    """
    import keras
    from tensorflow.python.framework import ops

    keras.utils.clear_session(free_memory=False)  # which is done at the end, once
    kept = getattr(ops.gradient_registry, "_registry", {})  # without a public name
    for name in [name for name in kept if name.startswith(_CUSTOM_GRADIENT)]:
        del kept[name]
    gc.collect()


@contextlib.contextmanager
def names_from_the_start() -> Iterator[None]:
    """For the duration, Keras counts layers without a name as a new process does: `dense`, `dense_1`, ...

    So that the names of a model do not depend on what its process has built before.
    """
    from keras.src.backend.common import global_state  # without a public name

    before = global_state.get_global_attribute(_COUNTS)
    global_state.set_global_attribute(_COUNTS, None)
    try:
        yield
    finally:
        global_state.set_global_attribute(_COUNTS, before)
