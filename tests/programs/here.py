"""Programs of tf_tickets whose work is done in this process, for tests that are not about processes."""

import importlib

from absl import flags

from tests.sweeps.here import stay_here
from tf_tickets import config, laboratory
from tf_tickets.programs import guard
from tf_tickets.sweeps import sweep_flags

DEFINE = {"run": config.define_flags, "sanity": laboratory.define_flags, "sweep": sweep_flags.define_flags}


def call(monkeypatch, name, *arguments):
    """Its exit code."""
    program = importlib.import_module(f"tf_tickets.programs.{name}")
    values = flags.FlagValues()
    DEFINE[name](values)
    left = values([name, *arguments])
    with monkeypatch.context() as patch:
        patch.setattr(flags, "FLAGS", values)
        patch.setattr(guard, "quieten", lambda: None)
        patch.setattr(program, "load_tensorflow", lambda threads: None, raising=False)  # it is loaded
        stay_here(patch)
        return program.main(left)
