"""Waiting in tests: for what is to happen, never for a time."""

import time


def wait_until(condition, what, seconds=60):
    """Returns once the condition holds; fails where it does not within so many seconds.

    Args:
        condition: () -> whether it has happened; asked again and again.
        what: that is waited for, for people.
        seconds: after which nobody waits any more.
    """
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"waited {seconds} s for {what}"
        time.sleep(0.01)
