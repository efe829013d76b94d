"""Splits the CPU before any test module is collected: some run TensorFlow as they are imported."""

from hypothesis import settings

import tests.replicas  # noqa: F401

# A busy machine is no fault.
settings.register_profile("any pace", deadline=None)
settings.load_profile("any pace")
