"""A stratified split, held out: for validation, or for the test where a dataset is in one piece."""

from __future__ import annotations

import numpy as np

from tf_tickets.data.examples import Examples

# Of a dataset that comes without a test set. Which examples are taken is its own, whatever the seed.
TEST_FRACTION = 0.2
TEST_NOTE = "test set: a fifth, class by class, the same whatever the seed"


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
    held_out = rows_held_out(labels, fraction, seed)
    if not held_out.any():
        raise ValueError(
            f"validation_fraction={fraction} of {len(labels)} examples holds out none. "
            "Ask for a larger fraction."
        )
    apart = examples.take(np.flatnonzero(held_out))
    return examples.take(np.flatnonzero(~held_out), reuse=reuse), apart


def rows_held_out(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Which examples `hold_out` holds out, a bool array `(n,)`; `labels` are whole numbers, 0 or more."""
    held_out = np.zeros(len(labels), bool)
    rng = np.random.default_rng(seed)
    for label, count in enumerate(_counts(np.bincount(labels), fraction)):
        held_out[rng.permutation(np.flatnonzero(labels == label))[:count]] = True
    return held_out


def _counts(sizes: np.ndarray, fraction: float) -> np.ndarray:
    """How many to hold out of each class: largest remainders, earlier classes first in a tie."""
    counts = np.floor(fraction * sizes).astype(int)
    missing = round(fraction * sizes.sum()) - counts.sum()
    counts[np.argsort(counts - fraction * sizes, kind="stable")[:missing]] += 1
    return np.minimum(counts, np.maximum(sizes - 1, 0))
