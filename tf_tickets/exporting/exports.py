"""Exports: a model with its zeros baked in and no trace of tf_tickets, written in one of the formats."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from tf_tickets import compaction
from tf_tickets.exporting.answers import accuracies
from tf_tickets.exporting.formats import FORMATS, check_packages
from tf_tickets.exporting.kernel_choices import check_kernels
from tf_tickets.exporting.quantization import QUANTIZATIONS
from tf_tickets.exporting.replacement import check_place
from tf_tickets.layers import Masked, check_model, folded, kernels_in, value_of
from tf_tickets.storage.atomic_files import replacing
from tf_tickets.storage.user_paths import user_path
from tf_tickets.support.numbers import check_whole


@dataclasses.dataclass(frozen=True)
class Exported(os.PathLike):
    """What was written, and where; taken for the path wherever a path is.

    Attributes:
        path: the file or folder.
        format: name in `FORMATS`.
        total: number of weights that were masked (of a model without masks, that could be).
        zeros: how many of them are zero in what was written, or left out of it.
        accuracy: of what was written, on the labelled examples that were given; None without such.
        model_accuracy: of the model, on the same.
        kernels: of a SavedModel, name of each layer whose kernel is stored without its zeros, and that sparse
            kernels could compute -> name in `tf_tickets.serving.kernels.KERNELS`.
        milliseconds: where kernels were measured, "dense" and "chosen" -> processor time of one thread that a
            batch takes, on the machine of the export.
        batch: examples in that batch.
        notes: what else is to be known, a sentence each: what compaction has removed, or why it has not.
    """

    path: pathlib.Path
    format: str
    total: int
    zeros: int
    accuracy: float | None = None
    model_accuracy: float | None = None
    kernels: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    milliseconds: Mapping[str, float] = dataclasses.field(default_factory=dict, hash=False)
    batch: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def sparsity(self) -> float:
        """The part of the prunable weights that is zero."""
        return self.zeros / self.total if self.total else 0.0

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        zeros = f"{self.zeros:,} of {self.total:,} weights are zero, {self.sparsity:.4%}"
        said = [f"{self.path}, {self.format}: {zeros}", *self._of_kernels(), *self._of_answers(), *self.notes]
        return f"Exported({'; '.join(said)})"

    def _of_answers(self) -> list[str]:
        if self.accuracy is None:
            return []
        return [f"accuracy {self.accuracy:.4f}, the model's {self.model_accuracy:.4f}"]

    def _of_kernels(self) -> list[str]:
        sparse = sum(kernel != "dense" for kernel in self.kernels.values())
        said = [f"sparse kernels in {sparse} of {len(self.kernels)} layers"] if self.kernels else []
        if self.milliseconds:
            times = " -> ".join(f"{self.milliseconds[name]:.3g}" for name in ("dense", "chosen"))
            said.append(f"{times} ms a batch of {self.batch}")
        return said


def export(
    model: keras.Model,
    path: str | os.PathLike,
    format: str | None = None,
    overwrite: bool = False,
    *,
    allow_dense: bool = False,
    kernels: str | None = None,
    batch: int | None = None,
    quantize: str | None = None,
    data: Any = None,
    converter_options: Mapping[str, Any] | None = None,
    compact: bool | None = None,
) -> Exported:
    """Exports a model that loads without tf_tickets; the model itself stays as it is, masks and all.

    Args:
        model: a built Keras model, masked or folded.
        path: a folder for `"saved_model"`, a file for the others; `~` is expanded.
        format: `"saved_model"` (endpoint `serve`, signatures `serve` and `serving_default`, as Keras's own
            export has them; weights without their zeros), `"keras"` (loads in Keras's safe mode; not
            compiled), `"litert"` (zeros of recurrent layers are stored, too, and where these are not unrolled
            it takes batches of one), `"onnx"` or `"openvino"` (a .bin lies beside the .xml; no loops over
            time). Outputs of all but `"keras"` are compared with the model's. None goes by the suffix of the
            path: .keras, .tflite, .onnx, .xml, or none for a SavedModel.
        overwrite: replace the export of this format that is at `path`; nothing else is replaced.
        allow_dense: export a model that has neither masks nor zeros, as it is.
        kernels: how a SavedModel computes, on CPUs: `"auto"` (the default: per layer as is fastest, by
            measuring finished models on this machine with one thread, for a minute or two; dense where
            nothing gains 2 %; nothing is measured of models that have no kernel with zeros and 4,096
            weights), `"dense"`, or `"sparse"` (sparse kernels by a fixed rule where a tenth of the weights or
            fewer are left; only of models that are graphs of layers).
        batch: how many examples at a time kernels are chosen for, 32 by default. Any number can be served.
        quantize: how LiteRT stores weights: None (float32, sparse), `"float16"`, `"dynamic"` (int8 weights),
            or `"int8"` (and int8 activations, whose ranges are taken from `data`; no recurrent layers that
            are not unrolled, which LiteRT crashes on). Only float32 is sparse: LiteRT loads sparse int8
            models, if at all, with other outputs than the model's.
        data: samples: arrays `(count, *input_shape)` in the model's own structure, a tuple `(x, y)` of such
            and their labels, or a `tf.data.Dataset` of batches `x` or `(x, y)`. Outputs are compared on the
            first of them; without any, on random numbers. Where the labels are classes, as numbers or
            one-hot, the accuracy of what was written is measured on all of them, beside the model's.
        converter_options: attributes to set on the `tf.lite.TFLiteConverter`, by name.
        compact: whether what is written is what `tt.compact` makes of the model. By default it is, where that
            can be, in all formats but `"keras"` and in SavedModels with `kernels="dense"`; `notes` of what is
            returned say what was done.

    Returns:
        An `Exported`: the path, how many weights are zero in what was written, by which kernels it computes
        and what these took, which its `repr` says.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: an unknown format, suffix or option, a dense model, options of another format, or what
            was written has other outputs or cannot be had.
        ModuleNotFoundError: the format's exporter or runtime is not installed.
        FileExistsError: `path` exists and `overwrite` is false, or it is no export of this format, or holds
            other files.

    Example:
        >>> ticket = tt.prune(model, "magnitude", sparsity=0.9)
        >>> written = tt.export(model, "pruned")
        >>> pruned = tf.saved_model.load("pruned")
        >>> pruned.serve(x)
    """
    check_model(model, "export takes")
    path = user_path(str(path), path)
    format = _format_of(path) if format is None else format
    if format not in FORMATS:
        raise ValueError(f"format={format!r} is unknown. Choose one of: {', '.join(FORMATS)}.")
    row = FORMATS[format]
    if row.suffix and path.suffix != row.suffix:
        raise ValueError(f"An export of format {format} ends in {row.suffix}. Received: {path}")
    given = {
        "kernels": kernels,
        "batch": batch,
        "quantize": quantize,
        "converter_options": converter_options,
        "compact": compact,
        # What can be run is measured on labelled data, also where its outputs are not compared.
        **({"data": data} if "data" in row.options or row.run is None else {}),
    }
    options = {name: value for name, value in given.items() if value is not None}
    foreign = sorted(options.keys() - set(row.options))
    if foreign:
        takers = [name for name, other in FORMATS.items() if set(foreign) <= set(other.options)]
        raise ValueError(
            f"{', '.join(f'{name}=' for name in foreign)} means nothing to format {format}: it is for "
            f"{', '.join(takers)}."
        )
    if batch is not None:
        check_whole("batch", batch, least=1)
    if kernels is not None:
        check_kernels(model, kernels)
    if quantize not in QUANTIZATIONS:
        raise ValueError(
            f"quantize={quantize!r} is unknown. Choose one of: {', '.join(map(repr, QUANTIZATIONS))}."
        )
    if QUANTIZATIONS[quantize].needs_data and data is None:
        raise ValueError(f"quantize={quantize!r} needs data=: sample inputs, a few hundred of them.")
    place = check_place(path, format, overwrite)
    check_packages(format)
    masked = any(isinstance(layer, Masked) for layer in model._flatten_layers())
    weights = kernels_in(model)
    with folded(model):
        zeros = sum(int(np.count_nonzero(value_of(weight) == 0)) for weight in weights)
        if not (masked or zeros or allow_dense):
            raise ValueError(
                f"Model '{model.name}' is dense: it has no masks, and none of its weights is zero. Prune it "
                "first (a clone or a loaded copy may be another model than the pruned one), or pass "
                "allow_dense=True."
            )
        smaller, notes = _compacted(model, options.pop("compact", None), row.compacts(options))
        with _replacing(place, row.beside) as new:
            facts = dict(row.write(smaller, new, **options) or {})
            measured = None if data is None or row.run is None else accuracies(model, row.run(new), data)
    return Exported(
        path,
        format,
        total=sum(int(np.prod(weight.shape)) for weight in weights),
        zeros=zeros,
        accuracy=measured and measured[0],
        model_accuracy=measured and measured[1],
        notes=notes + facts.pop("notes", ()),
        **facts,
    )


def _compacted(model: keras.Model, wanted: bool | None, usual: bool) -> tuple[keras.Model, tuple[str, ...]]:
    """What `compact` makes of a model, or the model where it cannot; and what there is to say of that.

    Args:
        model: without masks.
        wanted: whether it is asked for; None for what is usual.
        usual: whether it is done unless told, where it can be.
    """
    if not (usual if wanted is None else wanted):
        return model, ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that there is nothing to remove is no news here
            smaller = compaction.compact(model)
    except ValueError as error:
        if wanted:
            raise
        return model, (f"Not compacted: {error}",)
    found = getattr(smaller, "compaction", None)
    removed = found.removed if found is not None else 0
    before, after = model.count_params(), smaller.count_params()
    return smaller, (
        f"Compacted: {removed:,} channels are gone, {after:,} of {before:,} parameters are left.",
    )


@contextlib.contextmanager
def _replacing(place: pathlib.Path, beside: tuple[str, ...]) -> Iterator[pathlib.Path]:
    """A temporary path for an export, which takes its place when the block ends well; so do files beside."""
    with replacing(place) as new:
        yield new
        for suffix in beside:
            with replacing(place.with_suffix(suffix)) as part:
                shutil.move(new.with_suffix(suffix), part)


def _format_of(path: pathlib.Path) -> str:
    """The format whose files have the suffix of the path."""
    suffixes = {pathlib.Path(row.file).suffix: name for name, row in FORMATS.items()}
    if path.suffix not in suffixes:
        known = ", ".join(f"{suffix or 'none'} ({name})" for suffix, name in suffixes.items())
        raise ValueError(
            f"The suffix {path.suffix} of {path} tells no format. Known: {known}; or pass format=, one of: "
            f"{', '.join(FORMATS)}."
        )
    return suffixes[path.suffix]
