"""What the person sees: plan, progress, closing table. Bars in a terminal, plain lines elsewhere."""

import json
import pathlib
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import rich.console
import rich.markup
import rich.progress
import rich.table

from tf_tickets.support.wording import duration, plural

BAR_WIDTH = 20


class Console:
    """Prints for people; knows nothing of pruning.

    Args:
        console: where to. Defaults to standard output.
    """

    def __init__(self, console: rich.console.Console | None = None):
        self.out = console or rich.console.Console(highlight=False, soft_wrap=not _is_terminal())

    @classmethod
    def silent(cls) -> "Console":
        """One that prints nothing."""
        return cls(rich.console.Console(quiet=True))

    def facts(self, title: str, facts: Mapping[str, str]) -> None:
        """A titled list of `name  value`."""
        self.out.print(f"\n[bold]{title}[/bold]")
        width = max(map(len, facts), default=0)
        for name, value in facts.items():
            self.out.print(f"  {name.ljust(width)}  {value}", markup=False)

    def line(self, text: str) -> None:
        """One line."""
        self.out.print(text, markup=False)

    def warn(self, text: str) -> None:
        """One line that should not be overlooked."""
        self.out.print(f"warning: {text}", style="yellow", markup=False)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; all columns but the first are numbers or bars."""
        table = rich.table.Table(title=title, title_justify="left", box=None, pad_edge=False)
        for i, column in enumerate(columns):
            table.add_column(column, justify="right" if 0 < i < len(columns) - 1 else "left")
        for row in rows:
            table.add_row(*map(rich.markup.escape, row))
        self.out.print()
        self.out.print(table)

    def training(self, title: str, epochs: Sequence[int], steps: int) -> "Progress":
        """A Keras callback that shows a training's progress."""
        return Progress(self.out, title, epochs, steps)

    def sweep(self, tasks: int, cost: int) -> "SweepProgress":
        """A context that shows a sweep's progress."""
        return SweepProgress(self.out, tasks, cost)


class Progress(keras.callbacks.Callback):
    """Epochs, loss, accuracy and the time left: one bar in a terminal, a line now and then elsewhere."""

    any_pace = True  # does not mind how many steps lie between two batch-level calls
    SECONDS_BETWEEN_LINES = 10.0

    def __init__(self, out: rich.console.Console, title: str, epochs: Sequence[int], steps: int):
        super().__init__()
        self.out, self.title, self.steps = out, title, steps
        self.first, self.total = epochs[0], len(epochs)
        self.before = 0  # epochs done by an earlier process
        self.bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(BAR_WIDTH),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TextColumn("{task.fields[numbers]}"),
            rich.progress.TimeRemainingColumn(),
            console=out,
            transient=True,
        )
        self.task: Any = None
        self.began = self.printed = time.monotonic()

    def on_train_begin(self, logs=None) -> None:
        self.began = self.printed = time.monotonic()
        if self.out.is_terminal:
            self.bar.start()
            self.task = self.bar.add_task(self.title, total=self.total * self.steps, numbers="")

    def on_resume(self, history: Sequence[Mapping[str, float]]) -> None:
        """Tells where it goes on."""
        self.before = len(history)
        self.out.print(
            f"  {self.title}: goes on from a checkpoint, {self.before} of {self.total} epochs done",
            markup=False,
        )

    def on_train_batch_end(self, batch, logs=None) -> None:
        if self.task is not None:
            done = (self._epoch - self.first) * self.steps + batch + 1
            self.bar.update(self.task, completed=done, numbers=_numbers(logs))

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch, logs=None) -> None:
        done = epoch - self.first + 1
        now = time.monotonic()
        last = done == self.total
        here = done - self.before
        if self.task is None and (last or here == 1 or now - self.printed > self.SECONDS_BETWEEN_LINES):
            left = (now - self.began) / here * (self.total - done)
            ending = f"in {now - self.began:.0f} s" if last else f"about {left:.0f} s left"
            self.out.print(
                f"  {self.title}: epoch {done}/{self.total}  {_numbers(logs)}  {ending}",
                markup=False,
            )
            self.printed = now
        elif self.task is not None and last:
            self.out.print(
                f"  {self.title}: {plural(self.total, 'epoch')}  {_numbers(logs)}  "
                f"in {now - self.began:.0f} s",
                markup=False,
            )

    def on_train_end(self, logs=None) -> None:
        self.close()

    def close(self) -> None:
        """Takes the bar away; also after an interruption."""
        if self.task is not None:
            self.bar.stop()


class SweepProgress:
    """A line for each task that ends, the time left, and in a terminal a bar below.

    Args:
        out: where to.
        tasks: how many there are.
        cost: of all of them together, in any unit that time is proportional to.
    """

    def __init__(self, out: rich.console.Console, tasks: int, cost: int):
        self.out, self.tasks, self.cost = out, tasks, cost
        self.done = self.spent = 0
        self.bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(BAR_WIDTH),
            rich.progress.TextColumn("{task.fields[left]}"),
            console=out,
            transient=True,
        )
        self.task = self.bar.add_task("sweep", total=max(cost, 1), left="")
        self.began = time.monotonic()

    def __enter__(self) -> "SweepProgress":
        if self.out.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.out.is_terminal:
            self.bar.stop()

    def finish(self, label: str, cost: int, ending: str) -> None:
        """Shows that a task has ended."""
        self.done += 1
        self.spent += cost
        elapsed = time.monotonic() - self.began
        left = elapsed / self.spent * (self.cost - self.spent) if self.spent else 0.0
        when = f"about {duration(left)} left" if self.done < self.tasks else f"{duration(elapsed)} in all"
        self.out.print(f"  [{self.done}/{self.tasks}] {label}: {ending}; {when}", markup=False)
        self.bar.update(self.task, completed=self.spent, left=when)


class EpochLog(keras.callbacks.Callback):
    """Writes every epoch's numbers as a JSON line, and for TensorBoard.

    Args:
        path: the .jsonl file; started afresh.
        tensorboard: folder for event files.
    """

    def __init__(self, path: pathlib.Path, tensorboard: pathlib.Path):
        super().__init__()
        self.path, self.tensorboard = path, tensorboard

    def on_train_begin(self, logs=None) -> None:
        import tensorflow as tf

        # An interrupted attempt may have left its part.
        self.path.write_text("")
        shutil.rmtree(self.tensorboard, ignore_errors=True)
        self.writer = tf.summary.create_file_writer(str(self.tensorboard))

    def on_resume(self, history: Sequence[Mapping[str, float]]) -> None:
        """Writes again what was done before."""
        for row in history:
            self._write(row)

    def on_epoch_end(self, epoch, logs=None) -> None:
        self._write({"epoch": epoch, **(logs or {})})

    def _write(self, row: Mapping[str, float]) -> None:
        import tensorflow as tf

        with open(self.path, "a", encoding="utf-8") as file:
            rest = {name: value for name, value in sorted(row.items()) if name != "epoch"}
            file.write(json.dumps({"epoch": row["epoch"], **rest}) + "\n")
        try:
            with self.writer.as_default(step=int(row["epoch"])):
                for name, value in rest.items():
                    tf.summary.scalar(name, value)
            self.writer.flush()
        except tf.errors.OpError as error:
            raise OSError(f"{self.tensorboard} cannot be written: {error}") from error


def bar(fraction: float, width: int = BAR_WIDTH) -> str:
    """A bar of text, `width` characters for 1.0; a sliver for anything above zero."""
    eighths = round(fraction * width * 8)
    if fraction > 0:
        eighths = max(eighths, 1)
    return "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")


def _numbers(logs: Mapping[str, float] | None) -> str:
    logs = logs or {}
    shown = (
        ("loss", "loss", ".3f"),
        ("accuracy", "train", ".3f"),
        ("validation_accuracy", "validation", ".3f"),
        ("test_accuracy", "test", ".4f"),
    )
    return "  ".join(f"{label} {logs[key]:{form}}" for key, label, form in shown if key in logs)


def _is_terminal() -> bool:
    return rich.console.Console().is_terminal
