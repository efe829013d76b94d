"""A validation split, held out of the training split; stratified by class."""

from __future__ import annotations

import numpy as np

from tf_tickets.data.examples import Examples


def hold_out(
    examples: Examples, fraction: float, seed: int, reuse: bool = False
) -> tuple[Examples, Examples]:
    """Splits examples in two, class by class where there are classes; both parts keep the stored order.

    Args:
        examples: the training split.
        fraction: part to hold out, in (0, 0.5].
        seed: of the draw, for `numpy.random.default_rng`.
        reuse: leave what remains in the memory of `examples`, which are of no use any more then.

    Returns:
        (what remains, what is held out). Held out are `round(fraction * n)` examples, spread over
        the classes in proportion; every class keeps at least one.

    Raises:
        ValueError: that would hold out nothing.
    """
    # What has no classes is all of one kind.
    labels = examples.labels if examples.has_classes else np.zeros(len(examples), np.int32)
    held_out = np.zeros(len(labels), bool)
    rng = np.random.default_rng(seed)
    for label, count in enumerate(_counts(np.bincount(labels), fraction)):
        held_out[rng.permutation(np.flatnonzero(labels == label))[:count]] = True
    if not held_out.any():
        raise ValueError(
            f"validation_fraction={fraction} of {len(labels)} examples holds out none. "
            "Ask for a larger fraction."
        )
    apart = examples.take(np.flatnonzero(held_out))
    return examples.take(np.flatnonzero(~held_out), reuse=reuse), apart


def _counts(sizes: np.ndarray, fraction: float) -> np.ndarray:
    """How many to hold out of each class: largest remainders, earlier classes first in a tie."""
    counts = np.floor(fraction * sizes).astype(int)
    missing = round(fraction * sizes.sum()) - counts.sum()
    counts[np.argsort(counts - fraction * sizes, kind="stable")[:missing]] += 1
    return np.minimum(counts, np.maximum(sizes - 1, 0))
