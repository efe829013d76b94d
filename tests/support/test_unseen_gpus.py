"""GPUs that a machine has and TensorFlow does not see."""

import pytest

from tf_tickets.support.unseen_gpus import unseen_gpus


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Says what there is to say of a machine with GPUs, of which TensorFlow sees some."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    driver, devices = tmp_path / "gpus", tmp_path / "dev"
    devices.mkdir()
    for name in ("null", "nvidiactl", "nvidia-uvm"):
        (devices / name).touch()

    def say(listed=0, made=0, seen=0):
        if listed:
            driver.mkdir()
        for number in range(listed):
            (driver / f"0000:0{number}:00.0").mkdir()
        for number in range(made):
            (devices / f"nvidia{number}").touch()
        return unseen_gpus(seen, driver, devices)

    return say


def test_nothing_is_said_where_there_is_none(machine):
    assert machine() is None


def test_nothing_is_said_where_they_are_used(machine):
    assert machine(listed=2, seen=2) is None


@pytest.mark.parametrize("found", [{"listed": 2}, {"made": 2}, {"listed": 1, "made": 2}])
def test_it_is_said_where_tensorflow_sees_none(machine, found):
    assert machine(**found).startswith("2 GPUs here, not used: TensorFlow sees none")


def test_the_variable_that_hides_them_is_named(machine, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert machine(made=1) == "1 GPU here, not used: hidden by CUDA_VISIBLE_DEVICES=-1"
