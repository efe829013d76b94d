"""Ctrl-C, and the polite kill of a scheduler, answered where a training can be saved."""

import signal
import threading
from types import FrameType
from typing import Any

_OBEYED = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


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

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
