"""What the tests of searches share."""

import pytest
import tensorflow as tf


@pytest.fixture
def untraced():
    """Runs all functions eagerly: for a few steps of a tiny network, tracing takes longer than the steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
