"""What a run ran on: versions and hardware."""

import importlib.metadata
import os
import platform
from typing import Any

import tensorflow as tf

from tf_tickets.config import Config

_PACKAGES = ("tf_tickets", "tensorflow", "keras", "numpy")


def versions() -> dict[str, str]:
    """Of Python, and of the packages that decide numbers."""
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def hardware(config: Config) -> dict[str, Any]:
    """The machine, and how much of it the run has."""
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": config.threads,
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "replicas": config.replicas,
    }
