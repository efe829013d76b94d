"""Directories of runs on disk: every path in them, and which stages are finished."""

from __future__ import annotations

import contextlib
import io
import json
import pathlib
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tf_tickets.storage import locks
from tf_tickets.storage.atomic_files import PathLike, read_json, write_json
from tf_tickets.storage.errors import NotOurs
from tf_tickets.storage.stages import is_stage
from tf_tickets.support.differences import difference

# What a run writes into its directory, and does not write anew in place of an older one.
_WRITTEN = (
    "config.json",
    "stages.json",
    "result.json",
    "metrics.jsonl",
    "ticket.npz",
    "start_ticket.npz",
    "*.weights.h5",
    "round_[0-9]*",
    "checkpoints",
)

Self = TypeVar("Self", bound="Directory")


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

    def locked(self, waiting: Callable[[str], None] | None = None) -> contextlib.AbstractContextManager[None]:
        """Locks the directory for the duration, so that no other process works in it.

        Args:
            waiting: called once, with who it is, if another process is at work, before waiting for it.
                Without it that is an error.

        Raises:
            NotOurs: another process is at work, and `waiting` is None.
            OSError: the directory cannot be written.
        """
        return locks.locked(self.path, waiting)

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
        if not isinstance(stages, dict) or not all(is_stage(*item) for item in stages.items()):
            raise NotOurs(f"{self.stages} is damaged. {self.remedy}")
        return stages

    def pack(self) -> bytes:
        """Packs all that another process needs to go on from here into a ZIP archive."""
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
        """Unpacks what `pack` gave into this directory, in place of what a run wrote into it before.

        Files of somebody else stay.
        """
        for path in self.path.iterdir():
            if any(path.match(pattern) for pattern in _WRITTEN):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
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
