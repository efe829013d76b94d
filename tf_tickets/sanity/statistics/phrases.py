"""Phrases of numbers, as the statistics say them."""

from tf_tickets.sanity.statistics.paired_accuracies import MOST_SEEDS


def p_value(p: float) -> str:
    """`p = 0.012`, of small ones a bound."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def needed(seeds: int | None) -> str:
    """So many seeds; nothing where none are needed."""
    return f"more than {MOST_SEEDS:,}" if seeds == MOST_SEEDS else f"about {seeds:,}" if seeds else ""
