"""Checkpoints on disk: whole or not there, the newest that can be read, and never another training's."""

import os
import signal
import zipfile

import ml_dtypes
import numpy as np
import pytest

from tf_tickets.training import Checkpoints

OWNER = {"stage": "retrain", "epochs": [0, 9]}


def values(seed=0):
    rng = np.random.default_rng(seed)
    return [
        rng.normal(size=(3, 4)).astype("float32"),
        rng.normal(size=(5,)).astype(ml_dtypes.bfloat16),
        rng.random((2, 2)) < 0.5,
        np.array(7, "int64"),
        np.zeros((0, 3), "float32"),
    ]


def rows(count):
    return [{"epoch": epoch, "loss": 1 / (3 + epoch)} for epoch in range(count)]


class Warnings(list):
    def __call__(self, message):
        self.append(message)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "checkpoints"


def accept(checkpoint):
    pass


def newest(place, check=accept, **other):
    said = Warnings()
    return Checkpoints(place, {**OWNER, **other}, warn=said).newest(check), said


def test_what_is_read_is_what_was_saved(place):
    Checkpoints(place, OWNER).save(rows(2), 17, values())
    found, said = newest(place)
    assert found.history == rows(2) and found.step == 17 and not said
    for value, own in zip(found.values, values(), strict=True):
        assert value.dtype == own.dtype and value.shape == own.shape
        assert value.tobytes() == own.tobytes()


def test_there_is_none_before_the_first(place):
    assert newest(place) == (None, [])


def test_the_furthest_counts_and_the_one_before_it_is_kept(place):
    ours = Checkpoints(place, OWNER)
    for history, step in ((0, 5), (1, 0), (1, 12), (1, 100), (2, 0), (10, 0)):
        ours.save(rows(history), step, values())
    assert len(newest(place)[0].history) == 10
    assert [path.name for path in sorted(place.iterdir())] == [
        "epoch_000002_step_00000000.npz",
        "epoch_000010_step_00000000.npz",
    ]


def test_clocks_do_not_count(place):
    ours = Checkpoints(place, OWNER)
    ours.save(rows(1), 0, values())
    ours.save(rows(2), 0, values())
    os.utime(sorted(place.iterdir())[0], (2**31, 2**31))
    os.utime(sorted(place.iterdir())[1], (0, 0))
    ours.save(rows(3), 0, values())
    assert len(newest(place)[0].history) == 3
    assert [len(Checkpoints(place, OWNER)._read(path).history) for path in sorted(place.iterdir())] == [2, 3]


DAMAGES = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "a byte of a value": lambda data: data.replace(values()[0].tobytes()[:8], b"\0" * 8),
    "no archive": lambda data: b"what is this" * 100,
    "no facts": lambda data: data.replace(b"facts", b"fakts"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_passed_over_with_a_warning(place, damage):
    ours = Checkpoints(place, OWNER)
    ours.save(rows(1), 0, values())
    ours.save(rows(2), 0, values(1))
    last = sorted(place.iterdir())[-1]
    changed = DAMAGES[damage](last.read_bytes().replace(values(1)[0].tobytes(), values()[0].tobytes()))
    last.write_bytes(changed)
    found, said = newest(place)
    assert len(found.history) == 1
    assert len(said) == 1 and str(last) in said[0] and "cannot be used" in said[0]


def test_where_all_are_damaged_there_is_none(place):
    ours = Checkpoints(place, OWNER)
    for epoch in (1, 2):
        ours.save(rows(epoch), 0, values())
    for path in place.iterdir():
        path.write_bytes(b"")
    found, said = newest(place)
    assert found is None and len(said) == 2


def test_another_trainings_is_not_used(place):
    Checkpoints(place, OWNER).save(rows(1), 0, values())
    found, said = newest(place, stage="dense")
    assert found is None and "another training" in said[0]


def test_one_that_does_not_fit_is_not_used(place):
    def check(checkpoint):
        raise ValueError("it holds other variables than this training has")

    Checkpoints(place, OWNER).save(rows(1), 0, values())
    found, said = newest(place, check)
    assert found is None and "other variables" in said[0]


def test_objects_are_never_unpickled(place):
    class Trap:
        def __reduce__(self):
            return os.kill, (os.getpid(), signal.SIGTERM)

    Checkpoints(place, OWNER).save(rows(1), 0, values())
    (path,) = place.iterdir()
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    np.savez(path, facts=np.array([Trap()], dtype=object))
    with zipfile.ZipFile(path) as archive:
        parts["000000.npy"] = archive.read("facts.npy")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    found, said = newest(place)
    assert found is None and "allow_pickle" in said[0]


def test_a_write_that_fails_leaves_the_others_as_they_were(place, monkeypatch):
    ours = Checkpoints(place, OWNER)
    ours.save(rows(1), 0, values())
    before = {path.name: path.read_bytes() for path in place.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"is full .*epoch_000002_step_00000000\.npz is not written"):
        ours.save(rows(2), 0, values())
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def test_the_seconds_of_earlier_processes_count(place):
    first = Checkpoints(place, OWNER)
    first._began -= 100
    first.save(rows(1), 0, values())
    second = Checkpoints(place, OWNER)
    second.newest(accept)
    assert 100 < second.seconds < 110


def test_one_is_due_when_the_minutes_have_passed(place):
    ours = Checkpoints(place, OWNER, minutes=1)
    assert not ours.due
    ours._saved -= 61
    assert ours.due
    ours.save(rows(1), 0, values())
    assert not ours.due
    assert Checkpoints(place, OWNER, minutes=0).due


def test_a_finished_training_leaves_none(place):
    ours = Checkpoints(place, OWNER)
    ours.save(rows(1), 0, values())
    ours.clear()
    assert not place.exists()
    ours.clear()
