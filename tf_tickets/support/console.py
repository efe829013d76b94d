"""The console, what the person sees: plans, tables, progress.

Bars in a terminal, plain lines elsewhere; in a notebook, plain lines and one that is written anew.

rich is loaded when something is shown, not for `--help`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tf_tickets.support.live_line import LiveLine, in_notebook
from tf_tickets.support.streams import encodable, visible
from tf_tickets.support.words import duration

if TYPE_CHECKING:
    import rich.console
    import rich.text

BAR_WIDTH = 20
NOTEBOOK_WIDTH = 115  # columns, which is rich's
LIVE_TASKS = 8  # of a sweep, that a notebook shows beside its bar


def say(out: rich.console.Console, text: str, style: str | None = None) -> None:
    """Prints a text as it is, whatever it holds: no markup, no emoji codes, nothing that steers."""
    out.print(encodable(visible(text), out.encoding), style=style, markup=False, emoji=False)


class Console:
    """Prints for people; knows nothing of pruning. All of it goes through `say`, or `_cell`.

    Args:
        console: where to. Defaults to standard output.
    """

    def __init__(self, console: rich.console.Console | None = None):
        self.out = console or _standard_output()
        self._is_notebook = console is None and in_notebook()

    def live_line(self) -> LiveLine | None:
        """A line that is written anew, in a notebook; None elsewhere."""
        return LiveLine() if self._is_notebook else None

    @classmethod
    def silent(cls) -> Console:
        """One that prints nothing."""
        import rich.console

        return cls(rich.console.Console(quiet=True))

    def facts(self, title: str, facts: Mapping[str, str]) -> None:
        """A titled list of `name  value`."""
        self.out.print(f"\n[bold]{title}[/bold]")
        width = max(map(len, facts), default=0)
        for name, value in facts.items():
            say(self.out, f"  {name.ljust(width)}  {visible(value, kept='')}")

    def line(self, text: str) -> None:
        """One line."""
        say(self.out, text)

    def warn(self, text: str) -> None:
        """One line that should not be overlooked."""
        say(self.out, f"warning: {text}", style="yellow")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; all columns but the first are numbers or bars."""
        import rich.table

        table = rich.table.Table(title=title, title_justify="left", box=None, pad_edge=False)
        for i, column in enumerate(columns):
            table.add_column(
                column,
                justify="right" if 0 < i < len(columns) - 1 else "left",
                overflow="fold" if self.out.options.ascii_only else "ellipsis",
            )
        for row in rows:
            table.add_row(*map(self._cell, row))
        self.out.print()
        self.out.print(table)

    def _cell(self, text: str) -> rich.text.Text:
        import rich.text

        return rich.text.Text(encodable(visible(text, kept=""), self.out.encoding))

    def sweep(self, tasks: int, cost: int) -> SweepProgress:
        """A context that shows a sweep's progress."""
        return SweepProgress(self.out, tasks, cost, self.live_line())


class SweepProgress:
    """A line for each task that ends, the time left, and in a terminal a bar below.

    In a notebook the bar and the lines of the last tasks are one output.

    Args:
        out: where to.
        tasks: how many there are.
        cost: of all of them together, in any unit.
        live: of a notebook.
    """

    def __init__(self, out: rich.console.Console, tasks: int, cost: int, live: LiveLine | None = None):
        import rich.progress

        self.out, self.tasks, self.cost, self.live = out, tasks, cost, live
        self.lines: list[str] = []
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

    def __enter__(self) -> SweepProgress:
        if self.live is not None:
            self._show_live("")
        elif self.out.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.out.is_terminal:
            self.bar.stop()

    def finish(self, label: str, cost: int, ending: str, left: float) -> None:
        """Shows that a task has ended.

        Args:
            label: of the task.
            cost: of it.
            ending: how it ended.
            left: seconds until all tasks are done, as far as is known.
        """
        self.done += 1
        self.spent += cost
        elapsed = time.monotonic() - self.began
        when = f"about {duration(left)} left" if self.done < self.tasks else f"{duration(elapsed)} in all"
        line = f"[{self.done}/{self.tasks}] {label}: {ending}; {when}"
        if self.live is None:
            self.note(line)
            self.bar.update(self.task, completed=self.spent, left=when)
            return
        self.lines = [*self.lines, f"  {line}"][-LIVE_TASKS:]
        self._show_live(when)

    def _show_live(self, when: str) -> None:
        assert self.live is not None
        part = bar(self.spent / max(self.cost, 1)).ljust(BAR_WIDTH)
        below = [] if self.done == self.tasks else [f"  sweep {part} {self.done}/{self.tasks}  {when}"]
        self.live.show("\n".join([*self.lines, *below]), at_once=True)

    def note(self, text: str) -> None:
        """A line above the bar."""
        say(self.out, f"  {text}")


def bar(fraction: float, width: int = BAR_WIDTH) -> str:
    """A bar of text, `width` characters for 1.0; a sliver for anything above zero."""
    eighths = round(fraction * width * 8)
    if fraction > 0:
        eighths = max(eighths, 1)
    return "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")


def _standard_output() -> rich.console.Console:
    """Standard output; that nobody reads it any more, as after `| head -1`, is an OSError that says so."""
    import rich.console

    class Output(rich.console.Console):
        def on_broken_pipe(self) -> None:
            with contextlib.suppress(SystemExit):  # which would look like the end of code of the user's own
                super().on_broken_pipe()
            raise BrokenPipeError(
                "nobody reads the output any more; finished work is kept, the same command goes on"
            )

    if in_notebook():
        # Text in one output, where rich would make one of HTML for each line, and a kernel forces colours.
        return Output(
            highlight=False,
            soft_wrap=True,
            width=NOTEBOOK_WIDTH,
            force_jupyter=False,
            force_terminal=False,
            color_system=None,
        )
    return Output(highlight=False, soft_wrap=not _is_terminal())


def _is_terminal() -> bool:
    import rich.console

    return rich.console.Console().is_terminal
