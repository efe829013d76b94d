"""How a process starts: TensorFlow loaded, and nothing that no run needs."""

import subprocess
import sys

import pytest

PROGRAM = """
import gc, sys
from tf_tickets.support import startup

startup.load_tensorflow(1)
print([name for name in startup.UNUSED_BY_KERAS if name in sys.modules])
print(startup.seconds_to_load() > 0)
import sklearn.utils
print("sklearn" in sys.modules)
print(gc.isenabled() and gc.get_freeze_count() > 100_000)
frozen, made = gc.get_freeze_count(), [[] for _ in range(1000)]
startup.load_tensorflow(1)  # it is loaded: what the process has made since stays to be looked for
print(gc.get_freeze_count() <= frozen)
"""


@pytest.mark.slow
def test_keras_is_loaded_without_what_it_imports_for_plots_and_tables():
    """And what is loaded is passed over whenever garbage is looked for."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout.split("\n")[:5] == ["[]", *["True"] * 4], done.stderr
