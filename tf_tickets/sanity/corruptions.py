"""Corruptions of the data that a pruning method sees: random labels, random pixels, both, and half of it.

Each is a pure function that takes and gives back a `Dataset` (another training split, all else as it was) or
a pair `(x, y)` of arrays. Only pruning sees corrupted data; retraining runs on clean data.
"""

import dataclasses
import operator
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np

from tf_tickets.data.dataset import Dataset
from tf_tickets.data.examples import Examples
from tf_tickets.data.preprocessing import Preprocessing
from tf_tickets.support.random_streams import stream
from tf_tickets.training.learning_tasks import CLASSIFICATION, TASKS

Pair: TypeAlias = tuple[np.ndarray, np.ndarray]
Data = TypeVar("Data", Dataset, Pair)


def random_labels(
    data: Data, seed: int = 0, num_classes: int | None = None, task: str = CLASSIFICATION
) -> Data:
    """Replaces every label by a uniform draw over the classes: about one in `num_classes` stays right.

    Where there are no classes, the targets are permuted among the examples, each row as it is: what is left
    is how they are distributed. Labels are drawn once, so they are the same in every epoch. Images stay as
    they are.

    Args:
        data: a `Dataset`, or arrays x `(n, ...)` and y, whole numbers `(n,)` or `(n, 1)`.
        seed: of the draw. Defaults to `0`.
        num_classes: labels are drawn from 0 to `num_classes - 1`. Defaults to that of the Dataset, for arrays
            to the highest label plus one.
        task: of arrays, a name of `tf_tickets.training.TASKS`; a `Dataset` knows its own. Of others than
            classification y is any `(n, ...)`.

    Returns:
        What `data` is, with other labels of the same dtype.

    Raises:
        TypeError: `data` is of neither form.
        ValueError: labels are no classes, or there are more or fewer classes than `num_classes`.

    Example:

    >>> ticket = tt.prune(model, "snip", 0.98, data=random_labels((x, y), seed=0))

    Reference:

    - [Su et al., 2020](https://arxiv.org/abs/2009.11094), section 3
    """

    def corrupt(x: np.ndarray, y: np.ndarray) -> Pair:
        rng = stream(seed, "check", "random_labels")
        if not _has_classes(data, task):
            return x, y[rng.permutation(len(y))]
        classes = _checked_classes(data, y, num_classes)
        return x, rng.integers(classes, size=y.shape).astype(y.dtype)

    return _corrupted(data, corrupt)


def random_pixels(data: Data, seed: int = 0) -> Data:
    """Permutes all values within each example, independently of the other examples.

    Height, width and channels mix. Images of a Dataset are permuted as they are stored, before augmentation
    and normalisation, as in the paper: their channels are taken to share a unit. So are vectors of pixels.
    Columns of a table do not: a value of thousands would be far outside where a column of fractions is
    expected. So a table is permuted after its columns are standardised, and what the network sees of an
    example is a permutation of what it would see. The Dataset that is given back holds all splits
    standardised then. Arrays are permuted as they are. Labels stay as they are.

    Args:
        data: a `Dataset`, or arrays x `(n, ...)` and y `(n, ...)`.
        seed: of the permutations. Defaults to `0`.

    Returns:
        What `data` is, with permuted examples of the same dtype.

    Raises:
        TypeError: `data` is of neither form.
        ValueError: x and y are not as many examples.

    Example:

    >>> ticket = tt.prune(model, "snip", 0.98, data=random_pixels((x, y), seed=0))

    Reference:

    - [Su et al., 2020](https://arxiv.org/abs/2009.11094), section 3
    """

    def corrupt(x: np.ndarray, y: np.ndarray) -> Pair:
        rows = x.reshape(len(x), -1)
        return stream(seed, "check", "random_pixels").permuted(rows, axis=1).reshape(x.shape), y

    return _corrupted(_in_one_unit(data), corrupt)


def corrupted(data: Data, seed: int = 0, num_classes: int | None = None, task: str = CLASSIFICATION) -> Data:
    """Random labels and random pixels together: the paper's corrupted data.

    The same as `random_pixels(random_labels(data, seed, num_classes, task), seed)`.

    Args:
        data: a `Dataset`, or arrays x `(n, ...)` and y, whole numbers `(n,)` or `(n, 1)`.
        seed: of both. Defaults to `0`.
        num_classes, task: see `random_labels`.

    Returns:
        What `data` is, with neither right labels nor shapes in it.

    Raises:
        TypeError: `data` is of neither form.
        ValueError: see `random_labels`.

    Reference:

    - [Su et al., 2020](https://arxiv.org/abs/2009.11094), section 3
    """
    return random_pixels(random_labels(data, seed, num_classes, task), seed)


def half_dataset(data: Data, seed: int = 0, first: int | None = None, task: str = CLASSIFICATION) -> Data:
    """Keeps a fixed half of the examples, in their order.

    Args:
        data: a `Dataset`, or arrays x `(n, ...)` and y, whole numbers `(n,)` or `(n, 1)`.
        seed: of the choice; unused with `first`. Defaults to `0`.
        first: a batch size: instead of a random half, keep the first examples, as many as there are whole
            batches of this size in half of the data (of 50,000 and 64 the first 24,960). The authors' code
            does so. Defaults to `None`, a random half.
        task: see `random_labels`.

    Returns:
        What `data` is, with `n // 2` of the examples, or somewhat less with `first`.

    Raises:
        TypeError: `data` is of neither form.
        ValueError: labels are no classes, the half is empty, or it lacks a class.

    Example:

    >>> ticket = tt.prune(model, "snip", 0.98, data=half_dataset((x, y), seed=0))

    Reference:

    - [Su et al., 2020](https://arxiv.org/abs/2009.11094), section 3
    """

    def corrupt(x: np.ndarray, y: np.ndarray) -> Pair:
        has_classes = _has_classes(data, task)
        if has_classes:
            _checked_labels(y)
        half = len(y) // 2
        if half == 0:
            raise ValueError(f"There is no half of {len(y)} example.")
        chosen: np.ndarray | slice
        if first is None:
            chosen = np.sort(stream(seed, "check", "half_dataset").permutation(len(y))[:half])
            other = "a larger dataset or another seed"
        else:
            chosen = slice(_whole_batches(half, first))
            other = "a random half (leave out first=)"
        lost = np.setdiff1d(y, y[chosen]) if has_classes else np.empty(0)
        if lost.size:
            raise ValueError(
                f"The half of {len(y):,} examples has none of {_classes(lost)}, so that it would be another "
                f"task. Use {other}."
            )
        return x[chosen], y[chosen]

    return _corrupted(data, corrupt)


def _in_one_unit(data: Any) -> Any:
    """What `data` is; a table whose columns are standardised each by itself as the network sees it."""
    if not isinstance(data, Dataset) or len(data.input_shape) != 1 or len(data.preprocessing.mean) == 1:
        return data
    splits = {
        split: dataclasses.replace(examples, images=data.preprocessing.normalise(np.asarray(examples.images)))
        for split, examples in data.splits.items()
    }
    as_it_is = Preprocessing(scale=1.0, mean=(0.0,), std=(1.0,))
    return dataclasses.replace(data, splits=splits, preprocessing=as_it_is)


def _corrupted(data: Any, corrupt: Callable[[np.ndarray, np.ndarray], Pair]) -> Any:
    """What `data` is, its training examples changed by `corrupt`."""
    if isinstance(data, Dataset):
        train = data.splits["train"]
        return data.replace("train", Examples(*corrupt(train.images, train.labels)))
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        got = f"{len(data)} of them" if isinstance(data, (tuple, list)) else type(data).__name__
        raise TypeError(f"Data is a tf_tickets Dataset or a pair (x, y) of arrays. Received: {got}")
    x, y = (np.asarray(part) for part in data)
    if x.ndim < 2 or y.ndim < 1 or len(x) != len(y) or x.size == 0:
        raise ValueError(
            "x must be (n, ...) and y (n,), with the same number of examples, at least one. "
            f"Received: x {x.shape}, y {y.shape}"
        )
    return corrupt(x, y)


def _has_classes(data: Any, task: str) -> bool:
    if isinstance(data, Dataset):
        return data.task.has_classes
    if task not in TASKS:
        raise ValueError(f"task={task!r} is unknown. Choose one of: {', '.join(TASKS)}.")
    return TASKS[task].has_classes


def _checked_labels(y: np.ndarray) -> None:
    if y.dtype.kind not in "iu" or y.shape not in ((len(y),), (len(y), 1)):
        raise ValueError(
            "Labels must be the numbers of classes, (n,) or (n, 1). Received: "
            f"{y.dtype} of shape {y.shape}. Of one-hot labels take np.argmax(y, axis=-1)."
        )
    if y.min() < 0:
        raise ValueError(f"Labels must be 0 or more. Received: {y.min()}")


def _checked_classes(data: Any, y: np.ndarray, num_classes: int | None) -> int:
    _checked_labels(y)
    least = int(y.max()) + 1
    known = data.outputs if isinstance(data, Dataset) else least
    found = known if num_classes is None else _whole("num_classes", num_classes)
    if isinstance(data, Dataset) and found != known:
        raise ValueError(f"{data.name} has {known} classes. Received: num_classes={num_classes}")
    if found < max(least, 2):
        reason = f"there are labels up to {least - 1}" if found < least else "of one class nothing is random"
        raise ValueError(f"num_classes must be at least {max(least, 2)}: {reason}. Received: {found}")
    if found - 1 > np.iinfo(y.dtype).max:
        raise ValueError(
            f"Labels of {y.dtype} go up to {np.iinfo(y.dtype).max}. Received: num_classes={found}. "
            "Pass them as int32."
        )
    return found


def _whole_batches(half: int, batch_size: int) -> int:
    """How many examples the whole batches in `half` are."""
    size = _whole("first", batch_size)
    if not 1 <= size <= half:
        raise ValueError(
            f"first is a batch size, from 1 to {half} (half of the examples). Received: {batch_size}"
        )
    return half // size * size


def _whole(argument: str, value: Any) -> int:
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise ValueError(f"{argument} must be a whole number. Received: {value!r}")
    return number


def _classes(labels: np.ndarray) -> str:
    """Their numbers, not more than a line can hold."""
    names = ", ".join(str(label) for label in labels[:20])
    rest = f" and {len(labels) - 20} more" if len(labels) > 20 else ""
    return f"class{'es' if len(labels) > 1 else ''} {names}{rest}"
