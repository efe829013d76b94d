"""How a process starts: TensorFlow loaded without its remarks, on so many threads, and quiet logs."""

from __future__ import annotations

import os
import sys
import tempfile

from absl import flags, logging

# Errors that one line explains; anything else is a fault of ours, and shows where.
EXPECTED = (ValueError, OSError, ArithmeticError, RuntimeError)


def quieten() -> None:
    """Leaves the screen to the plan, the progress and the result; --verbosity brings the logs back."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.ERROR)


def load_tensorflow(threads: int) -> None:
    """Imports TensorFlow without the lines that it prints on every import, whatever its log level."""
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            import keras  # noqa: F401  loads TensorFlow's own parts too
            import tensorflow as tf
        except Exception:
            held.seek(0)
            os.write(screen, held.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)
    tf.config.threading.set_intra_op_parallelism_threads(threads)


def default_threads() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
