"""The table of strategies: names without TensorFlow, and what each row says of replicas."""

import subprocess
import sys

import pytest
import tensorflow as tf

from tests.replicas import two_replicas  # noqa: F401  splits the CPU
from tf_tickets import training
from tf_tickets.training import STRATEGIES


def test_the_names_are_read_without_tensorflow():
    program = (
        "import sys; from tf_tickets.training.strategies import STRATEGIES\n"
        "assert list(STRATEGIES) == ['auto', 'none', 'mirrored', 'multi_worker']\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_one_that_is_none_is_refused_with_those_there_are():
    words = r"strategy='tpu' is unknown\. Choose one of: auto, none, mirrored, multi_worker\."
    with pytest.raises(ValueError, match=words):
        training.make_strategy("tpu")


@pytest.mark.parametrize("name", ["auto", "none"])
def test_a_machine_without_several_gpus_needs_no_distribution(name):
    assert training.make_strategy(name) is tf.distribute.get_strategy()


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("gpus", [0, 1, 3])
def test_replicas_are_counted_by_gpus_except_where_there_is_always_one(name, gpus, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu"] * gpus)
    assert training.count_replicas(name) == (1 if name == "none" else max(gpus, 1))


def test_several_machines_join_in_one_of_them():
    assert [name for name, row in STRATEGIES.items() if row.multi_worker] == ["multi_worker"]
    assert [name for name, row in STRATEGIES.items() if row.one_replica] == ["none"]
