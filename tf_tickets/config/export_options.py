"""The options of a run that say what it hands over: exports, and how they are made."""

from __future__ import annotations

import dataclasses

from tf_tickets.exporting.formats import FORMATS
from tf_tickets.exporting.kernel_choices import KERNEL_CHOICES
from tf_tickets.exporting.quantization import QUANTIZATIONS
from tf_tickets.support.options import NOTHING, PLACES, choice, names, option, switch


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What a run hands over beside its numbers, of which nothing here decides one."""

    export: tuple[str, ...] = option(
        names(FORMATS),
        PLACES,
        f"Formats to export, any of {', '.join(FORMATS)}; empty for none.",
        default=("saved_model",),
        decides=NOTHING,
    )
    quantize: str | None = option(
        choice([name for name in QUANTIZATIONS if name is not None]),
        PLACES,
        "How the LiteRT export stores weights. Ranges of activations are taken from training examples; the "
        "metric of what was written is measured on the test set. Default: float32, sparse.",
        default=None,
        decides=NOTHING,
    )
    kernels: str | None = option(
        choice(KERNEL_CHOICES),
        PLACES,
        "How the SavedModel computes: auto (per layer as is fastest, measured on this machine), dense, or "
        "sparse. Default: dense.",
        default=None,
        decides=NOTHING,
    )
    deployment: bool = option(
        switch(),
        PLACES,
        "Measure what the ticket gains in each way to ship it that can be run here: bytes, milliseconds of a "
        "batch with one thread, the metric. In a sweep, runs at the same time disturb each other's. "
        "Default: false.",
        default=False,
        decides=NOTHING,
    )
