"""The progress of a training, for the person who waits for it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import rich.progress

from tf_tickets.support.console import BAR_WIDTH, Console, bar
from tf_tickets.support.words import plural


class Progress(keras.callbacks.Callback):
    """Epochs, loss, metric and the time left: one bar in a terminal, a line now and then elsewhere.

    In a notebook it is one line, written anew, of which what the training came to is left.

    Args:
        show: where to.
        title: of the training.
        epochs: their numbers, one after another.
        steps: of an epoch.
        metric: name of the metric in the numbers of an epoch.
    """

    any_pace = True  # does not mind how many steps lie between two batch-level calls
    SECONDS_BETWEEN_LINES = 10.0

    def __init__(self, show: Console, title: str, epochs: Sequence[int], steps: int, metric: str):
        super().__init__()
        self.metric = metric
        self.show, self.title, self.steps = show, title, steps
        self.first, self.total = epochs[0], len(epochs)
        self.before = 0  # epochs done by an earlier process
        self.bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(BAR_WIDTH),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TextColumn("{task.fields[numbers]}"),
            rich.progress.TimeRemainingColumn(),
            console=show.out,
            transient=True,
        )
        self.task: Any = None
        self.live = show.live_line()
        self.began = self.printed = time.monotonic()

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.began = self.printed = time.monotonic()
        if self.show.out.is_terminal:
            self.bar.start()
            self.task = self.bar.add_task(self.title, total=self.total * self.steps, numbers="")

    def on_resume(self, history: Sequence[Mapping[str, float]]) -> None:
        """Tells where it goes on."""
        self.before = len(history)
        self.show.line(
            f"  {self.title}: goes on from a checkpoint, {self.before} of {self.total} epochs done",
        )

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        done = (self._epoch - self.first) * self.steps + batch + 1
        if self.task is not None:
            self.bar.update(self.task, completed=done, numbers=self._numbers(logs))
        elif self.live is not None:
            part = bar(done / (self.total * self.steps)).ljust(BAR_WIDTH)
            self.live.show(
                f"  {self.title} {part} epoch {self._epoch - self.first + 1}/{self.total}  "
                f"{self._numbers(logs)}"
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        done = epoch - self.first + 1
        now = time.monotonic()
        last = done == self.total
        here = done - self.before
        numbers = self._numbers(logs)
        whole = f"  {self.title}: {plural(self.total, 'epoch')}  {numbers}  in {now - self.began:.0f} s"
        if self.live is not None:
            if last:
                self.live.show(whole, at_once=True)
        elif self.task is None and (last or here == 1 or now - self.printed > self.SECONDS_BETWEEN_LINES):
            left = (now - self.began) / here * (self.total - done)
            ending = f"in {now - self.began:.0f} s" if last else f"about {left:.0f} s left"
            self.show.line(
                f"  {self.title}: epoch {done}/{self.total}  {numbers}  {ending}",
            )
            self.printed = now
        elif self.task is not None and last:
            self.show.line(whole)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self.close()

    def close(self) -> None:
        """Takes the bar away; also after an interruption."""
        if self.task is not None:
            self.bar.stop()

    def _numbers(self, logs: Mapping[str, float] | None) -> str:
        logs = logs or {}
        shown = (
            ("loss", "loss", 3),
            (self.metric, "train", 3),
            (f"validation_{self.metric}", "validation", 3),
            (f"test_{self.metric}", "test", 4),
        )
        return "  ".join(
            f"{label} {_short(logs[key], digits)}" for key, label, digits in shown if key in logs
        )


def _short(value: float, decimals: int) -> str:
    """A number with so many decimals; one of hundreds and more with five digits."""
    return f"{value:.{decimals}f}" if abs(value) < 100 else f"{value:.5g}"
