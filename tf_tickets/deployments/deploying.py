"""`deployment`: ships a model in every way that is possible here, runs each, and measures."""

from __future__ import annotations

import contextlib
import importlib.metadata
import math
import pathlib
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.deployments import timekeeper as program
from tf_tickets.deployments.deployed import Deployed, Deployment
from tf_tickets.deployments.shipping import Shipment
from tf_tickets.deployments.timing import Spread, Timekeeper, Timing, faster, interleaved, timekeeper_of
from tf_tickets.deployments.ways import FOLDED, KERAS, RUNTIMES, WAYS, Way
from tf_tickets.exporting import FORMATS
from tf_tickets.exporting.answers import accuracies
from tf_tickets.exporting.formats import check_packages
from tf_tickets.exporting.runtimes import Run
from tf_tickets.exporting.samples import first_inputs, named_inputs, random_inputs
from tf_tickets.layers import check_model, folded, kernels_in, value_of
from tf_tickets.support.numbers import check_whole

BATCH = 32  # examples in a batch, unless told otherwise
# What computes an export -> its number, and the model's own on the same data.
Measure = Callable[[Run], tuple[float, float] | None]


def deployment(
    model: keras.Model, batch: int = BATCH, runtimes: Sequence[str] | None = None, data: Any = None
) -> Deployment:
    """Measures what a model gains in each way to ship it: bytes, milliseconds, errors, accuracy.

    Every export is loaded by a process of its own that knows no tf_tickets and has one thread. They compute
    the same batch in turn. The model stays as it is, masks and all; nothing that is written stays.

    Args:
        model: a built Keras model, masked, folded or dense.
        batch: examples in a batch.
        runtimes: what to run it with, any of `"saved_model"`, `"litert"`, `"onnx"` and `"openvino"`; by
            default all that are installed. TensorFlow is always measured, since the others are compared
            with it.
        data: sample inputs as `export` takes them, for LiteRT's integers; where they have labels that are
            classes, accuracies are measured on all of them.

    Returns:
        A `Deployment`: one row for each way, `rows`, and what was left out and why.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: a number or a name that cannot be.
        ModuleNotFoundError: a runtime that was asked for is not installed.

    Example:
        A process for each way is started and measured, which takes a minute:

        >>> table = tt.deployment(model, batch=1, data=(x, y))  # doctest: +SKIP
        >>> print(table)  # doctest: +SKIP
    """
    check_model(model, "deployment takes")
    check_whole("batch", batch, 1)
    wanted, missing = chosen(runtimes)

    def measure(run: Run) -> tuple[float, float] | None:
        return None if data is None else accuracies(model, run, data)

    return measured_deployment(model, batch, wanted, missing, data, measure, "accuracy")


def measured_deployment(
    model: keras.Model,
    batch: int,
    wanted: Sequence[str],
    left_out: dict[str, str],
    data: Any,
    measure: Measure,
    metric: str,
) -> Deployment:
    """As `deployment`, of ways that are given, by a measure that is.

    Args:
        model, batch, data: as for `deployment`.
        wanted: names in `WAYS`.
        left_out: way -> why it is not measured.
        measure: of what computes an export.
        metric: name of what that measures.
    """
    left_out, written = dict(left_out), {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(folded(model))
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shipment = Shipment(model, batch, data)
        x = _batch_of(model, batch, data)
        inputs = named_inputs(model, x)
        expected = [np.asarray(output) for output in keras.tree.flatten(model(x, training=False))]
        timekeepers: dict[str, Timekeeper] = {}
        for number, name in enumerate(wanted):
            way = WAYS[name]
            why = _why_not(way, shipment)
            if why is None:
                path = folder / str(number) / FORMATS[way.format].file
                try:
                    notes = way.write(shipment, path)
                    timekeepers[name] = stack.enter_context(timekeeper_of(way.format, path, inputs))
                    written[name] = path, notes
                except (ValueError, RuntimeError) as error:
                    if name == KERAS:  # without it there is nothing to compare with
                        raise
                    why = str(error)
            if why is not None:
                left_out[name] = why
        times = interleaved(timekeepers)
        kernels = [value_of(kernel) for kernel in kernels_in(model)]
        rows, of_model = [], None
        for name, (path, notes) in written.items():
            run = FORMATS[WAYS[name].format].run
            accuracy, of_model = (None if run is None else measure(run(path))) or (None, of_model)
            rows.append(_row(name, path, times, timekeepers[name].outputs, expected, accuracy, notes))
    compaction = None if shipment.why_not_compact else getattr(shipment.compact, "compaction", None)
    return Deployment(
        model=model.name,
        batch=batch,
        threads=program.THREADS,
        machine=machine(),
        versions=_versions(list(timekeepers)),
        sparsity=sum(np.count_nonzero(k == 0) for k in kernels) / max(1, sum(k.size for k in kernels)),
        channels=compaction and (compaction.removed, compaction.channels),
        macs=compaction and compaction.macs,
        accuracy=of_model,
        metric=metric,
        rows=tuple(rows),
        left_out=left_out,
        notes=tuple(_notes(kernels, shipment)),
    )


def chosen(runtimes: Sequence[str] | None) -> tuple[list[str], dict[str, str]]:
    """The ways of some runtimes, and of the others why they are left out.

    Args:
        runtimes: formats; None for all that are installed.

    Raises:
        ValueError: one that is unknown.
        ModuleNotFoundError: one that was asked for and is not installed.
    """
    unknown = [name for name in runtimes or () if name not in RUNTIMES]
    if unknown or isinstance(runtimes, str):
        raise ValueError(
            f"runtimes={runtimes!r}: choose from {', '.join(map(repr, RUNTIMES))}, in a list, or None for "
            "all that are installed."
        )
    wanted, left_out = [], {}
    for name, way in WAYS.items():
        if runtimes is not None and way.format not in (*runtimes, WAYS[KERAS].format):
            continue
        try:
            check_packages(way.format)
            wanted.append(name)
        except ModuleNotFoundError as error:
            if runtimes is not None:
                raise
            left_out[name] = str(error)
    return wanted, left_out


def machine() -> str:
    """Name of the processor."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _why_not(way: Way, shipment: Shipment) -> str | None:
    if way.needs_graph and shipment.why_not_compact is not None:
        return shipment.why_not_compact
    if way.needs_data and shipment.data is None:
        return "it needs data=, sample inputs."
    return None


def _batch_of(model: keras.Model, batch: int, data: Any) -> Any:
    """So many inputs: the first samples, again and again if they are fewer; without any, random ones."""
    x = first_inputs(model, data) if data is not None else random_inputs(model, batch)
    return keras.tree.map_structure(
        lambda array: np.resize(array, (batch, *np.shape(array)[1:])), keras.tree.map_structure(np.asarray, x)
    )


def _row(
    name: str,
    path: pathlib.Path,
    times: dict[str, Timing],
    found: Sequence[np.ndarray],
    expected: Sequence[np.ndarray],
    accuracy: float | None,
    notes: tuple[str, ...],
) -> Deployed:
    largest = max(float(np.abs(output).max()) for output in expected) or 1.0
    apart = max(float(np.abs(a - b).max()) for a, b in zip(expected, found, strict=False))
    error = apart / largest
    return Deployed(
        name=name,
        bytes=_bytes_of(path, WAYS[name]),
        cpu=Spread.of(times[name].cpu),
        wall=Spread.of(times[name].wall),
        faster=faster(times[name], times[KERAS]),
        faster_than_folded=faster(times[name], times[FOLDED]) if FOLDED in times else None,
        error=error if math.isfinite(error) else None,
        accuracy=accuracy,
        notes=tuple(notes),
    )


def _bytes_of(path: pathlib.Path, way: Way) -> int:
    files = [path, *(path.with_suffix(suffix) for suffix in FORMATS[way.format].beside)]
    inside = (part for file in files for part in (file.rglob("*") if file.is_dir() else [file]))
    return sum(part.stat().st_size for part in inside if part.is_file())


def _notes(kernels: Sequence[np.ndarray], shipment: Shipment) -> Iterator[str]:
    if not any(np.any(kernel == 0) for kernel in kernels):
        yield "The model is dense: none of its weights is zero, so that there is nothing to gain by sparsity."
    if shipment.why_not_compact is not None:
        yield f"Other formats are of the model as it is: {shipment.why_not_compact}"


def _versions(names: Sequence[str]) -> dict[str, str]:
    packages = {"tensorflow", "keras", *(p for name in names for p in FORMATS[WAYS[name].format].packages)}
    return {name: importlib.metadata.version(name) for name in sorted(packages)}
