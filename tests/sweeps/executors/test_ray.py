"""What the Ray executor decides: who is tried again, when a sweep stops, and which nodes will do."""

import contextlib
import dataclasses
import importlib.metadata
import socket
from typing import ClassVar

import pytest

from tf_tickets.sweeps import worker
from tf_tickets.sweeps.executors import ray, ray_cluster, ray_node
from tf_tickets.sweeps.executors.resources import Resources
from tf_tickets.sweeps.task import DENSE, WHOLE, Outcome, Task

RESOURCES = Resources(None, 1)
FINE = Outcome(1.0, "0.5")


class Errors:
    """Ray's, as far as they are told apart."""

    class RayError(Exception):
        pass

    class NodeDiedError(RayError):
        pass

    class ObjectLostError(RayError):
        pass

    class WorkerCrashedError(RayError):
        pass

    class OutOfMemoryError(RayError):
        pass

    class RayTaskError(RayError):
        cause = ImportError("no TensorFlow")


class Cloudpickle:
    @staticmethod
    def register_pickle_by_value(module):
        assert module is ray_node


class FakeRay:
    """Stands for Ray: each try of a task comes to what the script says, one task after another."""

    exceptions, cloudpickle = Errors, Cloudpickle
    silent: ClassVar = print

    def __init__(self, monkeypatch, script, results=()):
        self.results = dict(results)
        self.script, self.at_once, self.started, self.cancelled, self.shown = script, [], [], [], []
        self.out, self.pending = self, {}
        monkeypatch.setattr(ray_cluster, "connected", lambda address: contextlib.nullcontext(self))
        monkeypatch.setattr(ray_cluster, "visible_file", lambda runs_dir: contextlib.nullcontext(None))
        monkeypatch.setattr(ray_cluster, "check_nodes", lambda *_: None)

    def run(self, names, after=None, resources=RESOURCES):
        tasks = {name: Task(name, (), DENSE if name.startswith("dense") else WHOLE, 1) for name in names}
        outcomes = ray.RayPool(tasks, after or {}, resources, self, self.results.get).run()
        assert outcomes.keys() == tasks.keys()
        return {name: outcome.problem for name, outcome in outcomes.items()}

    def remote(self, *arguments, **_):
        """Both `ray.remote(...)`, used as a decorator, and the `.remote(...)` of what that makes."""
        if not arguments:
            return lambda function: self
        label = arguments[-1]["task"]["label"]
        self.started.append(label)
        reference = object()
        self.pending[reference] = label
        return reference

    def wait(self, references, **_):
        self.at_once.append(len(references))
        return references[:1], references[1:]

    def get(self, reference):
        tries = self.script.get(self.pending.pop(reference), [])
        ending = tries.pop(0) if tries else (None, FINE)
        if isinstance(ending, type):
            raise ending("once upon a time")
        return ending

    def cancel(self, reference, force):
        assert force
        self.cancelled.append(self.pending[reference])

    def finish(self, label, cost, ending, left):
        """What the person sees."""

    def note(self, text):
        self.shown.append(text)


class TestRayPool:
    def test_starts_all_that_can_start_and_leaves_the_rest_to_ray(self, monkeypatch):
        fake = FakeRay(monkeypatch, {})
        assert fake.run("abcde") == dict.fromkeys("abcde")
        assert fake.at_once[0] == 5

    def test_starts_no_more_than_told(self, monkeypatch):
        fake = FakeRay(monkeypatch, {})
        fake.run("abcde", resources=dataclasses.replace(RESOURCES, jobs=2))
        assert max(fake.at_once) == 2

    def test_waits_for_the_dense_training(self, monkeypatch):
        fake = FakeRay(monkeypatch, {})
        fake.run(["dense", "a", "b"], after={"a": "dense"})
        assert fake.started == ["dense", "b", "a"]

    def test_tries_again_what_a_lost_node_was_at_more_often_than_a_process_may_crash(self, monkeypatch):
        for times in (1, 5, ray.MOST_LOST_NODES - 1):
            fake = FakeRay(monkeypatch, {"b": [Errors.NodeDiedError] * times})
            assert fake.run("abc") == dict.fromkeys("abc")
            assert fake.started.count("b") == times + 1 and fake.started.count("a") == 1
            assert "its node died; tried again" in fake.shown[0]

    def test_gives_up_where_every_node_is_lost(self, monkeypatch):
        found = FakeRay(monkeypatch, {"b": [Errors.NodeDiedError] * 99}).run("abc")
        assert found.pop("b") == f"its node died, {ray.MOST_LOST_NODES} times"
        assert found == dict.fromkeys("ac")

    @pytest.mark.parametrize("error", [Errors.WorkerCrashedError, Errors.OutOfMemoryError])
    def test_gives_up_on_what_crashes_its_process_twice(self, error, monkeypatch):
        assert FakeRay(monkeypatch, {"b": [error]}).run("abc") == dict.fromkeys("abc")
        found = FakeRay(monkeypatch, {"b": [error, Errors.NodeDiedError, error]}).run("abc")
        assert found == {"a": None, "b": "its process was killed, twice (out of memory?)", "c": None}

    def test_does_not_repeat_what_a_node_had_just_finished(self, monkeypatch):
        fake = FakeRay(monkeypatch, {"b": [Errors.NodeDiedError]}, results={"b": FINE})
        assert fake.run("abc") == dict.fromkeys("abc")
        assert fake.started == ["a", "b", "c"]

    def test_takes_what_a_cell_says_for_its_outcome(self, monkeypatch):
        fake = FakeRay(monkeypatch, {"b": [(None, Outcome(1.0, None, "diverged"))]})
        assert fake.run("abc") == {"a": None, "b": "diverged", "c": None}
        assert fake.started.count("b") == 1

    @pytest.mark.parametrize(
        ("ending", "error", "said"),
        [
            (("Node n7 lacks keras.", None), ValueError, "Node n7 lacks keras."),
            (Errors.RayTaskError, RuntimeError, "cannot work: ImportError: no TensorFlow"),
            (Errors.RayError, RuntimeError, "The Ray cluster is lost: once upon a time"),
        ],
    )
    def test_a_node_that_will_not_do_stops_the_sweep_and_ends_its_tasks(
        self, ending, error, said, monkeypatch
    ):
        fake = FakeRay(monkeypatch, {"a": [ending]})
        with pytest.raises(error, match=said):
            fake.run("abc")
        assert fake.cancelled == ["b", "c"]


class TestANode:
    HERE: ClassVar = {name: importlib.metadata.version(name) for name in ray.PACKAGES}

    def test_with_the_drivers_versions_and_folder_will_do(self, tmp_path):
        (tmp_path / "file").touch()
        assert ray_node.check_and_run(self.HERE, str(tmp_path / "file")) == (None, None)
        assert ray_node.check_and_run(self.HERE, None) == (None, None)

    def test_that_lacks_a_package_is_named_with_it(self):
        problem, _ = ray_node.check_and_run({**self.HERE, "tf_seeds": "1.0"}, None, {"never": "done"})
        assert problem == f"Node {socket.gethostname()} of the Ray cluster lacks tf_seeds: " + (
            "install tf_seeds==1.0 there."
        )

    def test_with_another_version_is_named_with_both(self):
        problem, _ = ray_node.check_and_run({"keras": "3.0.1"}, None, {"never": "done"})
        assert f"has keras {self.HERE['keras']}, and this machine has 3.0.1" in problem

    def test_that_does_not_see_the_folder_of_the_runs_is_told_what_to_do(self, tmp_path, monkeypatch):
        monkeypatch.setattr(ray_node, "SECONDS_TO_SEE", 0.1)
        problem, _ = ray_node.check_and_run(self.HERE, str(tmp_path / "file"), {"never": "done"})
        assert (
            f"does not see {tmp_path}: --runs_dir must be a folder of a disk that all nodes share" in problem
        )


class TestAddresses:
    def test_where_nobody_listens_are_an_error_at_once(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
            with pytest.raises(ValueError, match=r"--ray_address=.* cannot be reached: .*ray start --head"):
                ray_cluster.check_reachable(address)

    @pytest.mark.parametrize("address", ["cluster", "host:", ":1", "host:port", "ray://host"])
    def test_that_are_none_are_an_error_that_lists_the_forms(self, address):
        with pytest.raises(ValueError, match=r"is no address\. Give auto, HOST:PORT or ray://HOST:PORT"):
            ray_cluster.check_reachable(address)


@pytest.mark.slow
def test_a_node_with_other_data_is_no_place_for_a_run(tmp_path):
    arguments = ("--model=mlp_24_16", "--epochs=1", "--method=random", f"--run_dir={tmp_path}", "--threads=1")
    outcome = worker.run_task(Task("cell", arguments, WHOLE, 1, name="digits-planned-elsewhere"))
    assert "has other data, devices or code of a score than the sweep was planned with" in outcome.problem
    assert not list(tmp_path.iterdir())
