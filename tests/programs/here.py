"""Programs of tf_tickets in this process, for tests that are not about processes."""

import contextlib
import importlib
import io

from absl import flags

from tests.sweeps.here import stay_here
from tf_tickets import config, laboratory
from tf_tickets.programs import guard
from tf_tickets.sweeps import sweep_flags

DEFINE = {"run": config.define_flags, "sanity": laboratory.define_flags, "sweep": sweep_flags.define_flags}


def call(monkeypatch, name, *arguments, alone=True):
    """Calls a program.

    Args:
        monkeypatch: of the test.
        name: of the program.
        arguments: its flags.
        alone: its runs are done in this process, too.

    Returns:
        Its exit code, and what it has said on standard output and standard error.
    """
    program = importlib.import_module(f"tf_tickets.programs.{name}")
    values = flags.FlagValues()
    DEFINE[name](values)
    left = values([name, *arguments])
    with monkeypatch.context() as patch:
        patch.setattr(flags, "FLAGS", values)
        patch.setattr(guard, "quieten", lambda: None)
        patch.setattr(program, "load_tensorflow", lambda threads: None, raising=False)  # it is loaded
        if alone:
            stay_here(patch)
        with (
            contextlib.redirect_stdout(io.StringIO()) as out,
            contextlib.redirect_stderr(io.StringIO()) as err,
        ):
            code = program.main(left)
    return code, out.getvalue(), err.getvalue()
