"""Other splits of the same examples, and fewer of them: both take the first ones of a stratified order."""

from __future__ import annotations

import math

import numpy as np

from tf_tickets.data.examples import Examples
from tf_tickets.support.memory import aligned_empty, check_memory

_CHUNK = 1024  # rows that are copied in one piece


def split_anew(train: Examples, test: Examples, seed: int) -> tuple[Examples, Examples]:
    """Pools training and test examples, and splits them again into as many of each.

    Class by class, where there are classes: each part has its share of a class, but for rounding.

    Args:
        train: the training split, in memory.
        test: the test split, in memory.
        seed: of the draw, a whole number, 0 or more.

    Returns:
        (training examples, test examples), each in the order in which they were stored.

    Raises:
        ValueError: there is not enough memory for both pools.
    """
    count = len(train) + len(test)
    check_memory(
        f"split_seed={seed} of {count:,} examples",
        float(count) * math.prod(train.images.shape[1:]) * train.images.dtype.itemsize,
        "Leave it out.",
    )
    labels = np.concatenate([train.labels, test.labels])
    order = stratified_order(labels, seed)
    of_test, of_train = np.sort(order[: len(test)]), np.sort(order[len(test) :])
    return _pooled(train, test, of_train), _pooled(train, test, of_test)


def first_examples(train: Examples, count: int) -> Examples:
    """The first training examples of a fixed stratified order, as they were stored.

    Fewer are always among more, and each class has its share of them, but for rounding.

    Args:
        train: the training split.
        count: how many, 1 or more.

    Raises:
        ValueError: there are not so many, or a class would have none.
    """
    if count > len(train):
        raise ValueError(f"train_examples={count}: there are only {len(train):,} training examples.")
    chosen = np.sort(stratified_order(train.labels, 0)[:count])
    if train.has_classes:
        present = len(np.unique(train.labels))
        if len(np.unique(train.labels[chosen])) < present:
            raise ValueError(
                f"train_examples={count} leaves a class, of {present}, without an example. Ask for more."
            )
    return train.take(chosen)


def stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """An order of examples of which every beginning has the classes in their proportions, but for rounding.

    Each beginning has of the classes what Webster's rule of apportionment gives them, so fewer are always
    among more.

    Args:
        labels: whole numbers `(n,)`; rows `(n, outputs)` are of no classes, and taken for one.
        seed: of the order within a class, and of whose turn is first where several are equally due.

    Returns:
        The numbers of the examples, `(n,)`.
    """
    rng = np.random.default_rng(seed)
    classes = labels if labels.ndim == 1 else np.zeros(len(labels), np.int32)
    due = np.empty(len(classes))
    for label in np.unique(classes):
        rows = np.flatnonzero(classes == label)
        due[rows[rng.permutation(len(rows))]] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.lexsort((rng.permutation(len(classes)), due))


def _pooled(train: Examples, test: Examples, rows: np.ndarray) -> Examples:
    """Examples by their numbers in the pool, of which those for training are the first."""
    images = aligned_empty((len(rows), *train.images.shape[1:]), train.images.dtype)
    labels = np.concatenate([train.labels, test.labels])[rows]
    border = int(np.searchsorted(rows, len(train)))
    for source, chosen, into in (
        (train.images, rows[:border], images[:border]),
        (test.images, rows[border:] - len(train), images[border:]),
    ):
        for start in range(0, len(chosen), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            into[chunk] = source[chosen[chunk]]
    return Examples(images, labels, train.meaning)
