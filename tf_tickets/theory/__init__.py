"""The theory of random masks, runnable: how wide a random source must be to hold a target network."""

from typing import TYPE_CHECKING

from tf_tickets.support.late import late_names

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
_PUBLIC = {
    "Embedding": "tf_tickets.theory.embedding:Embedding",
    "Frequency": "tf_tickets.theory.frequency:Frequency",
    "SourceWidths": "tf_tickets.theory.widths:SourceWidths",
    "SubsetSum": "tf_tickets.theory.subset_sums:SubsetSum",
    "base_set_sizes": "tf_tickets.theory.subset_sums:base_set_sizes",
    "connected_frequency": "tf_tickets.theory.lower_bound:connected_frequency",
    "connected_probability": "tf_tickets.theory.lower_bound:connected_probability",
    "embed_target": "tf_tickets.theory.embedding:embed_target",
    "er_widths": "tf_tickets.theory.widths:er_widths",
    "lower_bound_width": "tf_tickets.theory.lower_bound:lower_bound_width",
    "required_width_factor": "tf_tickets.theory.widths:required_width_factor",
    "smallest_base_set": "tf_tickets.theory.subset_sums:smallest_base_set",
    "subset_sum": "tf_tickets.theory.subset_sums:subset_sum",
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
