"""A machine without a network, as in the tests of the data."""

from tests.data.conftest import hand_copied, no_network

__all__ = ["hand_copied", "no_network"]
