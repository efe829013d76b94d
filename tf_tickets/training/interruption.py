"""Ctrl-C, and the polite kill of a scheduler, answered where a training can be saved."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

_OBEYED = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
_after: dict[signal.Signals, Any] = {}  # what a signal comes to that comes again, where that is not obeyed


def hear_once() -> None:
    """From now on a second SIGTERM is ignored in this process: who has sent it waits for what is being saved.

    For the processes of a pool, which are all told to end again when the first of them has.
    """
    _after[signal.SIGTERM] = signal.SIG_IGN


@contextlib.contextmanager
def ended_politely() -> Iterator[None]:
    """For the duration, SIGTERM is an exception, as Ctrl-C is; a second one is obeyed at once.

    Raises:
        Interrupted: by SIGTERM.
    """
    alone = threading.current_thread() is not threading.main_thread()
    if alone or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Interrupted("", number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class Interrupted(KeyboardInterrupt):
    """A training was stopped from outside, and where it stood is saved.

    Attributes:
        signal: number of the signal.
    """

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.signal = number


class Interruption:
    """For the duration, SIGINT and SIGTERM are noted instead of obeyed; a second one is obeyed at once.

    One that nobody has looked at by the end is obeyed then. Signals that the process ignores, or has handlers
    of its own for, are left alone.

    Attributes:
        signal: number of the signal that came; 0 where none did.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            for number, usual in _OBEYED.items():
                if signal.getsignal(number) == usual:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._restore()
        if self.signal and kind is None:
            signal.raise_signal(self.signal)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self._restore()
        if number in _after:
            signal.signal(number, _after[signal.Signals(number)])

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
