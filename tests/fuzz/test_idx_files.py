"""IDX files: whatever is in them, they are read as they say or refused by name."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.formats import idx_bytes, labelled_bytes, write_idx_folder
from tests.fuzz.mutations import bounded, damaged, fuzz, read_or_refused
from tf_tickets import data
from tf_tickets.data.idx import read_idx

TRAIN, TEST = labelled_bytes(12, (6, 5), 3, seed=0), labelled_bytes(6, (6, 5), 3, seed=1)
NAMES = [
    f"{part}-{what}-idx{n}-ubyte" for part in ("train", "t10k") for what, n in (("images", 3), ("labels", 1))
]
WHOLE = dict(zip(NAMES, map(idx_bytes, (*TRAIN, *TEST)), strict=True))


@pytest.mark.slow
@fuzz(120)
@given(changes=st.data(), name=st.sampled_from(NAMES), compress=st.booleans())
def test_a_damaged_folder_is_refused_by_name_or_a_dataset(tmp_path_factory, changes, name, compress):
    folder = write_idx_folder(tmp_path_factory.mktemp("idx"), TRAIN, TEST, compress=compress)
    whole = gzip.compress(WHOLE[name], mtime=0) if compress else WHOLE[name]
    (folder / (name + ".gz" * compress)).write_bytes(changes.draw(damaged(whole)))
    dataset = read_or_refused(lambda: data.load(f"idx:{folder}"), str(folder))
    if dataset is not None:
        assert dataset.input_shape[2] == 1 and dataset.num_classes >= 2


@fuzz(60)
@given(inner=damaged(WHOLE[NAMES[0]]))
def test_a_damaged_file_in_a_whole_gzip_file(tmp_path_factory, inner):
    path = tmp_path_factory.mktemp("idx") / "images.gz"
    path.write_bytes(gzip.compress(inner))
    array = read_or_refused(lambda: read_idx(path, 3), str(path))
    assert array is None or inner == idx_bytes(array)


@fuzz(60)
@given(sizes=st.lists(st.sampled_from([0, 1, 2, 255, 2**16, 2**31, 2**32 - 1]), min_size=3, max_size=3))
@pytest.mark.parametrize("compress", [False, True])
def test_a_header_is_not_believed(tmp_path_factory, sizes, compress):
    path = tmp_path_factory.mktemp("idx") / ("images.gz" if compress else "images")
    content = struct.pack(">BBBB3I", 0, 0, 8, 3, *sizes) + bytes(4)
    path.write_bytes(gzip.compress(content) if compress else content)
    array = read_or_refused(lambda: read_idx(path, 3), str(path), megabytes=1)
    assert array is None or array.shape == tuple(sizes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "megabytes"), [((2, 2, 2), 4), ((2**20, 30, 1), 80), ((2**20, 2**20, 1), 4)]
)
def test_what_inflates_a_thousand_times_is_not_inflated_beyond_its_header(tmp_path, sizes, megabytes):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(struct.pack(">BBBB3I", 0, 0, 8, 3, *sizes) + bytes(120_000_000), 9))
    assert path.stat().st_size < 1_000_000
    with bounded(megabytes), pytest.raises(ValueError, match=r"images\.gz.*header says"):
        read_idx(path, 3)


def test_a_gzip_file_that_lies_about_its_length(tmp_path):
    path = tmp_path / "images.gz"
    whole = gzip.compress(WHOLE[NAMES[0]])
    path.write_bytes(whole[:-4] + struct.pack("<I", 2**32 - 1))
    with bounded(1), pytest.raises(ValueError, match=r"images\.gz .* is not a whole gzip file"):
        read_idx(path, 3)


def test_an_array_of_a_whole_file_is_the_one_that_was_written(tmp_path):
    for compress in (False, True):
        path = tmp_path / ("images.gz" if compress else "images")
        path.write_bytes(gzip.compress(WHOLE[NAMES[0]]) if compress else WHOLE[NAMES[0]])
        np.testing.assert_array_equal(read_idx(path, 3), TRAIN[0])


@pytest.mark.parametrize(
    "name", ["idx:~nobody-of-this-name/x", "npz:~nobody-of-this-name/x", "idx:a\0b", "npz:a\0b"]
)
def test_a_path_that_cannot_be_one_is_named(name):
    with pytest.raises((ValueError, OSError)) as caught:
        data.load(name)
    assert name in str(caught.value)


@pytest.mark.parametrize("source", ["idx", "npz"])
def test_a_path_with_a_null_character_is_refused(source):
    with pytest.raises(ValueError, match=rf"{source}:.*no null character"):
        data.load(f"{source}:a\0b")
