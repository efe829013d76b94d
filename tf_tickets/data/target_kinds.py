"""What targets of the user's own evidently are, and the task that follows: classes, labels or numbers.

What is recognised is said; what may be this or that is refused, or said.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from tf_tickets.data.labels import HIGHEST_LABEL, count_classes
from tf_tickets.support.words import plural
from tf_tickets.training.learning_tasks import (
    BY_TARGETS,
    CLASSIFICATION,
    MULTI_LABEL,
    NAMES,
    NUMBERS,
    ONE_HOT,
    REGRESSION,
    ROWS,
    TASKS,
    WHOLE,
    YES_NO,
)

# Two kinds, of training and of test, and the one that all of these targets are of.
_MORE_GENERAL = {
    (WHOLE, NUMBERS): NUMBERS,
    (ONE_HOT, YES_NO): YES_NO,
    (ONE_HOT, ROWS): ROWS,
    (YES_NO, ROWS): ROWS,
}
# What a kind is taken for where nobody says it. Whole numbers that are stored as floats can be either.
_TAKEN_FOR = {
    NAMES: CLASSIFICATION,
    WHOLE: CLASSIFICATION,
    ONE_HOT: CLASSIFICATION,
    YES_NO: MULTI_LABEL,
    NUMBERS: REGRESSION,
    ROWS: REGRESSION,
}


@dataclasses.dataclass(frozen=True)
class Targets:
    """Targets as `Examples` holds them.

    Attributes:
        train, test: int `(n,)` of classes, else float32 `(n, outputs)`.
        task: a name of `TASKS`.
        num_classes: None where there are no classes.
        notes: what was recognised, for people.
    """

    train: np.ndarray
    test: np.ndarray
    task: str
    num_classes: int | None
    notes: tuple[str, ...]


def recognised_targets(source: str, train: np.ndarray, test: np.ndarray, task: str = BY_TARGETS) -> Targets:
    """What targets are: classes (whole numbers, names, one-hot rows), several labels, or numbers.

    Args:
        source: for errors.
        train: targets of the training examples, `(n,)`, `(n, 1)` or `(n, outputs)`.
        test: those of the test examples.
        task: a name of `TASKS` that says it; `"auto"`: what they evidently are.

    Raises:
        ValueError: they are none of these, not of one kind, or no targets of the task.
    """
    train, test = (
        labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels for labels in (train, test)
    )
    kind = _kind_of_both(source, train, test)
    if task == BY_TARGETS:
        chosen = _evident_task(source, kind, train, test)
    elif kind in TASKS[task].takes:
        chosen = task
    else:
        raise ValueError(
            f"{source}: y_train holds {kind}, and --task={task} takes {', '.join(TASKS[task].takes)}."
        )
    try:
        return _CONVERSIONS[chosen](source, kind, train, test)
    except ValueError as error:
        if task == BY_TARGETS and kind == WHOLE:
            raise ValueError(f"{error} If they are numbers to be met, say --task={REGRESSION}.") from error
        raise


def _kind_of_both(source: str, train: np.ndarray, test: np.ndarray) -> str:
    kinds = [_kind(source, *pair) for pair in (("y_train", train), ("y_test", test))]
    if kinds[0] == kinds[1]:
        return kinds[0]
    general = _MORE_GENERAL.get((kinds[0], kinds[1])) or _MORE_GENERAL.get((kinds[1], kinds[0]))
    of_one_type = len({labels.dtype.kind in "biu" for labels in (train, test)}) == 1
    if general is None or not of_one_type:
        raise ValueError(f"{source}: y_train holds {kinds[0]}, but y_test {kinds[1]}.")
    return general


def _kind(source: str, key: str, labels: np.ndarray) -> str:
    """What kind of targets an array holds."""
    numbers = labels.dtype.kind in "biuf" and labels.size > 0
    with np.errstate(over="ignore", invalid="ignore"):
        finite = not numbers or labels.dtype.kind != "f" or np.isfinite(labels.astype(np.float32)).all()
    if not finite:
        raise ValueError(f"{source}: {key} holds NaN, infinity, or values beyond float32.")
    if numbers and labels.ndim == 2 and labels.shape[1] > 1:
        if not ((labels == 0) | (labels == 1)).all():
            return ROWS
        return ONE_HOT if (labels.sum(axis=1) == 1).all() else YES_NO
    if labels.ndim == 1 and labels.dtype.kind in "US":
        return NAMES
    if numbers and labels.ndim == 1:
        return WHOLE if labels.dtype.kind in "biu" or _are_whole(labels) else NUMBERS
    raise ValueError(
        f"{source}: {key} must be labels: whole numbers or names, (n,) or (n, 1), one-hot rows, "
        "(n, classes), or 0 and 1 for each of several, (n, labels); or numbers: floats, (n,) or "
        "(n, outputs). "
        f"Received: {labels.dtype} of shape {labels.shape}{_example(labels)}"
    )


def _evident_task(source: str, kind: str, train: np.ndarray, test: np.ndarray) -> str:
    if kind == WHOLE and train.dtype.kind == "f" and not _number_classes(train, test):
        return REGRESSION
    if kind == ROWS and train.dtype.kind != "f":
        raise ValueError(
            f"{source}: y_train holds rows of whole numbers, {train.dtype} of shape {train.shape}, which may "
            f"be this or that. Say --task={REGRESSION} if they are numbers to be met."
        )
    return _TAKEN_FOR[kind]


def _number_classes(train: np.ndarray, test: np.ndarray) -> bool:
    """Whether whole numbers are evidently those of classes, 0 to K-1, each at least once."""
    present = np.unique(train)
    return len(present) > 1 and bool(
        (present == np.arange(len(present))).all() and np.isin(test, present).all()
    )


def _are_whole(labels: np.ndarray) -> bool:
    return bool(
        (labels == np.floor(labels)).all() and np.abs(labels.astype(np.float64)).max(initial=0) < 2**53
    )


def _example(labels: np.ndarray) -> str:
    """The first label for a message, if it is short."""
    return f", the first one {labels.reshape(-1)[0]!s:.40}" if labels.ndim == 1 and labels.size else ""


def _as_classes(source: str, kind: str, train: np.ndarray, test: np.ndarray) -> Targets:
    train, test, notes = _CLASSES[kind](source, train, test)
    for key, y in (("y_train", train), ("y_test", test)):
        if y.min() < 0 or y.max() > HIGHEST_LABEL:
            raise ValueError(
                f"{source}: labels must be 0 or more, and fit into 31 bits. "
                f"Received in {key}: {y.min()} to {y.max()}"
            )
    return Targets(train, test, CLASSIFICATION, count_classes(source, train, test), notes)


def _from_numbers(
    source: str, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    found = [labels.astype(np.int64) if labels.dtype.kind in "bf" else labels for labels in (train, test)]
    return found[0], found[1], ()


def _from_rows(
    source: str, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    if train.shape[1] != test.shape[1]:
        raise ValueError(
            f"{source}: y_train has {train.shape[1]} columns of classes, but y_test {test.shape[1]}."
        )
    note = f"labels: one-hot rows of {train.shape[1]} classes"
    return train.argmax(axis=1), test.argmax(axis=1), (note,)


def _from_names(
    source: str, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    names, found = np.unique(train, return_inverse=True)
    unknown = np.setdiff1d(test, names)
    if unknown.size:
        raise ValueError(
            f"{source}: y_test names classes that y_train lacks: {', '.join(map(str, unknown[:3]))}."
        )
    shown = ", ".join(_shown(name) for name in names[:3]) + (", ..." if len(names) > 3 else "")
    note = f"labels: {len(names)} names in the order of the alphabet, {shown}"
    return found.reshape(-1), np.searchsorted(names, test), (note,)


def _shown(name: np.ndarray) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


_CLASSES = {WHOLE: _from_numbers, ONE_HOT: _from_rows, NAMES: _from_names}


def _as_yes_and_no(source: str, kind: str, train: np.ndarray, test: np.ndarray) -> Targets:
    train, test = _columns(source, train, test)
    for key, y in (("y_train", train), ("y_test", test)):
        if not ((y == 0) | (y == 1)).all():
            raise ValueError(
                f"{source}: --task={MULTI_LABEL} takes 0 and 1. Received in {key}: {y.min():g} to {y.max():g}"
            )
    note = f"targets: {_counted(train, 'label')} of 0 and 1, of which any number can hold"
    return Targets(train, test, MULTI_LABEL, None, (note,))


def _as_numbers(source: str, kind: str, train: np.ndarray, test: np.ndarray) -> Targets:
    whole = " whole" if kind == WHOLE else ""
    train, test = _columns(source, train, test)
    note = (
        f"targets: {_counted(train, 'column')} of{whole} numbers, {train.min():.6g} to {train.max():.6g}, as "
        "they are"
    )
    if whole:
        note += f" (--task={CLASSIFICATION} takes them for classes)"
    return Targets(train, test, REGRESSION, None, (note,))


def _columns(source: str, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Targets as float32 rows."""
    train, test = (np.ascontiguousarray(y.reshape(len(y), -1), np.float32) for y in (train, test))
    if train.shape[1] != test.shape[1]:
        raise ValueError(f"{source}: y_train has {train.shape[1]} columns, but y_test {test.shape[1]}.")
    return train, test


def _counted(targets: np.ndarray, noun: str) -> str:
    return plural(targets.shape[1], noun)


_CONVERSIONS: dict[str, Callable[[str, str, np.ndarray, np.ndarray], Targets]] = {
    CLASSIFICATION: _as_classes,
    MULTI_LABEL: _as_yes_and_no,
    REGRESSION: _as_numbers,
}
