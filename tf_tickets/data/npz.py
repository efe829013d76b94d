"""The user's own arrays: `npz:FILE`."""

from __future__ import annotations

from pathlib import Path

from tf_tickets.data.arrays import splits_of
from tf_tickets.data.splits import Splits
from tf_tickets.storage.npz_archives import StoredArray, check_npz, names_in, stored_arrays
from tf_tickets.storage.user_paths import user_path
from tf_tickets.training.learning_tasks import BY_TARGETS

KEYS = ("x_train", "y_train", "x_test", "y_test")


def read(
    file: str, data_dir: str | None, image_size: tuple[int, int] | None, task: str = BY_TARGETS
) -> Splits:
    """Reads `x_train`, `y_train`, `x_test` and `y_test` of one `.npz` file.

    x is `(n, features)`, `(n, height, width)`, `(n, height, width, channels)`, or evidently
    `(n, channels, height, width)`. Images whose values are whole numbers of 0 to 255 in both arrays are kept
    as uint8, whatever their type; every other type but uint8 becomes float32. Vectors of uint8 are taken for
    pixels, which share their scale; save a table of such as another type.

    y says what is learned, unless `task` does. Classes: `(n,)` or `(n, 1)`, whole numbers 0 to K-1, or names;
    or one-hot rows `(n, K)`. Labels of which several can hold: 0 and 1, `(n, labels)`. Numbers: floats,
    `(n,)` or `(n, outputs)`, which are used as they are.

    The arrays are read piece by piece, so that they take their own size in memory and little more.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the arrays are not what is described above, the file is damaged, or the arrays are larger
            than the memory that is free.
    """
    path = user_path(f"npz:{file}", file)
    if not path.is_file():
        raise FileNotFoundError(
            f"npz:{file}: there is no such file. Expected npz:FILE with the arrays "
            f"{', '.join(KEYS)}, as numpy.savez writes them."
        )
    with _DamageNamed(path):
        x_train, y_train, x_test, y_test = _open(path)
    return splits_of(str(path), x_train, y_train, x_test, y_test, _DamageNamed(path), task)


class _DamageNamed:
    """A block that reads a file; on damaged bytes zipfile, zlib, tokenize and ast raise what they like."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            raise ValueError(
                f"{self.path} cannot be read as a .npz file with the arrays {', '.join(KEYS)}: "
                f"{error or type(error).__name__}."
            ) from error


def _open(path: Path) -> list[StoredArray]:
    check_npz(path, KEYS)
    found = stored_arrays(path, KEYS)
    missing = [key for key in KEYS if key not in found]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}; found {', '.join(names_in(path))}")
    return [found[key] for key in KEYS]
