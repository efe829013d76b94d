"""Tables of the user's own: `csv:FILE` and `parquet:FILE`."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_tickets.data.arrays import Held, splits_of
from tf_tickets.data.holdout import TEST_FRACTION, TEST_NOTE, rows_held_out
from tf_tickets.data.splits import Splits
from tf_tickets.storage.user_paths import user_path
from tf_tickets.support.memory import check_memory
from tf_tickets.support.words import did_you_mean, plural
from tf_tickets.training.learning_tasks import BY_TARGETS

if TYPE_CHECKING:
    import pandas as pd

SPLIT = "split"  # the column that says of each row where it belongs
PARTS = ("train", "test")
MOST_WORDS = 100  # of a column that becomes one-hot columns
_PIECE = 1 << 20
_BYTES = 3 * 8  # of a cell: as it is read, as float32, and once more in its split


def read_csv(
    file: str,
    data_dir: str | None,
    image_size: tuple[int, int] | None,
    task: str = BY_TARGETS,
    target: str | None = None,
) -> Splits:
    """Reads a CSV file with a line of names on top: one example a row.

    A column `split` of the words train and test says which row is of which; without it a fifth of the rows is
    the test set, class by class, the same whatever the seed. Or `file` is a folder that holds `train.csv` and
    `test.csv`.

    The target is one column; all others are features: numbers as they are, words as one-hot columns, one for
    each word of the training rows. The target is what y of `npz:FILE` may be. Columns are standardised by
    the training rows, as those of other tables.

    Args:
        file: the path.
        data_dir: not used.
        image_size: not used.
        task: what is learned, see `tf_tickets.data.load`.
        target: name of the column. Default: the last one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such table, cells are missing, or there is not enough memory for it.
    """
    return _read("csv", _csv, file, task, target)


def read_parquet(
    file: str,
    data_dir: str | None,
    image_size: tuple[int, int] | None,
    task: str = BY_TARGETS,
    target: str | None = None,
) -> Splits:
    """Reads a Parquet file, or a folder with `train.parquet` and `test.parquet`, as `read_csv` reads CSV."""
    return _read("parquet", _parquet, file, task, target)


def _read(
    kind: str, reader: Callable[[Path], pd.DataFrame], file: str, task: str, target: str | None
) -> Splits:
    source = f"{kind}:{file}"
    path = user_path(source, file)
    if not path.exists():
        raise FileNotFoundError(
            f"{source}: there is no such file. Expected {kind}:FILE, or a folder with "
            f"{' and '.join(f'{part}.{kind}' for part in PARTS)}."
        )
    frame, is_test = _folder(source, kind, reader, path) if path.is_dir() else (reader(path), None)
    _check_columns(source, frame)
    if is_test is None and SPLIT in frame:
        is_test = _said_split(source, frame[SPLIT])
        frame = frame.drop(columns=SPLIT)
    name, notes = _target(source, frame, target)
    _check_cells(source, frame)
    y = _labels(source, frame[name])
    if is_test is None:
        strata = _strata(y)
        is_test = rows_held_out(strata, TEST_FRACTION, seed=0)
        notes += (TEST_NOTE if strata.any() else "test set: a fifth of the rows, the same whatever the seed",)
        if not is_test.any():
            raise ValueError(f"{source}: too few to be split, {plural(len(y), 'row')}.")
    x, more = _features(source, frame.drop(columns=name), is_test)
    splits = splits_of(
        source,
        Held(x[~is_test]),
        Held(y[~is_test]),
        Held(x[is_test]),
        Held(y[is_test]),
        contextlib.nullcontext(),
        task,
    )
    return dataclasses.replace(splits, notes=(*notes, *more, *splits.notes))


def _csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    with _told(path, "a CSV file"):
        with open(path, "rb") as file:
            columns = file.readline().count(b",") + 1
            lines = sum(piece.count(b"\n") for piece in iter(lambda: file.read(_PIECE), b""))
        _check_size(path, lines + 1, columns)
        with warnings.catch_warnings():
            # Of rows with more cells than there are names: without index_col the first would be lost.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path, index_col=False, low_memory=False, encoding="utf-8-sig", skipinitialspace=True
            )
    if frame.shape[1] == 1:
        raise ValueError(f"{path}: there is one column, {frame.columns[0]!r}. Cells are separated by commas.")
    for position, name in enumerate(frame.columns, start=1):
        if str(name).startswith("Unnamed: "):
            raise ValueError(
                f"{path}: column {position} has no name. If it numbers the rows, leave it out (pandas: "
                "to_csv(index=False)), as it would be a feature."
            )
    if all(_is_number(name) for name in frame.columns):
        raise ValueError(f"{path}: the first line is to name the columns, but holds numbers.")
    return frame


def _parquet(path: Path) -> pd.DataFrame:
    import pyarrow.parquet

    with _told(path, "a Parquet file"), pyarrow.parquet.ParquetFile(path) as file:
        _check_size(path, file.metadata.num_rows, file.metadata.num_columns)
        table = file.read()
        table.validate(full=True)  # damaged words would be found only where they are used
        return table.to_pandas()


@contextlib.contextmanager
def _told(path: Path, kind: str) -> Iterator[None]:
    """A block that reads a file; on damaged bytes the readers raise what they like."""
    try:
        yield
    except MemoryError as error:
        raise ValueError(f"{path} does not fit into memory.") from error
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith(str(path)):
            raise
        said = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} cannot be read as {kind}: {said}") from error


def _check_size(path: Path, rows: int, columns: int) -> None:
    check_memory(str(path), float(rows) * columns * _BYTES, "Save fewer rows or columns in it.")


def _is_number(name: Any) -> bool:
    with contextlib.suppress(ValueError):
        return np.isfinite(float(name))
    return False


def _folder(
    source: str, kind: str, reader: Callable[[Path], pd.DataFrame], folder: Path
) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows of the two files of a folder, and which are for the test."""
    import pandas as pd

    paths = [folder / f"{part}.{kind}" for part in PARTS]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{source}: a folder is to hold {paths[0].name} and {paths[1].name}.")
    train, test = map(reader, paths)
    if set(train.columns) != set(test.columns) or SPLIT in train:
        odd = sorted(map(str, set(train.columns) ^ set(test.columns))) or [SPLIT]
        raise ValueError(
            f"{source}: {paths[0].name} and {paths[1].name} must have the same columns, and none that says "
            f"the {SPLIT}. These are not to be: {', '.join(odd[:5])}."
        )
    is_test = np.arange(len(train) + len(test)) >= len(train)
    return pd.concat([train, test[train.columns]], ignore_index=True), is_test


def _check_columns(source: str, frame: pd.DataFrame) -> None:
    names = [str(name).strip() for name in frame.columns]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"{source}: columns have names of their own. Received twice: {', '.join(twice)}")
    frame.columns = names
    if not len(frame):
        raise ValueError(f"{source}: there are no rows.")


def _said_split(source: str, column: pd.Series) -> np.ndarray:
    words = column.astype(str).str.strip().str.lower()
    unknown = sorted(set(words) - set(PARTS))
    missing = sorted(set(PARTS) - set(words))
    if unknown or missing:
        raise ValueError(
            f"{source}: the column {SPLIT} is to hold train and test, both of them. "
            + (f"Received: {', '.join(unknown[:5])}" if unknown else f"There is no row of {missing[0]}.")
            + (" (--validation_fraction holds out of the training rows.)" if "val" in str(unknown) else "")
        )
    return (words == "test").to_numpy(dtype=bool)


def _target(source: str, frame: pd.DataFrame, target: str | None) -> tuple[str, tuple[str, ...]]:
    columns = list(frame.columns)
    if target is not None and target not in columns:
        shown = ", ".join(columns[:20]) + (", ..." if len(columns) > 20 else "")
        raise ValueError(
            f"{source}: there is no column for --target={target}.{did_you_mean(target, columns)} "
            f"Columns: {shown}."
        )
    if len(columns) < 2:
        raise ValueError(f"{source}: a target and a feature are needed. Columns: {', '.join(columns)}.")
    return (target, ()) if target is not None else (columns[-1], (f"target: the last column, {columns[-1]}",))


def _check_cells(source: str, frame: pd.DataFrame) -> None:
    counts = frame.isna().sum()
    lacking = counts[counts > 0]
    if len(lacking):
        named = ", ".join(f"{name} ({count})" for name, count in lacking.items())
        raise ValueError(
            f"{source}: {plural(int(lacking.sum()), 'cell is', 'cells are')} missing (empty, NA, NaN, null "
            f"or None): {named}. Fill them, or leave those rows or columns out."
        )


def _plain(column: pd.Series) -> pd.Series:
    """A column of categories as a column of what they are."""
    import pandas as pd

    return (
        column.astype(column.cat.categories.dtype)
        if isinstance(column.dtype, pd.CategoricalDtype)
        else column
    )


def _numbers(column: pd.Series) -> np.ndarray | None:
    """A column of numbers or truth values in their kind; None is any other."""
    from pandas.api import types

    for kind, dtype in (
        (types.is_bool_dtype, np.int64),
        (types.is_integer_dtype, np.int64),
        (types.is_float_dtype, np.float64),
    ):
        if kind(column):
            return column.to_numpy(dtype=dtype)
    return None


def _words(source: str, column: pd.Series) -> np.ndarray:
    values = column.to_numpy(dtype=object)
    if not all(isinstance(value, str) for value in values):
        odd = next(value for value in values if not isinstance(value, str))
        raise ValueError(
            f"{source}: the column {column.name} is to hold numbers or words. Received: {column.dtype}, such "
            f"as {odd!s:.40}. Write it as numbers."
        )
    return values.astype(str)


def _labels(source: str, column: pd.Series) -> np.ndarray:
    column = _plain(column)
    numbers = _numbers(column)
    return _words(source, column) if numbers is None else numbers


def _strata(y: np.ndarray) -> np.ndarray:
    """Of what a split takes its part each: classes, or all rows together where values hardly repeat."""
    values, places = np.unique(y, return_inverse=True)
    return places.reshape(-1) if 2 * len(values) <= len(y) else np.zeros(len(y), np.int64)


def _features(source: str, frame: pd.DataFrame, is_test: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """float32 `(n, features)`, and notes."""
    columns, encoded, unseen = [], [], []
    for name in frame.columns:
        column = _plain(frame[name])
        numbers = _numbers(column)
        if numbers is not None:
            columns.append(numbers)
            continue
        values = _words(source, column)
        words = np.unique(values[~is_test])
        if len(words) > MOST_WORDS:
            raise ValueError(
                f"{source}: the column {name} holds {len(words)} different words, more than the {MOST_WORDS} "
                "that become columns of their own. Leave it out, or write it as numbers."
            )
        columns += [values == word for word in words]
        encoded.append(f"{name} ({len(words)})")
        if strange := int((~np.isin(values[is_test], words)).sum()):
            unseen.append(f"{name} ({plural(strange, 'row')})")
    notes = []
    if encoded:
        notes.append(f"one-hot columns: {', '.join(encoded)}")
    if unseen:
        notes.append(f"words of test rows that no training row has, all zeros: {', '.join(unseen)}")
    with np.errstate(over="ignore"):
        return np.stack([column.astype(np.float32) for column in columns], axis=1), tuple(notes)
