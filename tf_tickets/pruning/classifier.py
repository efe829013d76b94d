"""The classifier, which is the last layer: how many weights it keeps where it is set apart from the rest."""

from tf_tickets.support.numbers import is_number


def check_classifier_keep(fraction: float) -> float:
    """The fraction as a float, or a ValueError that says what is accepted."""
    if not is_number(fraction) or not 0 < fraction <= 1:
        raise ValueError(f"classifier_keep is a fraction in (0, 1]. Received: {fraction!r}")
    return float(fraction)


def classifier_count(size: int, total: int, keep: int, fraction: float) -> int:
    """How many weights the classifier keeps where it is set apart from the rest.

    `fraction` of them, but never more than half of the whole budget: a network of 1000 classes could not be
    pruned to 98 % otherwise. At low sparsity it takes what the other layers cannot hold.

    Args:
        size: weights of the classifier.
        total: weights of the whole network.
        keep: the whole budget.
        fraction: of the classifier's weights, in (0, 1].
    """
    fraction = check_classifier_keep(fraction)
    return max(min(round(fraction * size), keep // 2), keep - (total - size))


def check_classifier_fits(keep: int, last: int, classifier_keep: float) -> None:
    """Refuses a budget of `keep` weights that is smaller than the `last` that the classifier takes of it."""
    if last > keep:
        raise ValueError(
            f"The budget is {keep:,} weights, and classifier_keep={classifier_keep} keeps {last:,} in the "
            'last layer alone. Lower the sparsity, or use rounding="exact": it takes at most half there.'
        )
