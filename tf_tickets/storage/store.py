"""Run directories on disk: every path, atomic writes, and which stages are finished."""

import contextlib
import io
import json
import os
import pathlib
import platform
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from tf_tickets.support.numbers import is_number, is_whole

try:
    import fcntl
except ImportError:  # not on Windows; there nothing keeps two runs out of one directory
    fcntl = None  # type: ignore[assignment]

PathLike = str | os.PathLike
Self = TypeVar("Self", bound="Directory")


class NotOurs(ValueError):
    """A directory that this run must not write to."""


class Directory:
    """A directory that belongs to one config, and holds the outputs of finished stages.

    Args:
        path: where; made if it does not exist.
        identity: JSON-able mapping, what the directory belongs to.
        label: what it is, for messages.
    """

    def __init__(self, path: PathLike, identity: Mapping[str, Any], label: str):
        self.path = pathlib.Path(path)
        self.identity = json.loads(json.dumps(identity))
        self.label = label

    def check(self) -> None:
        """Raises NotOurs if the directory holds anything of another config, or of somebody else."""
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise NotOurs(f"{self.path} is not a directory. Choose another --{self.label}_dir.")
        if not self.config.exists():
            # Names with a dot in front are our own scratch, of a process that was killed.
            if any(not path.name.startswith(".") for path in self.path.iterdir()):
                raise NotOurs(
                    f"{self.path} is not empty and not a {self.label} directory of tf_tickets. "
                    f"Choose another --{self.label}_dir."
                )
            return
        found = read_json(self.config)
        if found != self.identity:
            raise NotOurs(
                f"{self.path} belongs to another config ({difference(found, self.identity)}). "
                f"Choose another --{self.label}_dir; nothing was changed."
            )

    def claim(self: Self) -> Self:
        """Checks the directory, makes it, and writes the config into it."""
        self.check()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not self.config.exists():
                write_json(self.config, self.identity)
        except OSError as error:
            raise NotOurs(f"--{self.label}_dir={self.path} cannot be written: {error}") from error
        return self

    @contextlib.contextmanager
    def locked(self, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
        """For the duration, no other process works in the directory; leftovers of killed ones are removed.

        Args:
            waiting: called once, with who it is, if another process is at work, before waiting for it.
                Without it that is an error.

        Raises:
            NotOurs: another process is at work, and `waiting` is None.
            OSError: the directory cannot be written.
        """
        with open(self.path / ".lock", "a+", encoding="utf-8") as file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    file.seek(0)
                    holder = file.read().strip() or "unknown"
                    if waiting is None:
                        raise NotOurs(f"Another process is at work in {self.path}: {holder}.") from None
                    waiting(holder)
                    fcntl.flock(file, fcntl.LOCK_EX)
                # Who holds the lock is told by the lock alone; this is for people.
                file.truncate(0)
                began = time.strftime("%Y-%m-%d %H:%M:%S")
                file.write(f"process {os.getpid()} on {platform.node()}, since {began}")
                file.flush()
            for scratch in self.path.rglob(".*.????????"):
                shutil.rmtree(scratch, ignore_errors=True)
            yield

    def finished(self, stage: str) -> dict[str, Any] | None:
        """What a finished stage left (its `seconds` among it), or None; also if an output is gone."""
        facts = self._stages().get(stage)
        if facts is None or not all((self.path / name).exists() for name in facts.get("outputs", ())):
            return None
        return facts

    def finish(self, stage: str, facts: Mapping[str, Any], outputs: Sequence[pathlib.Path] = ()) -> None:
        """Notes a stage as finished; its outputs, paths in the directory, are in place already."""
        names = [path.name for path in outputs]
        write_json(self.stages, {**self._stages(), stage: {**facts, "outputs": names}})

    def _stages(self) -> dict[str, Any]:
        stages = read_json(self.stages) if self.stages.exists() else {}
        if not isinstance(stages, dict) or not all(_is_stage(*item) for item in stages.items()):
            raise NotOurs(f"{self.stages} is damaged. {self.remedy}")
        return stages

    def pack(self) -> bytes:
        """All that another process needs to go on from here, as a ZIP archive."""
        packed = io.BytesIO()
        over = self.finished("ticket") is not None  # then the rounds that led to it are of no use
        with zipfile.ZipFile(packed, "w") as archive:
            for path in sorted(self.path.rglob("*")):
                name = path.relative_to(self.path)
                unused = any(part.startswith("." if not over else (".", "round_")) for part in name.parts)
                if path.suffix in (".json", ".npz", ".h5") and not unused:
                    archive.write(path, name.as_posix())
        return packed.getvalue()

    def unpack(self, packed: bytes) -> None:
        """Puts what `pack` gave into this directory, and removes what was there."""
        for path in self.path.iterdir():
            if path.name != ".lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            archive.extractall(self.path)

    @property
    def remedy(self) -> str:
        """What to do about a damaged file, for messages."""
        return f"Delete {self.path} to make all of it again."

    @property
    def where(self) -> str:
        """The directory for people."""
        return str(self.path)

    @property
    def config(self) -> pathlib.Path:
        """What the directory belongs to."""
        return self.path / "config.json"

    @property
    def stages(self) -> pathlib.Path:
        """Facts of the finished stages."""
        return self.path / "stages.json"

    @property
    def metrics(self) -> pathlib.Path:
        """One JSON line an epoch."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> pathlib.Path:
        """Where a training that is under way stands."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> pathlib.Path:
        """TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def final_weights(self) -> pathlib.Path:
        """Weights after the last epoch, of the stock model."""
        return self.path / "final.weights.h5"


class DenseDirectory(Directory):
    """The dense training that methods, sparsities and checks of one dataset, model, recipe and seed share."""

    def epoch_weights(self, epoch: int) -> pathlib.Path:
        """Weights at the start of an epoch: what weight rewinding goes back to."""
        return self.path / f"epoch_{epoch:04d}.weights.h5"


class TicketDirectory(Directory):
    """A ticket and its training: a run's, or that of one of its earlier rounds."""

    @property
    def ticket(self) -> pathlib.Path:
        """The masks."""
        return self.path / "ticket.npz"

    @property
    def start_ticket(self) -> pathlib.Path:
        """The masks that a training starts from whose masks move; `ticket` is what it finds."""
        return self.path / "start_ticket.npz"


class RunDirectory(TicketDirectory):
    """One ticket's run."""

    def round(self, number: int) -> TicketDirectory:
        """A round of pruning and training before the last, counted from 0."""
        return TicketDirectory(self.path / f"round_{number:02d}", self.identity, self.label)

    @property
    def result(self) -> pathlib.Path:
        """The numbers."""
        return self.path / "result.json"

    @property
    def summary(self) -> pathlib.Path:
        """The closing table, as text."""
        return self.path / "summary.txt"

    def waits_for_export(self, formats: Sequence[str]) -> bool:
        """Whether any of the formats is not exported yet."""
        return any(self.finished(f"export_{format}") is None for format in formats)


@contextlib.contextmanager
def replacing(path: PathLike) -> Iterator[pathlib.Path]:
    """A temporary path beside `path`, with its suffixes; takes its place when the block ends well.

    A reader sees the old content or the new, never a part; of a replaced directory, for a moment, none.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = pathlib.Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield scratch / path.name
        new = scratch / path.name
        if new.is_file():
            # What is said to be there must outlast a power cut.
            with open(new, "rb") as file:
                os.fsync(file.fileno())
        if path.is_dir():
            path.replace(scratch / f"{path.name}.old")
        new.replace(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_json(path: PathLike, value: Any) -> None:
    """Writes JSON, whole or not at all."""
    with replacing(path) as new, open(new, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, sort_keys=False)
        file.write("\n")


def read_json(path: PathLike) -> Any:
    """Reads JSON; a file that is not JSON is a ValueError that names it."""
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no text, no JSON, a number too long, lists too deep
        raise NotOurs(f"{path} is damaged: {error}") from error


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_history(value: Any) -> bool:
    rows = value if isinstance(value, list) else [None]
    return all(isinstance(row, dict) and is_number(row.get("test_accuracy")) for row in rows)


def _are_numbers(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() >= {name for name, (needed, _) in _NUMBERS.items() if needed}
        and all(fits(value[name]) for name, (_, fits) in _NUMBERS.items() if name in value)
    )


# What is read of a finished stage: name -> (whether it must be there, what it looks like).
_NUMBERS: dict[str, tuple[bool, Callable[[Any], bool]]] = {
    "test_accuracy": (True, is_number),
    "compressed_bytes": (True, is_whole),
    "weights_sha256": (True, _is_text),
    "macs": (True, lambda value: value is None or is_whole(value)),
    "macs_kept": (True, lambda value: value is None or is_whole(value)),
    "dense_seconds": (False, is_number),
    "dense_test_accuracy": (False, is_number),
    "pretraining_test_accuracy": (False, is_number),
    "dense_compressed_bytes": (False, is_whole),
}
_FACTS: dict[str, Callable[[Any], bool]] = {
    "seconds": is_number,
    "outputs": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "sha256": _is_text,
    "rounds_seconds": is_number,
    "compressed_bytes": is_whole,
    "history": _is_history,
    "numbers": _are_numbers,
}
_NEEDED = {
    "ticket": {"seconds", "sha256"},
    "train": {"seconds", "history", "compressed_bytes"},
    "retrain": {"seconds", "history"},
    "evaluate": {"seconds", "numbers"},
}


def _is_stage(name: str, facts: Any) -> bool:
    """Whether these are facts of a finished stage."""
    return (
        isinstance(facts, dict)
        and facts.keys() >= _NEEDED.get(name, {"seconds"})
        and all(fits(facts[fact]) for fact, fits in _FACTS.items() if fact in facts)
    )


def difference(found: Any, own: Any, prefix: str = "") -> str:
    """The first few keys in which two configs differ, as `key=theirs, not ours`."""
    if not isinstance(found, dict) or not isinstance(own, dict):
        return f"{prefix or 'config'}={found!r}, not {own!r}"
    parts = []
    for key in sorted({*found, *own}):
        if found.get(key) != own.get(key):
            name = f"{prefix}.{key}" if prefix else key
            parts.append(difference(found.get(key), own.get(key), name))
    return "; ".join(parts[:4])
