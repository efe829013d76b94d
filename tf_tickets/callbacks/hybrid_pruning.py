"""Hybrid tickets: the largest magnitudes within each layer, at smart ratios."""

from typing import Any, Literal

from tf_tickets.callbacks.magnitude_pruning import MagnitudePruning


class HybridPruning(MagnitudePruning):
    """Keeps the largest magnitudes within each layer at smart ratios, at the start of an epoch (section 5.2).

    Followed by `LearningRateRewinding` at the same epoch it makes a hybrid ticket.

    Args:
        sparsity: fraction to remove, in [0, 1).
        epoch: 0-based epoch, at whose start the network counts as trained.
        family: `"vgg"` or `"resnet"`, see `tf_tickets.keep_counts`.
        classifier_keep: fraction of each classifier, the masked weights that feed an output, that is kept.
            None or `"method"` means the method's own, 0.3.
        pattern: which weights are kept together, or how many of neighbours, as in `tf_tickets.prune`.
        include, exclude: which layers, as in `tf_tickets.mask_layers`.
    """

    def __init__(
        self,
        sparsity: float,
        epoch: int,
        family: str | None = None,
        classifier_keep: float | Literal["method"] | None = None,
        include: Any = None,
        exclude: Any = None,
        pattern: str | None = None,
    ):
        super().__init__(
            sparsity,
            epoch,
            ratios="smart",
            family=family,
            classifier_keep=classifier_keep,
            include=include,
            exclude=exclude,
            pattern=pattern,
        )
