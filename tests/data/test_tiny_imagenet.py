"""Tiny ImageNet: archive and folder give the same examples."""

import keras  # noqa: F401  the package's rule: keras before tensorflow
import numpy as np
import pytest

from tests.data.formats import tiny_imagenet_files, zip_bytes
from tf_tickets import data

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"


@pytest.fixture(scope="module")
def files():
    return tiny_imagenet_files()


@pytest.fixture
def unpacked(files, tmp_path):
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


@pytest.mark.slow
def test_the_folder_holds_classes_in_the_order_of_wnids(unpacked):
    dataset = data.load("tiny_imagenet", data_dir=str(unpacked))
    assert (dataset.input_shape, dataset.num_classes) == ((64, 64, 3), 3)
    train, test = dataset.splits["train"], dataset.splits["test"]
    assert train.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert test.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert train.images.dtype == np.uint8
    grey = train.images[[0, 4, 8]]
    np.testing.assert_array_equal(grey[..., 0], grey[..., 1])
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])
    assert (train.images[1][..., 0] != train.images[1][..., 1]).any()


@pytest.mark.slow
def test_the_archive_gives_the_same_examples_in_the_same_order(
    files, unpacked, tmp_path_factory, hand_copied, no_network
):
    from tf_tickets.data.tiny_imagenet_builder import TinyImagenet

    elsewhere = tmp_path_factory.mktemp("archive")
    hand_copied(TinyImagenet, {URL: zip_bytes(files)}, elsewhere)
    folder = data.load("tiny_imagenet", data_dir=str(unpacked))
    for _ in ("prepares it", "reads what was prepared"):
        archive = data.load("tiny_imagenet", data_dir=str(elsewhere))
        assert archive.num_classes == folder.num_classes
        for split in ("train", "test"):
            np.testing.assert_array_equal(archive.splits[split].images, folder.splits[split].images)
            np.testing.assert_array_equal(archive.splits[split].labels, folder.splits[split].labels)


def test_without_folder_and_network_the_error_says_where_the_archive_goes(tmp_path, no_network):
    with pytest.raises(ConnectionError, match=r"tiny-imagenet-200\.zip into .*manual"):
        data.load("tiny_imagenet", data_dir=str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "content", "error", "message"),
    [
        ("wnids.txt", None, FileNotFoundError, "wnids.txt is missing"),
        ("wnids.txt", b"n1\nn1\n", ValueError, "2 different classes"),
        ("wnids.txt", b"\xff\xfe\x00", ValueError, "not a text file"),
        ("wnids.txt", b"n1\nn2\n", FileNotFoundError, r"no \*.JPEG file.*class n1"),
        ("val/val_annotations.txt", None, FileNotFoundError, "val_annotations.txt is missing"),
        ("val/val_annotations.txt", b"", ValueError, "lists no image"),
        ("val/val_annotations.txt", b"val_0.JPEG n1\n", ValueError, "line 1: expected"),
        ("val/images/val_0.JPEG", None, FileNotFoundError, "val_0.JPEG is missing"),
        ("val/images/val_0.JPEG", b"no image", ValueError, "val_0.JPEG is not a readable JPEG"),
        ("val/images/val_0.JPEG", b"", ValueError, "val_0.JPEG is not a readable JPEG"),
    ],
)
def test_a_damaged_folder_names_the_file(unpacked, file, content, error, message):
    path = unpacked / "tiny-imagenet-200" / file
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(error, match=message):
        data.load("tiny_imagenet", data_dir=str(unpacked))


def test_an_image_of_another_size_is_named(unpacked):
    import tensorflow as tf

    path = unpacked / "tiny-imagenet-200" / "val" / "images" / "val_3.JPEG"
    path.write_bytes(tf.io.encode_jpeg(np.zeros((32, 64, 3), np.uint8)).numpy())
    with pytest.raises(ValueError, match=r"val_3.JPEG must be an image of 64x64.*\(32, 64, 3\)"):
        data.load("tiny_imagenet", data_dir=str(unpacked))
