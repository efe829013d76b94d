"""Tables of R's package mlbench, made into datasets with the split that everybody uses: `build`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of which the first rows are for training, and the others for the test.

    Attributes:
        target: the column to predict.
        train: rows for training.
        rows: of the whole table.
        source: where it is from, and under which terms.
    """

    target: str
    train: int
    rows: int
    source: str


_UCI = "UCI Machine Learning Repository, CC-BY-4.0"
# Name in mlbench -> what is known of it. The rows are in the order of the repository's files.
TABLES = {
    "LetterRecognition": Table("lettr", 16_000, 20_000, f"Letter Recognition (Slate, 1991), {_UCI}"),
    "Satellite": Table("classes", 4_435, 6_435, f"Statlog (Landsat Satellite), {_UCI}"),
    "Shuttle": Table("Class", 43_500, 58_000, f"Statlog (Shuttle), {_UCI}"),
}


def build(name: str, frame: pd.DataFrame) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Makes a dataset of a table of mlbench, such as Debian's r-cran-mlbench holds.

    Rows 1 to 16,000 of LetterRecognition, 4,435 of Satellite and 43,500 of Shuttle are for training, as the
    authors' files have it.

    Args:
        name: a key of `TABLES`.
        frame: its rows, all of them in their order; the column to predict is a factor.

    Returns:
        The arrays `x_train` and `x_test`, float32 `(n, features)`, `y_train` and `y_test`, int64, and
        `classes`, their names; and a record of where they are from, for JSON.

    Raises:
        ValueError: there is no such table, or the rows are not its own.
    """
    if name not in TABLES:
        raise ValueError(f"The split of {name} is not known. Tables: {', '.join(TABLES)}.")
    table = TABLES[name]
    if table.target not in frame or len(frame) != table.rows or frame.isna().any(axis=None):
        raise ValueError(
            f"{name} is to have {table.rows:,} whole rows and a column {table.target}. Received: "
            f"{len(frame):,} rows of {', '.join(map(str, frame.columns))}"
        )
    labels = frame[table.target].astype("category").cat
    x = frame.drop(columns=table.target).to_numpy(np.float32)
    y = labels.codes.to_numpy(np.int64)
    classes = np.array([str(label) for label in labels.categories])
    parts = {"train": slice(table.train), "test": slice(table.train, None)}
    arrays = {f"{kind}_{part}": a[rows] for kind, a in (("x", x), ("y", y)) for part, rows in parts.items()}
    record = {
        "what": name,
        "source": table.source,
        "split": f"the first {table.train:,} rows for training, the last {len(frame) - table.train:,} for "
        "the test",
        "features": x.shape[1],
        "classes": {
            part: dict(zip(classes.tolist(), _counts(y[rows], len(classes)), strict=True))
            for part, rows in parts.items()
        },
    }
    return {**arrays, "classes": classes}, record


def _counts(labels: np.ndarray, classes: int) -> list[int]:
    return [int(count) for count in np.bincount(labels, minlength=classes)]
