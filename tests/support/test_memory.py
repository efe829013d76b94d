"""Memory: what is left of it, arrays that TensorFlow shares, sizes in words."""

import numpy as np
import pytest

from tf_tickets.support import memory
from tf_tickets.support.memory import aligned_empty, check_memory, in_words, shared_tensor


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3,), (5, 7, 3), (1, 1)])
def test_arrays_made_for_it_are_shared_with_tensorflow(shape, dtype):
    array = aligned_empty(shape, dtype)
    array[...] = np.arange(array.size).reshape(shape)
    tensor = shared_tensor(array)
    array += 1
    np.testing.assert_array_equal(tensor.numpy(), array)


def test_others_are_copied():
    for array in (
        np.arange(17, dtype=np.uint8)[1:],
        np.ones((4, 4), np.float32)[:, ::2],
        np.zeros((0, 3), np.uint8),
    ):
        before = array.copy()
        tensor = shared_tensor(array)
        array += 1
        np.testing.assert_array_equal(tensor.numpy(), before)
    array = aligned_empty((4,), np.uint8)
    array[:] = 1
    array.flags.writeable = False
    np.testing.assert_array_equal(shared_tensor(array).numpy(), [1, 1, 1, 1])


def test_less_than_is_needed_is_told(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 1.3e9)
    check_memory("it", 1.3e9, "")
    with pytest.raises(
        ValueError, match=r"mine\.npz needs 2\.15 GB of memory, and 1\.3 GB can be had here\. Save"
    ):
        check_memory("mine.npz", 2.15e9, "Save fewer.")


def test_a_limit_of_the_process_counts(monkeypatch):
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda what: (10**13, 10**13))
    monkeypatch.setattr(memory, "_free", lambda: float("inf"))
    monkeypatch.setattr(memory, "_left_by_container", lambda: float("inf"))
    assert 0.9e13 < memory.available_bytes() < 1e13


def test_a_limit_of_the_container_counts(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 700000\ninactive_file 50000\nactive_file 3\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.available_bytes() == 150_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_bytes() > 150_000


def test_sizes_in_words():
    assert [in_words(x) for x in (0, 999, 1000, 2.15e9, 4e12, 3e20)] == [
        "0 bytes", "999 bytes", "1 kB", "2.15 GB", "4 TB", "3.000e+08 TB"
    ]  # fmt: skip
