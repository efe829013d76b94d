"""Counting what Python does, where a test would otherwise look at a clock."""

import sys
from collections.abc import Callable
from typing import Any


def lines_run(function: Callable[[], Any]) -> int:
    """Lines of Python that a call runs, its own calls included; what NumPy does inside counts as none.

    So a loop over weights is seen, on every machine alike.
    """
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count
