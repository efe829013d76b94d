"""What counts as a number, wherever one is asked for: NumPy's are numbers, True and False are none."""

from __future__ import annotations

import math
import numbers
from typing import Any


def is_number(value: Any) -> bool:
    """Whether it is a real number, of Python's or of NumPy's; infinities and NaN are among them."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """Whether it is a real number that a float can hold, neither infinite nor NaN."""
    try:
        return is_number(value) and math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def is_whole(value: Any, least: float = -math.inf, most: float = math.inf) -> bool:
    """Whether it is a whole number of a type of whole numbers (not 2.0), and lies between two others."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return whole and least <= int(value) <= most


def check_whole(name: str, value: Any, least: int, most: float = math.inf) -> int:
    """The value as an int.

    Raises:
        ValueError: it is no whole number, less than `least`, or more than `most`; `name` is what people know
            it by.
    """
    if not is_whole(value, least, most):
        to = f"{least} or more" if most == math.inf else f"{least} to {most:,}"
        raise ValueError(f"{name} is a whole number, {to}. Received: {value!r}")
    return int(value)


def is_written_number(text: str) -> bool:
    """Whether a text is that of a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
