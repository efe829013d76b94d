"""The backend of Keras: TensorFlow, or an error at import."""

import os
import subprocess
import sys

import pytest

from tf_tickets.support.backend import check_backend


@pytest.mark.parametrize("name", [None, "", "tensorflow"])
def test_tensorflow_is_taken(name):
    check_backend(name)


@pytest.mark.parametrize("name", ["jax", "torch", "numpy"])
def test_another_is_refused_with_what_to_do(name):
    with pytest.raises(ImportError, match=rf"Received: {name}. Set KERAS_BACKEND=tensorflow"):
        check_backend(name)


def test_at_import_and_before_keras_is():
    program = "import sys\ntry: import tf_tickets\nexcept ImportError as e: print(e, 'keras' in sys.modules)"
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert "Received: jax" in done.stdout and done.stdout.rstrip().endswith("False")
