"""How a process starts: TensorFlow loaded, and nothing that no run needs."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from tf_tickets.support import startup

startup.load_tensorflow(1)
print([name for name in startup.UNUSED_BY_KERAS if name in sys.modules])
print(startup.seconds_to_load() > 0)
import sklearn.utils
print("sklearn" in sys.modules)
"""


@pytest.mark.slow
def test_keras_is_loaded_without_what_it_imports_for_plots_and_tables():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout.split("\n")[:3] == ["[]", "True", "True"], done.stderr
