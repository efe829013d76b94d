"""How weights of a LiteRT model are stored: a table. Reading it loads no TensorFlow."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Quantization:
    """One row of the table.

    Attributes:
        optimizations: names in `tf.lite.Optimize`.
        types: names of the types in `tf.dtypes` that weights are stored in; those of the converter if empty.
        ops: names in `tf.lite.OpsSet`; those of the converter if empty.
        needs_data: whether ranges of activations are taken from sample inputs.
        takes_loops: whether LiteRT converts loops over time so; it crashes where it does not.
        tolerance: how far outputs may be from the model's, as a part of the largest.
    """

    optimizations: tuple[str, ...]
    types: tuple[str, ...] = ()
    ops: tuple[str, ...] = ()
    needs_data: bool = False
    takes_loops: bool = True
    tolerance: float = 1e-3


# Only float32 is stored sparse: a sparse int8 model does not load, or gives other outputs.
QUANTIZATIONS: dict[str | None, Quantization] = {
    None: Quantization(("EXPERIMENTAL_SPARSITY",)),
    "float16": Quantization(("DEFAULT",), types=("float16",), tolerance=0.02),
    "dynamic": Quantization(("DEFAULT",), tolerance=0.3),
    "int8": Quantization(
        ("DEFAULT",), ops=("TFLITE_BUILTINS_INT8",), needs_data=True, takes_loops=False, tolerance=0.5
    ),
}
