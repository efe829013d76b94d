"""The theory of random masks, runnable: how wide a random source must be to hold a target network."""

from typing import TYPE_CHECKING

from tf_tickets.late_names import late_names

if TYPE_CHECKING:
    from tf_tickets.theory.embedding import Embedding, embed_target
    from tf_tickets.theory.frequency import Frequency
    from tf_tickets.theory.lower_bound import (
        connected_frequency,
        connected_probability,
        lower_bound_width,
    )
    from tf_tickets.theory.subset_sums import (
        SubsetSum,
        base_set_sizes,
        smallest_base_set,
        subset_sum,
    )
    from tf_tickets.theory.widths import SourceWidths, er_widths, required_width_factor

# Public name -> module; only embeddings need Keras, and load it.
_PUBLIC: dict[str, str | None] = {
    "Embedding": "embedding",
    "Frequency": "frequency",
    "SourceWidths": "widths",
    "SubsetSum": "subset_sums",
    "base_set_sizes": "subset_sums",
    "connected_frequency": "lower_bound",
    "connected_probability": "lower_bound",
    "embed_target": "embedding",
    "er_widths": "widths",
    "lower_bound_width": "lower_bound",
    "required_width_factor": "widths",
    "smallest_base_set": "subset_sums",
    "subset_sum": "subset_sums",
}

__all__ = [
    "Embedding",
    "Frequency",
    "SourceWidths",
    "SubsetSum",
    "base_set_sizes",
    "connected_frequency",
    "connected_probability",
    "embed_target",
    "er_widths",
    "lower_bound_width",
    "required_width_factor",
    "smallest_base_set",
    "subset_sum",
]

__getattr__, __dir__ = late_names(__name__, _PUBLIC)
