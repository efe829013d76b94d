"""GPUs that are in the machine and that TensorFlow does not use: said, as a run without them is slow."""

from __future__ import annotations

import os
import pathlib
import re

from tf_tickets.support.words import plural

DRIVER = pathlib.Path("/proc/driver/nvidia/gpus")
DEVICES = pathlib.Path("/dev")
HIDING = "CUDA_VISIBLE_DEVICES"


def unseen_gpus(seen: int, driver: pathlib.Path = DRIVER, devices: pathlib.Path = DEVICES) -> str | None:
    """What to say of NVIDIA GPUs that are here and not used; None where there is nothing to say.

    Args:
        seen: GPUs that TensorFlow sees.
        driver: where the driver lists them.
        devices: where their devices are.
    """
    there = max(_count(driver, ".+"), _count(devices, r"nvidia\d+"))
    if seen or not there:
        return None
    hidden = os.environ.get(HIDING)
    if hidden is not None and hidden.strip() in ("", "-1"):
        return f"{plural(there, 'GPU')} here, not used: hidden by {HIDING}={hidden}"
    return f"{plural(there, 'GPU')} here, not used: TensorFlow sees none (pip install 'tensorflow[and-cuda]')"


def _count(folder: pathlib.Path, pattern: str) -> int:
    try:
        return sum(re.fullmatch(pattern, path.name) is not None for path in folder.iterdir())
    except OSError:
        return 0
