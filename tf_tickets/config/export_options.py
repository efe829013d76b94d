"""The options of a run that say what it hands over: exports, and how they are made."""

from __future__ import annotations

import dataclasses

from tf_tickets.exporting.formats import FORMATS
from tf_tickets.exporting.quantization import QUANTIZATIONS
from tf_tickets.support.options import NOTHING, PLACES, choice, names, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What a run exports. None of it decides a number of the ticket."""

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
