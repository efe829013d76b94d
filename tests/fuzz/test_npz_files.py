"""The user's .npz files: members that lie, bombs, odd types, and damage."""

import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutations import bounded, damaged, fuzz, read_or_refused
from tf_tickets import data
from tf_tickets.data.npz import KEYS

RNG = np.random.default_rng(0)
ARRAYS = {
    "x_train": RNG.integers(0, 256, (12, 5, 4), np.uint8),
    "y_train": np.arange(12) % 3,
    "x_test": RNG.integers(0, 256, (6, 5, 4), np.uint8),
    "y_test": np.arange(6) % 3,
}


def npy(array) -> bytes:
    """Bytes of an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def claims(shape, dtype="|u1", data=b"few") -> bytes:
    """Bytes of an .npy file that says it holds an array of this shape."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + data


def archive(path, method=zipfile.ZIP_DEFLATED, **members: bytes):
    """An .npz file of the arrays, with other members instead of some."""
    with zipfile.ZipFile(path, "w", method) as file:
        for key, array in ARRAYS.items():
            file.writestr(f"{key}.npy", members.pop(key, None) or npy(array))
        for name, content in members.items():
            file.writestr(name, content)
    return path


def load(path):
    return data.load(f"npz:{path}")


def checked(path, megabytes=64):
    """The dataset, or None where it is refused by name."""
    dataset = read_or_refused(lambda: load(path), str(path), megabytes=megabytes)
    if dataset is not None:
        x, y = dataset.train
        assert len(x) == len(y) and np.isfinite(x).all() and set(y) == set(range(dataset.num_classes))
    return dataset


@pytest.mark.slow
@fuzz(80)
@given(changes=st.data(), key=st.sampled_from(KEYS))
def test_a_damaged_array_in_a_whole_archive(tmp_path_factory, changes, key):
    content = changes.draw(damaged(npy(ARRAYS[key])))
    checked(archive(tmp_path_factory.mktemp("npz") / "mine.npz", **{key: content}))


@fuzz(80)
@given(changes=st.data(), compress=st.booleans())
def test_a_damaged_archive(tmp_path_factory, changes, compress):
    path = tmp_path_factory.mktemp("npz") / "mine.npz"
    archive(path, zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED)
    path.write_bytes(changes.draw(damaged(path.read_bytes())))
    checked(path)


DTYPES = [
    "?",
    "<i2",
    ">i2",
    ">u4",
    "<u8",
    ">i8",
    "<f2",
    ">f4",
    "<f8",
    "<c8",
    "<U3",
    "S2",
    "<M8[s]",
    "V2",
    "O",
]


@pytest.mark.slow
@fuzz(100)
@given(
    key=st.sampled_from(KEYS),
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(0, 12), max_size=5).map(tuple),
    seed=st.integers(0, 100),
)
def test_arrays_of_other_types_shapes_and_byte_orders(tmp_path_factory, key, dtype, shape, seed):
    fill = np.random.default_rng(seed).integers(-4, 300, shape)
    if seed % 2:  # the right shape, the wrong type
        fill = np.resize(fill, ARRAYS[key].shape)
    with np.errstate(all="ignore"):
        array = np.array(fill).astype(dtype)
    checked(archive(tmp_path_factory.mktemp("npz") / "mine.npz", **{key: npy(array)}))


@pytest.mark.parametrize("shape", [(10**10,), (10**15,), (2**40, 2**40), (12, 2**31), (-1,), (2**64, 0)])
@pytest.mark.parametrize("dtype", ["|u1", "<f8", "<U1000000000"])
def test_an_array_that_claims_too_much(tmp_path, shape, dtype):
    assert checked(archive(tmp_path / "mine.npz", x_train=claims(shape, dtype)), megabytes=4) is None


def test_a_member_that_claims_a_hundred_gigabytes(tmp_path):
    path = archive(tmp_path / "mine.npz", x_train=claims((10**11,)))
    content = bytearray(path.read_bytes())
    for place in (content.index(b"PK\x03\x04") + 22, content.index(b"PK\x01\x02") + 24):
        struct.pack_into("<I", content, place, 2**32 - 2)
    path.write_bytes(content)
    assert checked(path, megabytes=4) is None


@pytest.mark.slow
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_inflates_far_beyond_its_array(tmp_path, method):
    path = archive(tmp_path / "mine.npz", method, x_train=claims((3,), data=bytes(60_000_000)))
    assert path.stat().st_size < 1_000_000
    assert checked(path, megabytes=16) is None


@pytest.mark.slow
@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_numpy_does_not_write_is_refused(tmp_path, method):
    # A block of it can inflate a million times, at once.
    path = archive(tmp_path / "mine.npz", method, x_train=claims((12, 5 * 10**6), data=bytes(60_000_000)))
    assert checked(path, megabytes=4) is None


def test_blank_images_may_be_compressed_as_far_as_they_can_be(tmp_path):
    blank = {
        **ARRAYS,
        "x_train": np.zeros((12, 1000, 200), np.uint8),
        "x_test": np.zeros((6, 1000, 200), np.uint8),
    }
    np.savez_compressed(tmp_path / "blank.npz", **blank)
    with bounded(64):
        assert load(tmp_path / "blank.npz").input_shape == (1000, 200, 1)


def test_members_beside_the_four_are_neither_read_nor_unpacked(tmp_path):
    outside = {
        "../outside.npy": npy(ARRAYS["x_test"]),
        "/tmp/outside.npy": b"",
        "huge.npy": claims((10**12,)),
    }
    (tmp_path / "in").mkdir()
    path = archive(tmp_path / "in" / "mine.npz", **outside)
    assert checked(path) is not None
    assert [found.name for found in tmp_path.rglob("*")] == ["in", "mine.npz"]


def test_a_pickled_array_is_not_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    path = archive(tmp_path / "mine.npz", x_train=npy(np.array([Bomb()] * 12, object)))
    with pytest.raises(ValueError, match=r"mine\.npz cannot be read.*allow_pickle"):
        load(path)
