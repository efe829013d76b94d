"""The guard of all programs: what goes wrong is one line, and no success."""

import sys

import pytest
from absl import flags

from tf_tickets import config
from tf_tickets.programs.guard import fail, guarded


@pytest.fixture(autouse=True)
def with_flags():
    config.define_flags()
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()


@pytest.mark.parametrize("code", [None, 0, 5, "bye"])
def test_code_that_ends_the_program_is_no_success(code, capsys):
    """A user's score or data, wherever it is called: where it was is said."""
    assert guarded(lambda values: sys.exit(code)) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"tf_tickets: {__file__}, line ")
    assert said.endswith(f"ends the program (SystemExit: {code})\n") and said.count("\n") == 1


def test_an_error_without_words_is_called_by_its_kind(capsys):
    def work(values):
        raise NotImplementedError

    assert guarded(work) == 1
    assert capsys.readouterr().err == "tf_tickets: NotImplementedError\n"


def test_what_is_said_steers_no_terminal(capsys):
    assert fail("no \x1b[31mfile\udcff") == 1
    assert capsys.readouterr().err == "tf_tickets: no \\x1b[31mfile\\udcff\n"
