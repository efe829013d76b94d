"""The backend of Keras: this package computes with TensorFlow."""

import os


def check_backend(name: str | None) -> None:
    """Raises ImportError if Keras is to compute with anything but TensorFlow.

    Args:
        name: a backend; None where nobody has said.
    """
    if name not in (None, "", "tensorflow"):
        raise ImportError(
            f"tf_tickets works on Keras's TensorFlow backend. Received: {name}. Set KERAS_BACKEND=tensorflow "
            'in the environment, or "backend": "tensorflow" in ~/.keras/keras.json, before Keras is imported.'
        )


def check_environment() -> None:
    """Raises ImportError if the environment asks for another backend; Keras is not imported for that."""
    check_backend(os.environ.get("KERAS_BACKEND"))
