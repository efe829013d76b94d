"""Waiting for what another process does: the one place where tests look again and again."""

import time

SECONDS_BETWEEN_LOOKS = 0.05


def wait_until(condition, what, seconds=60):
    """Waits until a condition holds, and fails where it does not; returns what the condition gave.

    Args:
        condition: a function that takes nothing.
        what: is waited for, for the person who reads of the failure.
        seconds: far more than it takes on a busy machine.
    """
    ends = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < ends, f"{what}: waited {seconds} s in vain"
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return found
