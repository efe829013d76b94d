"""Where a training stands, on disk, so that it goes on to the bit after whatever ended its process."""

import dataclasses
import json
import pathlib
import re
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ml_dtypes  # noqa: F401  teaches numpy the names of bfloat16 and others
import numpy as np

from tf_tickets.storage.atomic_files import PathLike, replacing
from tf_tickets.storage.npz_archives import check_npz

KEPT = 2  # the newest, and the one before it, in case the newest is damaged
_NAME = re.compile(r"epoch_(\d+)_step_(\d+)\.npz")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """Where a training stands.

    Attributes:
        history: a row for each epoch that is done.
        step: steps done of the epoch after those.
        values: of every variable, as `State.read` gives them.
        seconds: that the training took until then.
    """

    history: Sequence[Mapping[str, float]]
    step: int
    values: Sequence[np.ndarray]
    seconds: float


class Checkpoints:
    """The newest checkpoints of one training.

    A file is written whole or not at all. One that cannot be read, or is of another training, is passed over
    with a warning, for the one before it.

    Args:
        folder: where; made when there is something to save.
        owner: JSON-able, what the training is; a checkpoint of another is not used.
        minutes: between two checkpoints within an epoch; 0 for one after every call. There is one after
            every epoch too.
        warn: told what is passed over. Defaults to `warnings.warn`.
        before_saving: called each time; what it raises keeps a checkpoint from being written.
    """

    def __init__(
        self,
        folder: PathLike,
        owner: Mapping[str, Any],
        minutes: float = 10.0,
        warn: Callable[[str], None] | None = None,
        before_saving: Callable[[], None] | None = None,
    ):
        self.folder = pathlib.Path(folder)
        self.owner = json.loads(json.dumps(owner))
        self.minutes = minutes
        self.warn = warnings.warn if warn is None else warn
        self.before_saving = before_saving
        self._began = self._saved = time.monotonic()
        self._spent = 0.0

    @property
    def seconds(self) -> float:
        """What the training took, in this process and in those before it as far as they are known."""
        return self._spent + time.monotonic() - self._began

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint within an epoch."""
        return time.monotonic() - self._saved >= 60 * self.minutes

    def newest(self, check: Callable[[Checkpoint], None]) -> Checkpoint | None:
        """The newest checkpoint that can be read and passes the check, or None."""
        for path in self._paths():
            try:
                found = self._read(path)
                check(found)
            except Exception as error:  # on damaged bytes zipfile, zlib and numpy raise what they like
                problem = str(error) or type(error).__name__
                self.warn(f"the checkpoint {path} cannot be used: {problem}. Going on from before it.")
                continue
            self._spent = found.seconds
            return found
        return None

    def save(self, history: Sequence[Mapping[str, float]], step: int, values: Sequence[np.ndarray]) -> None:
        """Writes a checkpoint and removes those that are too old."""
        if self.before_saving is not None:
            self.before_saving()
        facts = {
            "owner": self.owner,
            "history": list(history),
            "step": step,
            "seconds": self.seconds,
            "variables": [[value.dtype.name, list(value.shape)] for value in values],
        }
        arrays = {f"{i:06d}": np.frombuffer(value.tobytes(), np.uint8) for i, value in enumerate(values)}
        arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
        path = self.folder / f"epoch_{len(history):06d}_step_{step:08d}.npz"
        with replacing(path) as new:
            np.savez(new, **arrays)  # type: ignore[arg-type]
        self._saved = time.monotonic()
        for old in self._paths()[KEPT:]:
            old.unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes all of them: the training is done."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _paths(self) -> list[pathlib.Path]:
        """The files, those that are furthest first; by name, for clocks can go back."""
        found = [(match, path) for path in self.folder.glob("*.npz") if (match := _NAME.fullmatch(path.name))]
        found.sort(key=lambda pair: tuple(map(int, pair[0].groups())), reverse=True)
        return [path for _, path in found]

    def _read(self, path: pathlib.Path) -> Checkpoint:
        check_npz(path)
        with np.load(path, allow_pickle=False) as archive:
            facts = json.loads(archive["facts"].tobytes())
            if facts["owner"] != self.owner:
                raise ValueError("it is of another training")
            values = [
                np.frombuffer(archive[f"{i:06d}"].tobytes(), np.dtype(dtype)).reshape(shape)
                for i, (dtype, shape) in enumerate(facts["variables"])
            ]
        return Checkpoint(facts["history"], int(facts["step"]), values, float(facts["seconds"]))
