"""What a terminal is sent: nothing that steers it, in letters that it has, by streams that are there."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_tickets.support.streams import encodable, visible

# Closes a standard stream, as `2>&-` does, before the program's first line.
CLOSED = """
import os, sys
for number in map(int, sys.argv[1].split(",")):
    os.close(number)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2], sys.argv[3]])
"""
PROGRAM = """
import os, sys
from tf_tickets.support import streams
streams.settle()
with open(sys.argv[1], "w") as file:
    os.write(2, b"a log of C++")
    print("said", file=sys.stderr)
    print("seen", flush=True)
    sys.stdin.read()
    file.write(f"{file.fileno()}, {os.get_inheritable(1)}")
"""


class TestText:
    def test_that_would_steer_is_shown_as_it_is_written(self):
        assert visible("a\x1b[31mb\rc\x9b\u202e\ud800\U000e0001") == (
            r"a\x1b[31mb\x0dc\x9b\u202e\ud800\U000e0001"
        )
        assert visible("é 漢 █ −") == "é 漢 █ −"

    def test_keeps_its_lines_where_it_has_some(self):
        assert visible("a\n\tb") == "a\n\tb"
        assert visible("a\nb", kept="") == r"a\x0ab"

    @pytest.mark.slow
    @given(st.text())
    def test_is_printable_whatever_it_was(self, text):
        assert all(x.isprintable() or x in "\n\t" for x in visible(text))
        assert visible(text, kept="").isprintable()

    def test_is_written_in_letters_that_look_alike(self):
        assert encodable("██▎ 1 − 2 ± 3 漢", "ascii") == "##. 1 - 2 +- 3 ?"
        assert encodable("é ± 漢", "latin-1") == "é ± ?"
        assert encodable("█ é 漢", "utf-8") == "█ é 漢"


@pytest.mark.parametrize("closed", ["0", "1", "2", "0,1,2"])
def test_streams_that_are_closed_lead_nowhere(closed, tmp_path):
    """Not into the next file that is opened, which would get their number."""
    arguments = ["-c", CLOSED, closed, PROGRAM, str(tmp_path / "file")]
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    number, inherited = (tmp_path / "file").read_text().split(", ")
    assert int(number) > 2 and inherited == "True"
    assert done.stdout == ("" if "1" in closed else "seen\n")
    assert done.stderr == ("" if "2" in closed else "a log of C++said\n")


def test_what_a_stream_cannot_encode_does_not_end_the_program():
    program = "from tf_tickets.support import streams; streams.settle(); print('█ −')"
    environment = {"PYTHONIOENCODING": "ascii:strict", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, "# -\n"), done.stderr
