"""Exports that are timed in this process: what is done in one of their own is told in test_timing.py."""

import contextlib

from tf_tickets.exporting import runtimes


class Beside:
    """Stands for a process that times an export: loads and runs it in this one."""

    def __init__(self, runtime, path, inputs):
        threads = None if runtime == "saved_model" else 1  # of TensorFlow they are set already
        self.run, self.inputs = getattr(runtimes, runtime)(path, threads), inputs
        self.outputs = self.run(inputs)

    def milliseconds(self, count):
        for _ in range(count):
            self.run(self.inputs)
        return {"cpu": 1.5, "wall": 2.0}

    @classmethod
    @contextlib.contextmanager
    def timekeeper_of(cls, runtime, path, inputs):
        yield cls(runtime, path, inputs)
