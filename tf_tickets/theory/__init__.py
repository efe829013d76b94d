"""The theory of random masks, runnable: how wide a random source must be to hold a target network."""

from typing import TYPE_CHECKING

from tf_tickets.support.late import late_names

if TYPE_CHECKING:  # `X as X`: type checkers take it as public
    from tf_tickets.theory.embedding import Embedding as Embedding
    from tf_tickets.theory.embedding import embed_target as embed_target
    from tf_tickets.theory.frequency import Frequency as Frequency
    from tf_tickets.theory.lower_bound import connected_frequency as connected_frequency
    from tf_tickets.theory.lower_bound import connected_probability as connected_probability
    from tf_tickets.theory.lower_bound import lower_bound_width as lower_bound_width
    from tf_tickets.theory.subset_sums import SubsetSum as SubsetSum
    from tf_tickets.theory.subset_sums import base_set_sizes as base_set_sizes
    from tf_tickets.theory.subset_sums import smallest_base_set as smallest_base_set
    from tf_tickets.theory.subset_sums import subset_sum as subset_sum
    from tf_tickets.theory.widths import SourceWidths as SourceWidths
    from tf_tickets.theory.widths import er_widths as er_widths
    from tf_tickets.theory.widths import required_width_factor as required_width_factor

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

__all__ = list(_PUBLIC)

__getattr__, __dir__ = late_names(__name__, _PUBLIC)
