"""Labels: what they may be, and how many classes they are of."""

from __future__ import annotations

import numpy as np

HIGHEST_LABEL = 2**31 - 1


def count_classes(source: str, train_labels: np.ndarray, test_labels: np.ndarray) -> int:
    """The number of classes where only the labels tell it: the largest training label plus one.

    Args:
        source: name of the dataset, for errors.
        train_labels: non-negative `(n,)`; must be 0 to K-1, each class at least once.
        test_labels: non-negative `(m,)`; must be among them.

    Raises:
        ValueError: the labels are anything else, or there is only one class.
    """
    present = np.unique(train_labels)
    num_classes = int(present[-1]) + 1
    if num_classes < 2:
        raise ValueError(f"{source}: at least 2 classes are needed, but every training label is 0.")
    if len(present) != num_classes:
        absent = np.setdiff1d(np.arange(min(num_classes, len(present) + 1)), present)[0]
        raise ValueError(
            f"{source}: training labels must be 0 to K-1, each at least once. "
            f"Received: {present[0]} to {present[-1]} without {absent}. Renumber the classes."
        )
    highest = test_labels.max()
    if highest >= num_classes:
        raise ValueError(
            f"{source}: test labels must be among the training set's, 0 to {num_classes - 1}. "
            f"Received: {highest}"
        )
    return num_classes
