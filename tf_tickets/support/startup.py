"""How a process starts: TensorFlow loaded without its remarks, on so many threads, and quiet logs."""

from __future__ import annotations

import contextlib
import gc
import logging as python_logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator

from absl import flags, logging

# Errors that one line explains; anything else is a fault of ours, and shows where.
EXPECTED = (ValueError, OSError, ArithmeticError, RuntimeError)
# What Keras imports where it is installed, for plots, wrappers and tables that no run of ours has: a third of
# the time that Keras and TensorFlow take to load, and of their memory a fifth.
UNUSED_BY_KERAS = ("matplotlib", "pandas", "sklearn")
# How a program begins that works without the package: `None` in sys.modules makes any import of it fail.
ALONE = f"""
import sys
sys.modules.update(dict.fromkeys({("tf_tickets", *UNUSED_BY_KERAS)!r}))
"""

_seconds_to_load: list[float] = []


def quieten() -> None:
    """Leaves the screen to the plan, the progress and the result; --verbosity brings the logs back."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.ERROR)


def load_tensorflow(threads: int) -> None:
    """Imports TensorFlow without the lines that it prints on every import, whatever its log level."""
    began, new = time.monotonic(), "tensorflow" not in sys.modules
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            with _left_out(UNUSED_BY_KERAS), _nothing_is_garbage() if new else contextlib.nullcontext():
                import keras  # noqa: F401  loads TensorFlow's own parts too
                import tensorflow as tf
        except Exception:
            held.seek(0)
            os.write(screen, held.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)
    if new:
        _seconds_to_load.append(time.monotonic() - began)
    tf.config.threading.set_intra_op_parallelism_threads(threads)


@contextlib.contextmanager
def without_remarks_on_retracing() -> Iterator[None]:
    """For the duration, TensorFlow does not say that functions are traced anew: each model is once."""
    log = python_logging.getLogger("tensorflow")

    def is_none(record: python_logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in str(record.msg)

    log.addFilter(is_none)
    try:
        yield
    finally:
        log.removeFilter(is_none)


def seconds_to_load() -> float | None:
    """What loading TensorFlow took in this process; None where somebody else did it."""
    return _seconds_to_load[0] if _seconds_to_load else None


@contextlib.contextmanager
def _left_out(names: tuple[str, ...]) -> Iterator[None]:
    """For the duration, importing these fails as if they were not installed, but where they are loaded."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # which makes an import fail
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def _nothing_is_garbage() -> Iterator[None]:
    """For the duration garbage is not looked for, and never among what there is at its end.

    What is imported stays, and looking for garbage among it takes a fifth of the time that TensorFlow loads.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def default_threads() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
