"""Tiny ImageNet's folder and archive: names that lead elsewhere, and images that are something else."""

import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.formats import tiny_imagenet_files, zip_bytes
from tests.fuzz.mutations import damaged, fuzz, read_or_refused
from tf_tickets import data
from tf_tickets.data import tiny_imagenet

FOLDER = "tiny-imagenet-200"


@pytest.fixture(scope="module")
def files():
    """A small whole copy: path -> bytes."""
    return tiny_imagenet_files(classes=2, train_per_class=2, test=2)


def unpacked(folder, files):
    """Writes the files; returns the folder of the images."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder / FOLDER


@pytest.mark.slow
@fuzz(16)
@given(changes=st.data())
def test_a_damaged_folder_is_refused_by_name_or_read(files, tmp_path_factory, changes):
    path = changes.draw(st.sampled_from([path for path in files if "test/" not in path]))
    content = changes.draw(damaged(files[path]))
    folder = unpacked(tmp_path_factory.mktemp("tiny"), {**files, path: content})
    raw = read_or_refused(lambda: tiny_imagenet.read_folder(folder), str(folder))
    if raw is not None:
        assert raw.train.images.shape[1:] == raw.test.images.shape[1:] == (64, 64, 3)


NAMES = ["../../outside", "/etc", "..", "a\0b", "a/b", "a\\b", "x" * 300, "\x1b[31m"]


@pytest.mark.parametrize("name", NAMES)
def test_a_class_leads_nowhere_else(files, tmp_path, name):
    folder = unpacked(tmp_path, files)
    outside = tmp_path / "outside" / "images"
    outside.mkdir(parents=True)
    image = next(content for path, content in files.items() if path.endswith(".JPEG"))
    (outside / "a.JPEG").write_bytes(image)
    (folder / "wnids.txt").write_text(f"{name}\n{files[f'{FOLDER}/wnids.txt'].decode()}")
    with pytest.raises((ValueError, OSError), match=r"wnids\.txt|File name too long"):
        tiny_imagenet.read_folder(folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NAMES, "../../../outside.JPEG"])
def test_an_image_lies_nowhere_else(files, tmp_path, name):
    folder = unpacked(tmp_path, files)
    image = next(content for path, content in files.items() if path.endswith(".JPEG"))
    (tmp_path / "outside.JPEG").write_bytes(image)
    wnid = files[f"{FOLDER}/wnids.txt"].decode().split()[0]
    (folder / "val" / "val_annotations.txt").write_text(f"{name}\t{wnid}\n")
    with pytest.raises((ValueError, OSError), match=r"val_annotations\.txt|File name too long"):
        tiny_imagenet.read_folder(folder)


@pytest.mark.slow
@pytest.mark.parametrize("side", [65, 1000, 65500])
def test_an_image_that_says_it_is_huge_is_not_decoded(files, tmp_path, side):
    path = f"{FOLDER}/val/images/val_0.JPEG"
    content = bytearray(files[path])
    frame = content.index(b"\xff\xc0")  # where a JPEG file says its height and width
    struct.pack_into(">HH", content, frame + 5, side, side)
    folder = unpacked(tmp_path, {**files, path: bytes(content)})
    with pytest.raises(ValueError, match=rf"val_0\.JPEG must be an image of 64x64.*{side}, {side}, 3"):
        tiny_imagenet.read_folder(folder)


@pytest.mark.slow
def test_the_archive_is_unpacked_where_it_belongs(files, tmp_path, hand_copied, no_network):
    from tf_tickets.data.tiny_imagenet_builder import URL, TinyImagenet

    evil = {
        "../evil.txt": b"",
        "../../../evil.txt": b"",
        f"{FOLDER}/../../../evil.txt": b"",
        "/evil.txt": b"",
    }
    archive = tmp_path / "archive.zip"
    archive.write_bytes(zip_bytes({**files, **evil}))
    with zipfile.ZipFile(archive, "a") as file:
        link = zipfile.ZipInfo(f"{FOLDER}/link.txt")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
    place = tmp_path / "a" / "data"
    hand_copied(TinyImagenet, {URL: archive.read_bytes()}, place)
    dataset = data.load("tiny_imagenet", data_dir=str(place))
    assert len(dataset.splits["train"]) == 4
    assert {found.name for found in (tmp_path).iterdir()} == {"a", "archive.zip"}
    assert {found.name for found in (tmp_path / "a").iterdir()} == {"data"}
    assert not list(tmp_path.rglob("evil.txt")) and not [x for x in tmp_path.rglob("*") if x.is_symlink()]


@pytest.mark.slow
def test_images_are_decoded_as_before(files, tmp_path):
    import tensorflow as tf

    raw = tiny_imagenet.read_folder(unpacked(tmp_path, files))
    images = [path for path in sorted(files) if "/val/images/" in path]
    for image, path in zip(raw.test.images, images, strict=True):
        np.testing.assert_array_equal(image, tf.io.decode_image(files[path], channels=3))
