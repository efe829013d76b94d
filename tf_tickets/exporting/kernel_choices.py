"""How kernels of a SavedModel are chosen: a table. Reading it loads no TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tf_tickets.support.late import late
from tf_tickets.support.short_reprs import Rows

if TYPE_CHECKING:
    import keras

_graph_of = late("tf_tickets.compaction.graph:graph_of")


@dataclasses.dataclass(frozen=True)
class KernelChoice:
    """One row of the table.

    Attributes:
        about: a line on it.
        write: (model, path, batch) -> `serving.writing.Written`: writes a SavedModel.
        compacts: whether, unless told, what is written is the compacted model. Otherwise its weights are
            those of the model, one by one.
        needs_graph: whether a model must be a graph of layers.
    """

    about: str
    write: Callable[..., Any]
    compacts: bool = True
    needs_graph: bool = False


DEFAULT = "auto"
BATCH = 32
KERNEL_CHOICES = {
    "auto": KernelChoice(
        "per layer, by measuring finished models on this machine, never slower than dense",
        late("tf_tickets.serving.writing:write_fastest"),
    ),
    "dense": KernelChoice(
        "zeros are multiplied", late("tf_tickets.serving.writing:write_dense"), compacts=False
    ),
    "sparse": KernelChoice(
        "sparse kernels wherever a fixed rule has them",
        late("tf_tickets.serving.writing:write_sparse"),
        needs_graph=True,
    ),
}
KERNEL_CHOICES = Rows(KERNEL_CHOICES)


def compacts(options: Mapping[str, Any]) -> bool:
    """Whether, unless told, a SavedModel with these options of `export` is of the compacted model."""
    return KERNEL_CHOICES[options.get("kernels", DEFAULT)].compacts


def check_kernels(model: keras.Model, kernels: str) -> None:
    """Refuses what is no name in the table, or means nothing to a model.

    Raises:
        ValueError: it is.
    """
    if kernels not in KERNEL_CHOICES:
        raise ValueError(f"kernels={kernels!r} is unknown. Choose one of: {', '.join(KERNEL_CHOICES)}.")
    if KERNEL_CHOICES[kernels].needs_graph:
        try:
            _graph_of(model)
        except ValueError as error:
            raise ValueError(
                f"kernels={kernels!r} takes graphs of layers alone. {error} kernels='dense' takes any model."
            ) from error
