"""Directories of runs on disk: every path in them, and which stages are finished."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tf_tickets.storage import locks
from tf_tickets.storage.atomic_files import PathLike, json_text, read_json, write_json, write_text
from tf_tickets.storage.errors import NotOurs
from tf_tickets.storage.fingerprints import files_of, fingerprint
from tf_tickets.storage.json_rules import Unfit
from tf_tickets.storage.stages import DIFFERS, RESULT, check_stages, hashes_of, known_results, sealed
from tf_tickets.support.differences import difference

Self = TypeVar("Self", bound="Directory")

# In the directory of a run: that of the ticket which says how many weights each layer keeps.
DONOR = "donor"


class Directory:
    """A directory that belongs to one config, and holds the outputs of finished stages.

    Args:
        path: where; made if it does not exist.
        identity: JSON-able mapping, what the directory belongs to.
        label: what it is, for messages.
        flag: by which people choose another; None: that of the label.
    """

    def __init__(self, path: PathLike, identity: Mapping[str, Any], label: str, flag: str | None = None):
        self.path = pathlib.Path(path)
        self.identity = json.loads(json.dumps(identity))
        self.label = label
        self.flag = f"--{label}_dir" if flag is None else flag

    def check(self) -> None:
        """Raises NotOurs if the directory holds anything of another config, or of somebody else."""
        try:
            self._check()
        except OSError as error:
            raise NotOurs(
                f"{error.filename or self.path} cannot be read: {error.strerror or error}. "
                f"Choose another {self.flag}."
            ) from error

    def _check(self) -> None:
        try:
            os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return
        if not self.path.is_dir():
            raise NotOurs(f"{self.path} is not a directory. Choose another {self.flag}.")
        lock = self.path / locks.LOCK
        if os.path.lexists(lock) and not lock.is_file():
            raise NotOurs(f"{lock} is no file that can be locked. Choose another {self.flag}.")
        if not self.config.exists():
            # Names with a dot in front are our own scratch, of a process that was killed.
            names = [path.name for path in self.path.iterdir() if not path.name.startswith(".")]
            if any(name in ("stages.json", "result.json") for name in names):
                raise NotOurs(f"{self.config} is missing. {self.remedy} Or choose another {self.flag}.")
            if names:
                raise NotOurs(
                    f"{self.path} is not empty and not a {self.label} directory of tf_tickets. "
                    f"Choose another {self.flag}."
                )
            return
        found = read_json(self.config)
        if found != self.identity:
            raise NotOurs(
                f"{self.path} belongs to another config ({difference(found, self.identity)}). "
                f"Choose another {self.flag}; nothing was changed."
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

    def check_in_place(self) -> None:
        """Sees to it, before a file is written, that the directory is there and says whose it is.

        Raises:
            NotOurs: it was removed while it was claimed.
        """
        if not self.path.is_dir():
            raise NotOurs(
                f"{self.path} was removed while a process was at work in it. The same command makes it again."
            )
        if not self.config.exists():
            write_json(self.config, self.identity)

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
        """What a finished stage left (its `seconds` among it), or None; also if an output is gone.

        Raises:
            NotOurs: a file is not what the stage left.
        """
        facts = self.noted(stage)
        if facts is not None:
            for name, digest in hashes_of(facts).items():
                self._check_file(name, stage, digest)
        return facts

    def noted(self, stage: str) -> dict[str, Any] | None:
        """As `finished`, of files whose contents are not looked at."""
        facts = self._stages().get(stage)
        if facts is None:
            return None
        outputs = facts.get("outputs") or ()
        inside = [name for name in hashes_of(facts) if name.partition("/")[0] in outputs]
        return facts if all((self.path / name).exists() for name in (*outputs, *inside)) else None

    def begin(self, stage: str, outputs: Sequence[pathlib.Path] = ()) -> None:
        """Takes back that a stage is finished, and what is noted of files that are written anew."""
        stages = self._stages()
        left = self._without(stages, stage, [self._name(path) for path in outputs])
        if left != stages:
            write_json(self.stages, left)

    def finish(
        self,
        stage: str,
        facts: Mapping[str, Any],
        outputs: Sequence[pathlib.Path] = (),
        others: Sequence[pathlib.Path] = (),
    ) -> None:
        """Notes a stage as finished, with fingerprints of its files, which are in place already.

        Args:
            stage: its name.
            facts: what is noted.
            outputs: files and folders in the directory without which it is not finished.
            others: files that it has left, too.
        """
        files = [file for path in (*outputs, *others) for file in files_of(path)]
        hashes = {self._name(path): fingerprint(path) for path in files}
        self._note(
            stage,
            {
                **facts,
                "outputs": [path.name for path in outputs],
                "hashes": {name: digest for name, digest in hashes.items() if digest},
            },
        )

    def checked(self, path: pathlib.Path) -> pathlib.Path:
        """A file in the directory that is about to be read.

        Raises:
            NotOurs: it is not what a stage left.
        """
        name = self._name(path)
        for stage, facts in self._stages().items():
            if name in hashes_of(facts):
                self._check_file(name, stage, hashes_of(facts)[name])
        return path

    def check_files(self, contents: bool = True) -> None:
        """Raises NotOurs if a file is not what a finished stage left; result.json is left to its readers.

        Args:
            contents: whether they are looked at; otherwise stages.json alone is.
        """
        for stage in self._stages():
            if contents and stage != RESULT:
                self.finished(stage)

    @property
    def seconds(self) -> dict[str, float]:
        """What the finished stages took."""
        return {stage: facts["seconds"] for stage, facts in self._stages().items() if stage != RESULT}

    def _check_file(self, name: str, stage: str, digest: str) -> None:
        found = fingerprint(self.path / name)
        if found is not None and found != digest:
            raise NotOurs(
                f"{self.path / name} is not what stage {stage} left there: {DIFFERS}. {self.remedy}"
            )

    def _note(self, stage: str, facts: Mapping[str, Any]) -> None:
        self.check_in_place()
        left = self._without(self._stages(), stage, list(hashes_of(facts)))
        write_json(self.stages, {**left, stage: sealed(facts, stage, self.identity)})

    def _without(self, stages: Mapping[str, Any], stage: str, names: Sequence[str]) -> dict[str, Any]:
        """The facts of all stages but one, which no longer speak of some files."""
        left = {}
        for other, facts in stages.items():
            kept = {name: digest for name, digest in hashes_of(facts).items() if name not in names}
            if kept != hashes_of(facts):
                facts = sealed({**facts, "hashes": kept}, other, self.identity)
            if other != stage:
                left[other] = facts
        return left

    def _name(self, path: pathlib.Path) -> str:
        return path.relative_to(self.path).as_posix()

    def _stages(self) -> dict[str, Any]:
        stages = read_json(self.stages) if self.stages.exists() else {}
        try:
            return check_stages(stages, self.identity)
        except Unfit as problem:
            raise NotOurs(f"{self.stages} is damaged: {problem}. {self.remedy}") from None

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

    @property
    def kept_epochs(self) -> list[pathlib.Path]:
        """Weights of epochs that are there, whichever run they were kept for."""
        return sorted(self.path.glob("epoch_*.weights.h5"))

    def holds_epoch(self, epoch: int) -> bool:
        """Whether the weights of an epoch are there, and whole.

        Those of a process that was killed before it noted them are not, where files are noted at all.
        """
        path, stages = self.epoch_weights(epoch), self._stages()
        if not path.exists():
            return False
        noted = any(path.name in hashes_of(facts) for facts in stages.values())
        return noted or "hashes" not in stages.get("train", {})


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

    def donor(self, identity: Mapping[str, Any]) -> RunDirectory:
        """The ticket, found under another check, that says how many weights each layer keeps.

        Args:
            identity: of the run that would find it.
        """
        return RunDirectory(self.path / DONOR, identity, self.label)

    @property
    def result(self) -> pathlib.Path:
        """The numbers."""
        return self.path / "result.json"

    @property
    def summary(self) -> pathlib.Path:
        """The closing table, as text."""
        return self.path / "summary.txt"

    def waits_for(self, stages: Sequence[str]) -> bool:
        """Whether any of some stages is not finished yet."""
        return any(self.noted(stage) is None for stage in stages)

    def check_files(self, contents: bool = True) -> None:
        super().check_files(contents)
        for path in sorted(self.path.glob("round_*")):
            number = path.name.removeprefix("round_")
            if number.isdigit():
                earlier = self.round(int(number))
                if earlier.config.exists():
                    earlier.check()
                earlier.check_files(contents)

    def unchanged_result(self) -> dict[str, Any] | None:
        """result.json as far as it is noted to be what a run wrote; None where there is none such."""
        known = known_results(self._stages())
        if not self.result.exists() or (known and fingerprint(self.result) not in known):
            return None
        try:
            found = read_json(self.result)
        except NotOurs:
            return None
        return found if isinstance(found, dict) else None

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Writes result.json, whose hash is noted before: who reads it never finds one that is not known."""
        text = json_text(result)
        new, old = hashlib.sha256(text.encode()).hexdigest(), fingerprint(self.result)
        known = known_results(self._stages())
        if new == old and known[:1] == [new]:
            return
        self._note(
            RESULT,
            {
                "seconds": 0.0,
                "outputs": [self.result.name],
                "hashes": {self.result.name: new},
                "earlier": [old] if old and old != new and (old in known or not known) else [],
            },
        )
        write_text(self.result, text)
