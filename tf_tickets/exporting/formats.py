"""The formats of exports: a table. Reading it loads no TensorFlow."""

from __future__ import annotations

import dataclasses
import importlib.util
import pathlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tf_tickets.support.late import late
from tf_tickets.support.short_reprs import Rows

if TYPE_CHECKING:
    import keras
    import numpy as np

    from tf_tickets.exporting.runtimes import Run


_ANY_FILE = late("tf_tickets.exporting.foreign_files:foreign_to_a_file")


@dataclasses.dataclass(frozen=True)
class Format:
    """One row of the table.

    Attributes:
        file: name of the export in a run's directory.
        write: (model, path, **options): writes a model whose zeros are baked in. It may return fields of
            `Exported` by name.
        run: (path) -> what computes the outputs of an export (`exporting.runtimes`); None where there is no
            such thing.
        suffix: that a path must have; any where it is empty.
        verify: (model, path, inputs) -> facts of the stage: loads the export back and compares the outputs
            with the model's on a batch of inputs. None: `write` has compared them already, or there is
            nothing to compare.
        options: names of the options of `export` that `write` takes.
        beside: suffixes of further files, which lie beside the path under its name.
        packages: that must be installed to write an export and to run it, by the names that pip has for them.
        compacts: (options of `export`) -> whether, unless told, the model's dead channels are removed before,
            and its normalisation folded.
        in_runs: options that a run exports with.
        foreign: (path) -> what lies there that is no part of an export of the format. Only where there is
            nothing such, an export is replaced. Of a format in one file, by default, any file is replaced.
    """

    file: str
    write: Callable[..., Mapping[str, Any] | None]
    run: Callable[[pathlib.Path], Run] | None = None
    suffix: str = ""
    verify: Callable[[keras.Model, pathlib.Path, np.ndarray], dict[str, Any]] | None = None
    options: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    compacts: Callable[[Mapping[str, Any]], bool] = lambda options: False
    in_runs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    foreign: Callable[[pathlib.Path], list[str]] = _ANY_FILE


FORMATS: dict[str, Format] = {
    "saved_model": Format(
        "saved_model",
        late("tf_tickets.exporting.writers:write_saved_model"),
        run=late("tf_tickets.exporting.runtimes:saved_model"),
        verify=late("tf_tickets.exporting.verification:check_saved_model"),
        options=("kernels", "batch", "compact"),
        in_runs={"kernels": "dense"},
        compacts=late("tf_tickets.exporting.kernel_choices:compacts"),
        foreign=late("tf_tickets.exporting.foreign_files:foreign_to_saved_model"),
    ),
    "keras": Format(
        "model.keras",
        late("tf_tickets.exporting.writers:write_keras"),
        run=late("tf_tickets.exporting.runtimes:keras"),
        suffix=".keras",
        foreign=late("tf_tickets.exporting.foreign_files:foreign_to_keras"),
    ),
    "litert": Format(
        "model.tflite",
        late("tf_tickets.exporting.writers:write_litert"),
        run=late("tf_tickets.exporting.runtimes:litert"),
        options=("quantize", "data", "converter_options", "compact"),
        foreign=late("tf_tickets.exporting.foreign_files:foreign_to_litert"),
        compacts=lambda options: True,
    ),
    "onnx": Format(
        "model.onnx",
        late("tf_tickets.exporting.writers:write_onnx"),
        run=late("tf_tickets.exporting.runtimes:onnx"),
        suffix=".onnx",
        options=("data", "compact"),
        foreign=late("tf_tickets.exporting.foreign_files:foreign_to_onnx"),
        packages=("onnx", "onnxruntime", "tf2onnx"),
        compacts=lambda options: True,
    ),
    "openvino": Format(
        "model.xml",
        late("tf_tickets.exporting.writers:write_openvino"),
        run=late("tf_tickets.exporting.runtimes:openvino"),
        suffix=".xml",
        options=("data", "compact"),
        foreign=late("tf_tickets.exporting.foreign_files:foreign_to_openvino"),
        beside=(".bin",),
        packages=("openvino",),
        compacts=lambda options: True,
    ),
}
FORMATS = Rows(FORMATS)


def check_packages(format: str) -> None:
    """Refuses a format whose exporter or runtime is not installed.

    Raises:
        ModuleNotFoundError: names the packages, and how to get them.
    """
    missing = [name for name in FORMATS[format].packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"Format {format} needs what is not installed: {', '.join(missing)}. Run: pip install "
            f"{' '.join(missing)} (or tf_tickets[{format}])."
        )
