"""Splits the CPU before any test module is collected: some run TensorFlow as they are imported."""

import tests.replicas  # noqa: F401
