"""Timing of exports: each in a process of its own, with one thread, in turn, so that noise falls on all."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tf_tickets.deployments import timekeeper as program
from tf_tickets.exporting import runtimes
from tf_tickets.support.startup import ALONE

ROUNDS = 15
SECONDS = 0.1  # that a round takes of each, at least
_START = """
import runpy
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""
# Of libraries that have threads of their own, and ask for their number here.
_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "OMP_NUM_THREADS": str(program.THREADS),
    "OPENBLAS_NUM_THREADS": str(program.THREADS),
}


@dataclasses.dataclass(frozen=True)
class Timing:
    """Milliseconds for one batch, one number a round.

    Attributes:
        cpu: of the processor, over all threads.
        wall: on the clock.
    """

    cpu: tuple[float, ...]
    wall: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Spread:
    """Of a number that was measured several times the median, and the quarters around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value or more."""
        low, median, high = np.quantile(values, (0.25, 0.5, 0.75))
        return cls(float(median), float(low), float(high))


class Timekeeper:
    """A process that has loaded an export, and computes when it is asked.

    Attributes:
        outputs: of the batch, in the order of `keras.tree.flatten`.
    """

    def __init__(self, process: subprocess.Popen, scratch: pathlib.Path, log: pathlib.Path) -> None:
        self._process, self._log = process, log
        self._answer()
        with np.load(scratch / "outputs.npz", allow_pickle=False) as arrays:
            self.outputs = [arrays[f"arr_{i}"] for i in range(len(arrays.files))]

    def milliseconds(self, count: int) -> dict[str, float]:
        """What one of so many batches takes: `cpu` and `wall`."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            said = self._log.read_text(encoding="utf-8", errors="replace").strip()
            raise RuntimeError(f"It does not run by itself: {said.splitlines()[-1] if said else 'it ended'}")
        return json.loads(line)


@contextlib.contextmanager
def timekeeper_of(runtime: str, path: pathlib.Path, inputs: Mapping[str, np.ndarray]) -> Iterator[Timekeeper]:
    """A process that has loaded an export, for the duration.

    Args:
        runtime: name in `exporting.runtimes`.
        path: of the export.
        inputs: one batch, by name, in the model's order.

    Raises:
        RuntimeError: it does not load or run there; the end of what it said.
    """
    with contextlib.ExitStack() as stack:
        scratch = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (scratch / "names.json").write_text(json.dumps(list(inputs)), encoding="utf-8")
        np.savez(scratch / "inputs.npz", *inputs.values())
        log = scratch / "log.txt"
        with open(log, "w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-c", ALONE + _START, program.__file__),
                    *(runtimes.__file__, runtime, str(path.resolve()), str(scratch)),
                ],
                cwd=scratch,
                env={**os.environ, **_ENVIRONMENT},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        stack.callback(_end, process)
        yield Timekeeper(process, scratch, log)


def interleaved(
    timekeepers: Mapping[str, Timekeeper], rounds: int = ROUNDS, seconds: float = SECONDS
) -> dict[str, Timing]:
    """Times several processes in turn, one at a time; each round begins with another.

    Args:
        timekeepers: by name.
        rounds: times that each is asked.
        seconds: that it computes then, at least.
    """
    counts = {}
    for name, timekeeper in timekeepers.items():
        timekeeper.milliseconds(1)
        counts[name] = max(1, round(1e3 * seconds / max(timekeeper.milliseconds(1)["wall"], 1e-3)))
    names = list(timekeepers)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            found[name].append(timekeepers[name].milliseconds(counts[name]))
    return {
        name: Timing(tuple(x["cpu"] for x in times), tuple(x["wall"] for x in times))
        for name, times in found.items()
    }


def faster(timing: Timing, than: Timing) -> float:
    """How many times as fast: the median over rounds, in each of which both ran shortly after each other."""
    return statistics.median(b / a for a, b in zip(timing.cpu, than.cpu, strict=True))


def _end(process: subprocess.Popen) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    process.terminate()
    process.wait()
