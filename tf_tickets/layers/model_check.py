"""Whether something is a model of the Keras that this package works on."""

from typing import Any

import keras

KERAS_2 = ("tf_keras.", "tensorflow.python.keras.")


def check_model(model: Any, taker: str) -> None:
    """Raises TypeError if `model` is no model of Keras 3.

    Args:
        model: anything.
        taker: what takes a model, as the error begins: "mask_layers takes".
    """
    if isinstance(model, keras.Model):
        return
    message = f"{taker} a keras.Model. Received: {type(model).__name__}"
    if any(cls.__module__.startswith(KERAS_2) for cls in type(model).__mro__):
        message += (
            f" of {type(model).__module__.partition('.')[0]}, which is Keras 2 (that of "
            "tensorflow_model_optimization). Build the model with `import keras`, Keras 3 (tf.keras: unset "
            "TF_USE_LEGACY_KERAS), and take the weights over: model.set_weights(old.get_weights())."
        )
    raise TypeError(message)
