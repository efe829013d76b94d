"""Run directories that are URLs (`s3://bucket/runs/...`, `gs://...`, anything that fsspec opens).

A run always works in a local directory. For a URL that is a scratch copy, the same one each time for a user
on a machine: it is fetched before the work, and pushed after each finished stage, every minute, and at the
end. At every moment a reader of the URL finds a consistent run: stages.json and result.json are read before
the files that they speak of are uploaded, and uploaded after them. Names that start with a dot stay here.

A file `.holder.json` at the URL marks who works there. What that cannot guarantee: stores have no locks. Two
processes that start within the same fraction of a second are told apart by reading the mark back after a
moment, which a store with slow or stale reads can spoil. A holder whose mark is taken over notices when it
pushes next, and may until then have a file under way. A process without a network looks dead to others. Two
runs of one config overwrite each other's files with equal ones on machines of one kind, and only there.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import pathlib
import shutil
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tf_tickets.storage.store import (
    DenseDirectory,
    Directory,
    NotOurs,
    RunDirectory,
    TicketDirectory,
    replacing,
    write_json,
)

HOLDER = ".holder.json"
# Where a run has its copy of the dense training.
_DENSE = ".dense"
# They speak of other files; the first one speaks of all, so that it is read first and uploaded last.
SPEAKING = ("result.json", "stages.json")
# Folders whose files come and go.
_PASSING = {"checkpoints", "tensorboard"}
SECONDS_BETWEEN_PUSHES = 60.0
SECONDS_BETWEEN_LOOKS = 2.0
# A holder renews its mark with every push; one that has not for so long is dead, or cut off.
SECONDS_OF_SILENCE = 300.0
SECONDS_TO_SETTLE = 0.3
TAKE_OVER = "If that process is dead, add --take_over."

_sweep: str | None = None
_written: set[str] = set()  # tokens of this process's marks


def is_url(path: str | os.PathLike) -> bool:
    """Whether a path is a URL; anything else is a local path, for which this module does nothing."""
    return isinstance(path, str) and "://" in path


def parent(path: str) -> str:
    """The folder of a path or URL."""
    if not is_url(path):
        return os.path.dirname(os.path.abspath(path))
    scheme, _, rest = path.rstrip("/").rpartition("://")
    return f"{scheme}://{rest.rpartition('/')[0]}"


def same(path: str, other: str) -> bool:
    """Whether two paths or URLs are the same place, as far as their names tell."""
    return _name(path) == _name(other)


def join(folder: str, *names: str) -> str:
    """A path or URL in a folder."""
    if not is_url(folder):
        return os.path.join(folder, *names)
    return "/".join((folder if folder.endswith("://") else folder.rstrip("/"), *names))


def append(path: str, text: str) -> None:
    """Adds to a text file; makes it, and its folder, where there is none."""
    if not is_url(path):
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
        return
    fs, root = _filesystem(path)
    try:
        before = fs.cat_file(root)
    except FileNotFoundError:
        before = b""
    _write(fs, root, before + text.encode())


def run_directory(path: str, identity: Mapping[str, Any], take_over: bool = False) -> RunDirectory:
    """A run's directory: local, or at a URL.

    Args:
        path: where.
        identity: what it belongs to.
        take_over: from another process whose mark is at the URL.
    """
    return RemoteRun(path, identity, take_over) if is_url(path) else RunDirectory(path, identity, "run")


def dense_directory(
    path: str, identity: Mapping[str, Any], run: RunDirectory, take_over: bool = False
) -> DenseDirectory:
    """The directory of a dense training, local or at a URL, for one run; arguments as for `run_directory`."""
    if not is_url(path):
        return DenseDirectory(path, identity, "dense")
    return RemoteDense(path, identity, run, take_over)


def work_for(sweep: str) -> None:
    """Lets this process take over the marks of a sweep: who calls it knows that earlier tries are dead."""
    global _sweep
    _sweep = sweep


def release(path: str, sweep: str) -> None:
    """Takes the mark of a sweep away, whose process is dead."""
    if is_url(path):
        fs, root = _filesystem(path)
        found = _read_mark(fs, root)
        if found is not None and found.get("sweep") == sweep:
            _remove(fs, f"{root}/{HOLDER}")


class View:
    """A folder as it is now, to be looked at.

    Of a URL that is a local folder with the names of all files, and the contents of the JSON files alone.

    Args:
        folder: path or URL.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = folder
        self.refresh()

    def refresh(self) -> None:
        """Looks again."""
        if not is_url(self.folder):
            self.path = pathlib.Path(self.folder)
            self.exists = self.path.exists()
            return
        self._kept = tempfile.TemporaryDirectory(prefix="tf_tickets-view-")
        self.path = pathlib.Path(self._kept.name)
        url = str(self.folder)
        fs, root = _filesystem(url)
        names = _names(fs, root, url)
        self.exists = bool(names)
        paths = {name: f"{root}/{name}" for name in names}
        read = [path for name, path in paths.items() if name.endswith(".json")]
        contents = fs.cat(read, on_error="omit") if read else {}
        for name, path in paths.items():
            if name.endswith(".json") and path not in contents:  # removed meanwhile
                continue
            copy = self.path / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(contents.get(path, b""))
            if name.endswith("result.json"):
                # Not every store says when; then the report says when it was read.
                with contextlib.suppress(NotImplementedError, OSError, AttributeError, KeyError):
                    when = fs.modified(path).timestamp()
                    os.utime(copy, (when, when))

    def local(self, path: str) -> str:
        """Where to look for a path or URL of the folder."""
        if not is_url(path):
            return path
        return str(self.path / path[len(str(self.folder).rstrip("/")) :].lstrip("/"))

    def named(self, path: pathlib.Path) -> pathlib.Path | str:
        """The path or URL of something that was found here."""
        if not is_url(self.folder):
            return path
        return join(str(self.folder), *path.relative_to(self.path).parts)

    def speaking(self) -> contextlib.AbstractContextManager[None]:
        """A context in which errors name the URL."""
        return _speaking(self.path, str(self.folder)) if is_url(self.folder) else contextlib.nullcontext()


class _Remote(Directory):
    """A directory at a URL, worked on in a scratch copy."""

    def __init__(
        self, url: str, scratch: pathlib.Path, identity: Mapping[str, Any], label: str, take_over: bool
    ):
        super().__init__(scratch, identity, label)
        _, root = _filesystem(url)
        if "/" not in root:
            raise ValueError(f"{url} is all of a store. Choose a folder in it: {url.rstrip('/')}/NAME.")
        self.url = url.rstrip("/")
        self.take_over = take_over
        self.copy = _Copy(self.url, scratch)
        self.fetched = False

    @property
    def where(self) -> str:
        return self.url

    def check(self) -> None:
        view = View(self.url)
        if view.exists:
            with view.speaking():
                Directory(view.path, self.identity, self.label).check()

    def claim(self):
        self.check()
        _make_private(self.path)
        return self

    @contextlib.contextmanager
    def locked(self, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
        with (
            _speaking(self.path, self.url),
            super().locked(waiting),
            self.copy.locked(waiting),
            self._marked(waiting),
        ):
            self.fetched = True
            if not self.config.exists():
                write_json(self.config, self.identity)
                self.copy.push()
            yield

    def _marked(self, waiting: Callable[[str], None] | None) -> contextlib.AbstractContextManager[None]:
        return self.copy.held(waiting, self.take_over)

    def finished(self, stage: str) -> dict[str, Any] | None:
        if self.fetched:
            return super().finished(stage)
        view = View(self.url)
        return Directory(view.path, self.identity, self.label).finished(stage)

    def finish(self, stage: str, facts: Mapping[str, Any], outputs: Iterable[pathlib.Path] = ()) -> None:
        super().finish(stage, facts, list(outputs))
        self.copy.push_if_possible()


class RemoteRun(_Remote, RunDirectory):
    """A run's directory at a URL."""

    def __init__(self, url: str, identity: Mapping[str, Any], take_over: bool):
        super().__init__(url, _scratch(url), identity, "run", take_over)

    @contextlib.contextmanager
    def _marked(self, waiting: Callable[[str], None] | None) -> Iterator[None]:
        try:
            with super()._marked(waiting):
                yield
        finally:
            if self.copy.is_spare and not (self.path / _DENSE / HOLDER).exists():
                _empty(self.path)
                shutil.rmtree(self.path / _DENSE, ignore_errors=True)

    def round(self, number: int) -> TicketDirectory:
        return _Round(super().round(number), self.copy)


class RemoteDense(_Remote, DenseDirectory):
    """The directory of a dense training at a URL.

    Its scratch copy belongs to one run, which reads it long after the training is finished.
    """

    def __init__(self, url: str, identity: Mapping[str, Any], run: RunDirectory, take_over: bool):
        super().__init__(url, run.path / _DENSE, identity, "dense", take_over)

    @contextlib.contextmanager
    def _marked(self, waiting: Callable[[str], None] | None) -> Iterator[None]:
        if not super().finished("train"):
            with super()._marked(waiting):
                yield
            return
        # What is added to a finished training is the same whoever adds it: no reason to wait for each other.
        self.copy.fetch()
        yield
        self.copy.push()


class _Round(TicketDirectory):
    """A round of a run at a URL."""

    def __init__(self, local: TicketDirectory, copy: _Copy):
        super().__init__(local.path, local.identity, local.label)
        self.copy = copy

    def finish(self, stage: str, facts: Mapping[str, Any], outputs: Iterable[pathlib.Path] = ()) -> None:
        super().finish(stage, facts, list(outputs))
        self.copy.push_if_possible()


class _Copy:
    """A scratch copy of what lies at a URL."""

    def __init__(self, url: str, path: pathlib.Path):
        self.url, self.path = url, path
        self.fs, self.root = _filesystem(url)
        self.token: str | None = None
        self.since = ""
        self.beat = 0
        self.pushed: dict[str, Any] = {}
        self.alone = threading.Lock()

    def locked(self, waiting: Callable[[str], None] | None) -> contextlib.AbstractContextManager[None]:
        """For the duration, no process works at the URL that takes it for a local path."""
        if not _is_local(self.fs):
            return contextlib.nullcontext()
        there = Directory(self.root, {}, "run")
        there.path.mkdir(parents=True, exist_ok=True)
        return there.locked(waiting)

    @property
    def is_spare(self) -> bool:
        """Whether all of it lies at the URL, as far as this process has worked in it."""
        return self.token is None and not (self.path / HOLDER).exists()

    def fetch(self) -> None:
        """Makes the copy what lies at the URL."""
        _empty(self.path)
        self.pushed = {}
        for name in _names(self.fs, self.root, self.url):
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                self.fs.get_file(f"{self.root}/{name}", str(target))
                self.pushed[name] = self._state(name)

    def push(self) -> None:
        """Makes what lies at the URL the copy; only what has changed is uploaded.

        Raises:
            NotOurs: somebody else has taken the directory over.
        """
        with self.alone:
            self._check_ours()
            speaking = self._read_speaking()
            there = {name: self._state(name) for name in self._local_names() if not _speaks(name)}
            for name, state in there.items():
                if state is not None and self.pushed.get(name) != state:
                    with contextlib.suppress(FileNotFoundError):  # a checkpoint that is cleaned up
                        _upload(self.fs, self.path / name, f"{self.root}/{name}")
                        self.pushed[name] = state
            for name, content in reversed(speaking.items()):
                if self.pushed.get(name) != content:
                    _write(self.fs, f"{self.root}/{name}", content)
                    self.pushed[name] = content
            for name in set(self.pushed) - set(there) - set(speaking):
                # Whatever else is not here can be somebody's, or was lost here.
                if _PASSING & set(name.split("/")[:-1]):
                    _remove(self.fs, f"{self.root}/{name}")
                del self.pushed[name]

    def push_if_possible(self) -> None:
        """Pushes; a store that fails now may not in a minute, and the work goes on."""
        try:
            self.push()
        except NotOurs:
            raise
        except Exception:  # each store has errors of its own; the push at the end reports them
            return

    @contextlib.contextmanager
    def held(self, waiting: Callable[[str], None] | None, take_over: bool) -> Iterator[None]:
        """For the duration, the mark at the URL is ours, and the copy is pushed every minute.

        Args:
            waiting: called once, with who it is, if another process is at work, before waiting for it.
                Without it that is an error.
            take_over: from another process.
        """
        self._take(waiting, take_over)
        stop = threading.Event()
        pushing = threading.Thread(target=self._keep_pushing, args=(stop,), daemon=True)
        pushing.start()
        try:
            yield
        finally:
            stop.set()
            pushing.join()
            self._push_at_the_end()
            self._let_go()

    def _take(self, waiting: Callable[[str], None] | None, take_over: bool) -> None:
        seen: dict[str, Any] | None = None
        silent_since = time.monotonic()
        while True:
            found = _read_mark(self.fs, self.root)
            if found is None or take_over or _is_dead(found):
                if self._write_mark_and_see():
                    break
                continue
            if waiting is None:
                raise NotOurs(f"{self.url} is held by {_who(found)}. {TAKE_OVER}")
            if seen is None:
                waiting(_who(found))
            if found != seen:
                seen, silent_since = found, time.monotonic()
            elif time.monotonic() - silent_since > SECONDS_OF_SILENCE:
                raise NotOurs(
                    f"{self.url} is held by {_who(found)}, who has not been heard of for "
                    f"{SECONDS_OF_SILENCE / 60:.0f} minutes. {TAKE_OVER}"
                )
            time.sleep(SECONDS_BETWEEN_LOOKS)
        # Where this copy was the last one to be pushed, it is as new as what lies at the URL, or newer.
        if found is None or found.get("token") != self._known_token():
            self.fetch()
        else:
            self.pushed = dict.fromkeys(_names(self.fs, self.root, self.url))
        (self.path / HOLDER).write_text(json.dumps({"token": self.token}), encoding="utf-8")

    def _write_mark_and_see(self) -> bool:
        self.token, self.since = uuid.uuid4().hex, time.strftime("%Y-%m-%d %H:%M:%S %z")
        _written.add(self.token)
        self._write_mark()
        time.sleep(SECONDS_TO_SETTLE)
        return (_read_mark(self.fs, self.root) or {}).get("token") == self.token

    def _write_mark(self) -> None:
        self.beat += 1
        mark = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": self.since,
            "sweep": _sweep,
            "token": self.token,
            "beat": self.beat,
        }
        _write(self.fs, f"{self.root}/{HOLDER}", json.dumps(mark).encode())

    def _check_ours(self) -> None:
        if self.token is None:
            return
        found = _read_mark(self.fs, self.root)
        if found is None or found.get("token") != self.token:
            who = "nobody" if found is None else _who(found)
            raise NotOurs(f"{self.url} was taken over: it is held by {who} now. This process stops.")

    def _known_token(self) -> str | None:
        try:
            return json.loads((self.path / HOLDER).read_text(encoding="utf-8"))["token"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _keep_pushing(self, stop: threading.Event) -> None:
        while not stop.wait(SECONDS_BETWEEN_PUSHES):
            try:
                self.push_if_possible()
                self._check_ours()
                self._write_mark()
            except NotOurs:
                return  # which the next push of the work itself says
            except Exception:  # as in push_if_possible
                continue

    def _push_at_the_end(self) -> None:
        try:
            self.push()
        except NotOurs:
            raise
        except Exception as error:
            raise OSError(
                f"{self.url} cannot be written: {error}. Nothing is lost: the same command on this machine "
                "goes on from its copy."
            ) from error

    def _let_go(self) -> None:
        self.token = None
        (self.path / HOLDER).unlink(missing_ok=True)
        _remove(self.fs, f"{self.root}/{HOLDER}")

    def _read_speaking(self) -> dict[str, bytes]:
        """Contents of the files that speak of others, those that speak of more first."""
        names = [name for name in self._local_names() if _speaks(name)]
        names.sort(key=lambda name: (name.count("/"), SPEAKING.index(name.rpartition("/")[2])))
        found = {}
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                found[name] = (self.path / name).read_bytes()
        return found

    def _state(self, name: str) -> Any:
        """Tells whether a file has changed: its content where it speaks of others, else its stamp."""
        path = self.path / name
        try:
            if _speaks(name):
                return path.read_bytes()
            stat = path.stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _local_names(self) -> list[str]:
        found = []
        for folder, folders, files in os.walk(self.path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            inside = pathlib.Path(folder).relative_to(self.path)
            found += [(inside / name).as_posix() for name in files if not name.startswith(".")]
        return found


def _speaks(name: str) -> bool:
    return name.rpartition("/")[2] in SPEAKING


def _filesystem(url: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the path in it."""
    try:
        import fsspec

        fs, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ValueError(
            f"{url} cannot be opened: {error} (URLs need fsspec, pip install tf_tickets[ray], and the "
            "package of their kind: s3fs, gcsfs, ...)"
        ) from error
    if not url.partition("://")[2].strip("/"):
        raise ValueError(f"{url} names no folder. URLs of directories look like s3://bucket/runs.")
    return fs, root.rstrip("/")


def _names(fs: Any, root: str, url: str) -> list[str]:
    """The files at a URL, but for scratch. None leads out of the folder, as `..` starts with a dot."""
    fs.invalidate_cache()
    try:
        paths = fs.find(root)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OSError(f"{url} cannot be read: {error}") from error
    names = []
    for path in paths:
        name = path[len(root) :].lstrip("/")
        if not name:
            raise NotOurs(f"{url} is a file, not a folder.")
        if not any(part.startswith(".") for part in name.split("/")) and "\\" not in name:
            names.append(name)
    return names


def _upload(fs: Any, source: pathlib.Path, path: str) -> None:
    """Uploads a file; object stores replace it as a whole, and of a local disk the same is asked."""
    if _is_local(fs):
        with replacing(path) as new:
            shutil.copyfile(source, new)
        return
    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
    fs.put_file(str(source), path)


def _write(fs: Any, path: str, content: bytes) -> None:
    if _is_local(fs):
        with replacing(path) as new:
            new.write_bytes(content)
        return
    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
    fs.pipe_file(path, content)


def _remove(fs: Any, path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        fs.rm_file(path)


def _is_local(fs: Any) -> bool:
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(fs, LocalFileSystem)


def _read_mark(fs: Any, root: str) -> dict[str, Any] | None:
    """Who works at a URL; None where nobody does. A damaged mark is somebody's."""
    fs.invalidate_cache()
    try:
        found = json.loads(fs.cat_file(f"{root}/{HOLDER}"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_dead(mark: Mapping[str, Any]) -> bool:
    """Whether a mark is of a process that this one knows to be dead."""
    if _sweep is not None and mark.get("sweep") == _sweep:
        return True
    pid = mark.get("pid")
    if mark.get("host") != socket.gethostname() or not isinstance(pid, int) or pid <= 0:
        return False
    if pid == os.getpid():  # in a container that was started again it can be the number of the one before
        return mark.get("token") not in _written
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def _who(mark: Mapping[str, Any]) -> str:
    if not mark:
        return "a process whose mark is damaged"
    return f"process {mark.get('pid')} on {mark.get('host')}, since {mark.get('since')}"


def _scratch(url: str) -> pathlib.Path:
    """The scratch copy of a URL: always the same one for a user on a machine."""
    digest = hashlib.sha256(_name(url).encode()).hexdigest()[:16]
    return pathlib.Path(tempfile.gettempdir()) / f"tf_tickets-{_user()}" / digest


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()


def _make_private(path: pathlib.Path) -> None:
    """Makes a scratch folder; one that somebody else has put in its place is refused."""
    top = pathlib.Path(tempfile.gettempdir()) / f"tf_tickets-{_user()}"
    if top in path.parents:
        top.mkdir(mode=0o700, exist_ok=True)
        if top.is_symlink() or (hasattr(os, "getuid") and top.stat().st_uid != os.getuid()):
            raise NotOurs(f"{top} belongs to somebody else. Say by TMPDIR= where scratch copies may lie.")
    path.mkdir(parents=True, exist_ok=True)


def _empty(folder: pathlib.Path) -> None:
    """Removes everything but scratch, the lock among it."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _name(path: str) -> str:
    path = path.removeprefix("file://")
    return path.rstrip("/") if is_url(path) else os.path.abspath(path)


_spoken: dict[str, str] = {}


@contextlib.contextmanager
def _speaking(path: pathlib.Path, url: str) -> Iterator[None]:
    """A context in which errors name URLs, not their copies."""
    _spoken[str(path)] = url
    try:
        yield
    except (ValueError, OSError, RuntimeError) as error:
        error.args = tuple(map(_said, error.args))
        if isinstance(error, OSError) and error.filename is not None:
            error.filename = _said(error.filename)
        raise


def _said(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    for path in sorted(_spoken, key=len, reverse=True):
        value = value.replace(path, _spoken[path])
    return value
