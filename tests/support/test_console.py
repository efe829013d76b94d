"""The console: what a person sees of plans, tables and progress, whatever names and notes hold."""

import io
import subprocess
import sys

import pytest
import rich.console

from tf_tickets.support.console import Console, bar

EVIL = "a\x1b]0;owned\x07 :smile: [red]b[/red]"
SHOWN = r"a\x1b]0;owned\x07 :smile: [red]b[/red]"


def screen(encoding="utf-8", **options):
    """A console that writes bytes of an encoding, and what it has written."""
    bytes_ = io.BytesIO()
    file = io.TextIOWrapper(bytes_, encoding=encoding, write_through=True)
    return Console(rich.console.Console(file=file, width=100, **options)), lambda: bytes_.getvalue().decode(
        encoding
    )


WAYS = {
    "a line": lambda show, text: show.line(text),
    "a warning": lambda show, text: show.warn(text),
    "facts": lambda show, text: show.facts("facts", {"note": text}),
    "a table": lambda show, text: show.table("table", ("name", "bar"), [(text, "")]),
    "a sweep": lambda show, text: show.sweep(1, 1).finish(text, 1, text, 1.0),
}


@pytest.mark.parametrize("way", WAYS)
class TestWhatIsShown:
    def test_steers_no_terminal_and_is_not_rewritten(self, way):
        show, seen = screen()
        WAYS[way](show, EVIL)
        assert SHOWN in seen()
        assert not {"\x1b", "\x07"} & set(seen())

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
    def test_is_shown_in_letters_that_there_are(self, way, encoding):
        show, seen = screen(encoding)
        WAYS[way](show, f"{bar(0.12)} − 漢")
        assert "##. - ?" in seen()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_is_too_wide_for_a_table_is_shown_without_an_ellipsis_where_there_is_none(encoding):
    show, seen = screen(encoding)
    show.table("table", ("name", "bar"), [("x" * 300, bar(1))])
    assert seen().count("x") == 300 and "#" in seen()


def test_a_progress_bar_has_letters_that_there_are():
    show, seen = screen("latin-1", force_terminal=True, highlight=False)
    with show.sweep(2, 2) as progress:
        progress.finish("a", 1, "done", 1.0)
        progress.bar.refresh()
    assert "[1/2] a: done" in seen()


def test_output_that_nobody_reads_any_more_is_an_error_that_says_so():
    program = """
from tf_tickets.support.console import Console
show = Console()
try:
    input()
    show.line("a")
except OSError as error:
    import sys
    print(error, file=sys.stderr)
"""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        process.stdout.close()
        process.stdin.write("go on\n")
        process.stdin.close()
        assert process.stderr.read() == (
            "nobody reads the output any more; finished work is kept, the same command goes on\n"
        )
    assert process.returncode == 0
