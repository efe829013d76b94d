"""The cluster that the environment describes: TF_CONFIG, a Slurm step, or a clear refusal."""

import json
import os

import pytest

from tf_tickets.training import cluster
from tf_tickets.training.cluster import cluster_resolver


class TestTheClusterOfTheEnvironment:
    @pytest.fixture(autouse=True)
    def no_cluster(self, monkeypatch):
        for name in list(os.environ):
            if name.startswith("SLURM_") or name == "TF_CONFIG":
                monkeypatch.delenv(name)

    def test_is_that_of_tf_config(self, monkeypatch):
        hosts = ["one:1234", "two:1234"]
        value = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": 1}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(value))
        found = cluster_resolver()
        assert found.cluster_spec().as_dict() == {"worker": hosts}
        assert (found.task_type, found.task_id) == ("worker", 1)

    def test_is_that_of_a_slurm_step(self, monkeypatch):
        step = {"NODELIST": "node[1-2]", "NUM_TASKS": "4", "TASKS_PER_NODE": "2(x2)"}
        for name, value in step.items():
            monkeypatch.setenv(f"SLURM_STEP_{name}", value)
        monkeypatch.setenv("SLURM_PROCID", "1")
        found = cluster_resolver()
        assert found.cluster_spec().as_dict() == {
            "worker": ["node1:8888", "node1:8889", "node2:8888", "node2:8889"]
        }
        assert (found.task_type, found.task_id) == ("worker", 1)

    def test_must_be_there(self):
        with pytest.raises(ValueError, match=r"TF_CONFIG, or a Slurm step .* choose 'mirrored'"):
            cluster_resolver()

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "{",
            "[]",
            "{}",
            '{"cluster": {"worker": ["a:1"]}}',
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}',
            '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}',
            '{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
        ],
    )
    def test_must_be_one(self, value, monkeypatch):
        monkeypatch.setenv("TF_CONFIG", value)
        with pytest.raises(ValueError, match=r"TF_CONFIG should look like .* Received: "):
            cluster_resolver()

    @pytest.mark.parametrize(
        ("hosts", "message"),
        [
            (["a:1", "b:1", "a:1"], "TF_CONFIG names a:1 2 times: every process has an address of its own"),
            (["a", "b"], "TF_CONFIG: an address is HOST:PORT, .* Received: 'a'"),
            (["a:x", "b:1"], "TF_CONFIG: an address is HOST:PORT, .* Received: 'a:x'"),
        ],
    )
    def test_has_an_address_for_every_process(self, hosts, message, monkeypatch):
        value = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": 0}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(value))
        with pytest.raises(ValueError, match=message):
            cluster_resolver()

    def test_says_which_machine_it_cannot_find(self, monkeypatch, capsys):
        hosts = ["localhost:1234", "no-such\x1b[31m.invalid:1234"]
        value = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": 0}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(value))
        monkeypatch.setattr(cluster, "_is_known", lambda name: name == "localhost")
        with cluster._waiting_for(cluster_resolver()):
            said = capsys.readouterr().out
        name = r"no-such\x1b[31m.invalid"
        assert said == (
            f"waiting for the 2 workers of the cluster, 10 minutes at most: localhost:1234, {name}:1234; "
            f"{name} cannot be looked up from here: is that the name?\n"
        )

    def test_a_slurm_step_that_says_too_little_is_an_error(self, monkeypatch):
        monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
        with pytest.raises(ValueError, match=r"The Slurm step does not describe a cluster: .*PROCID"):
            cluster_resolver()
