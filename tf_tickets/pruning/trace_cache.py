"""Traced functions that rounds of scoring share: between rounds only masks change, which are variables."""

import contextlib
import contextvars
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

import tensorflow as tf

T = TypeVar("T")

_kept: contextvars.ContextVar[dict | None] = contextvars.ContextVar("kept_traces", default=None)


@contextlib.contextmanager
def keeping_traces() -> Iterator[None]:
    """For the duration, `kept_trace` gives the same object for the same arguments.

    Only for a time in which nothing but values of variables changes.
    """
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def kept_trace(make: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """`make(*arguments, **options)`, or what it made before, inside `keeping_traces`."""
    kept = _kept.get()
    if kept is None:
        return make(*arguments, **options)
    key = (make, *(_identity(x) for x in arguments), *((k, _identity(x)) for k, x in sorted(options.items())))
    if key not in kept:
        # The arguments too: an id is good as long as its object lives.
        kept[key] = (make(*arguments, **options), arguments, options)
    return kept[key][0]


def _identity(argument: Any) -> Any:
    """The argument itself as a key, by what it is where it can be hashed; tensors by which they are."""
    if isinstance(argument, (list, tuple)):
        return tuple(_identity(x) for x in argument)
    return argument if isinstance(argument, Hashable) and not tf.is_tensor(argument) else id(argument)
