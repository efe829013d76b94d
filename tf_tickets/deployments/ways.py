"""Ways to ship a model: a table. Reading it loads no TensorFlow."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from tf_tickets.support.late import late
from tf_tickets.support.short_reprs import Rows

if TYPE_CHECKING:
    from tf_tickets.deployments.shipping import Shipment


@dataclasses.dataclass(frozen=True)
class Way:
    """One row of the table.

    Attributes:
        about: one line for people.
        format: name in `exporting.FORMATS`; its packages must be there, and it says what runs it.
        write: (what is shipped, path) -> what there is to say of that.
        needs_graph: whether the model must be a graph of layers.
        needs_data: whether sample inputs are needed.
    """

    about: str
    format: str
    write: Callable[[Shipment, pathlib.Path], tuple[str, ...]]
    needs_graph: bool = False
    needs_data: bool = False


def _smallest(format: str, **options: str) -> Callable[[Shipment, pathlib.Path], tuple[str, ...]]:
    return late("tf_tickets.deployments.shipping:write_smallest", format=format, **options)


# What the others are compared with: by the first alone the gain of folding would be credited to sparsity.
KERAS, FOLDED = "Keras's export", "folded dense"

WAYS: dict[str, Way] = {
    KERAS: Way(
        "a SavedModel as Keras writes it, zeros and all",
        "saved_model",
        late("tf_tickets.deployments.shipping:write_by_keras"),
    ),
    FOLDED: Way(
        "the same with batch normalisation folded into kernels",
        "saved_model",
        late("tf_tickets.deployments.shipping:write_folded"),
        needs_graph=True,
    ),
    "compact": Way(
        "a SavedModel of what tt.compact makes",
        "saved_model",
        late("tf_tickets.deployments.shipping:write_compact"),
        needs_graph=True,
    ),
    "sparse": Way(
        "the same with sparse kernels wherever they are faster",
        "saved_model",
        late("tf_tickets.deployments.shipping:write_sparse"),
        needs_graph=True,
    ),
    "LiteRT": Way("of the compacted model, float32, sparse", "litert", _smallest("litert")),
    "LiteRT int8": Way(
        "of the compacted model, integers",
        "litert",
        _smallest("litert", quantize="int8"),
        needs_data=True,
    ),
    "ONNX": Way("of the compacted model, by ONNX Runtime", "onnx", _smallest("onnx")),
    "OpenVINO": Way("of the compacted model, float32", "openvino", _smallest("openvino")),
}
WAYS = Rows(WAYS)
RUNTIMES = tuple(dict.fromkeys(way.format for way in WAYS.values()))
