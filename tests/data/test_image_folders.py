"""`images:DIR`: folders of images by class."""

import numpy as np
import pytest
from PIL import Image

from tf_tickets import data

RNG = np.random.default_rng(0)
GREY, COLOUR, ALPHA, GREY_ALPHA = "L", "RGB", "RGBA", "LA"
CHANNELS = {GREY: (), COLOUR: (3,), ALPHA: (4,), GREY_ALPHA: (2,)}


def pixels(mode=COLOUR, size=(6, 8)):
    return RNG.integers(0, 256, (*size, *CHANNELS[mode]), np.uint8)


def write(path, image=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels() if image is None else image).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two classes, 4 and 2 images for training, 1 and 2 for the test."""
    for part, counts in (("train", {"dog": 4, "cat": 2}), ("test", {"dog": 1, "cat": 2})):
        for name, count in counts.items():
            for number in range(count):
                write(tmp_path / "pets" / part / name / f"{number}.png")
    return tmp_path / "pets"


def load(folder, **settings):
    return data.load(f"images:{folder}", **settings)


def refused(folder, **settings):
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        load(folder, **settings)
    return str(caught.value)


class TestFolders:
    def test_of_train_and_test_are_the_splits(self, folder):
        first = write(folder / "train" / "cat" / "0.png", pixels())
        dataset = load(folder)
        train, test = dataset.splits["train"], dataset.splits["test"]
        assert (dataset.input_shape, dataset.num_classes) == ((6, 8, 3), 2)
        assert train.labels.tolist() == [0, 0, 1, 1, 1, 1] and test.labels.tolist() == [0, 0, 1]
        np.testing.assert_array_equal(train.images[0], np.asarray(Image.open(first)))
        assert dataset.notes == ("labels: 2 folders in the order of the alphabet, cat, dog",)
        np.testing.assert_allclose(dataset.preprocessing.mean, (train.images / 255).mean((0, 1, 2)))

    @pytest.mark.parametrize("name", ["val", "validation"])
    def test_another_name_of_the_test_set_is_said(self, folder, name):
        expected = load(folder).fingerprint
        (folder / "test").rename(folder / name)
        dataset = load(folder)
        assert dataset.fingerprint == expected and f"test set: {name}/" in dataset.notes

    def test_of_classes_alone_give_a_fifth_of_each_to_the_test(self, tmp_path):
        for name, count in (("a", 10), ("b", 5)):
            for number in range(count):
                write(tmp_path / name / "more" / f"{number}.jpg")
        dataset, other = load(tmp_path), load(tmp_path, seed=3)
        assert np.bincount(dataset.splits["test"].labels).tolist() == [2, 1]
        assert np.bincount(dataset.splits["train"].labels).tolist() == [8, 4]
        assert dataset.fingerprint == other.fingerprint
        assert "test set: a fifth, class by class, the same whatever the seed" in dataset.notes

    def test_a_class_may_be_called_train(self, tmp_path):
        for name in ("train", "tram"):
            for number in range(5):
                write(tmp_path / name / f"{number}.png")
        assert "labels: 2 folders in the order of the alphabet, train, tram" in load(tmp_path).notes

    def test_hidden_and_foreign_files_are_left_out_and_said(self, folder):
        expected = load(folder)
        (folder / "train" / "dog" / ".DS_Store").write_bytes(b"x")
        (folder / "train" / ".cache").mkdir()
        (folder / "train" / "dog" / "notes.txt").write_text("x")
        (folder / "test" / "Thumbs.db").write_bytes(b"x")
        dataset = load(folder)
        assert dataset.fingerprint == expected.fingerprint
        assert dataset.notes[1:] == (
            "left out: 2 hidden files and folders",
            "left out: 2 files not named as images are: notes.txt, Thumbs.db",
        )


class TestPixels:
    @pytest.mark.parametrize("name", ["0.png", "0.PNG", "0.bmp"])
    def test_are_those_of_the_file(self, folder, name):
        (folder / "train" / "cat" / "0.png").unlink()
        path = write(folder / "train" / "cat" / name, pixels())
        np.testing.assert_array_equal(load(folder).splits["train"].images[0], np.asarray(Image.open(path)))

    @pytest.mark.parametrize("name", ["0.gif", "0.jpg", "0.jpeg"])
    def test_of_lossy_formats_are_about_those(self, folder, name):
        (folder / "train" / "cat" / "0.png").unlink()
        smooth = np.full((6, 8, 3), (200, 100, 50), np.uint8)
        write(folder / "train" / "cat" / name, smooth)
        found = load(folder).splits["train"].images[0].astype(int)
        assert np.abs(found - smooth).max() < 30

    def test_of_grey_images_have_one_channel(self, tmp_path):
        for name in "ab":
            for number in range(5):
                last = write(tmp_path / name / f"{number}.png", pixels(GREY if number else GREY_ALPHA))
        dataset = load(tmp_path)
        assert dataset.input_shape == (6, 8, 1)
        assert "2 images have alpha, left out" in dataset.notes
        stored = np.concatenate([dataset.splits[name].images for name in ("train", "test")])
        assert any((image[..., 0] == np.asarray(Image.open(last))).all() for image in stored)

    def test_of_grey_and_alpha_among_colours_have_three(self, folder):
        grey = pixels(GREY)
        alpha = pixels(ALPHA)
        write(folder / "train" / "cat" / "0.png", grey)
        write(folder / "train" / "cat" / "1.png", alpha)
        dataset = load(folder)
        images = dataset.splits["train"].images
        np.testing.assert_array_equal(images[0], np.stack([grey] * 3, axis=-1))
        np.testing.assert_array_equal(images[1], alpha[..., :3])
        assert dataset.notes[1:] == (
            "1 image is grey, put into three channels",
            "1 image has alpha, left out",
        )

    def test_of_16_bits_keep_the_upper_8(self, tmp_path):
        deep = RNG.integers(0, 65536, (6, 8)).astype(np.uint16)
        for name in "ab":
            for number in range(5):
                write(tmp_path / name / f"{number}.png", deep)
        dataset = load(tmp_path)
        np.testing.assert_array_equal(dataset.splits["train"].images[0, ..., 0], deep >> 8)
        assert "10 images are of 16 bits, of which 8 are kept" in dataset.notes

    def test_of_mixed_sizes_are_resized_where_it_is_said_how(self, folder):
        write(folder / "test" / "dog" / "0.png", np.full((12, 16, 3), 77, np.uint8))
        said = refused(folder)
        assert "the images are of 2 sizes, 6x8 (8), 12x16 (1). --image_size says" in said
        dataset = load(folder, image_size=5)
        assert dataset.input_shape == (5, 5, 3) and "resized from 2 sizes" in dataset.notes
        assert (dataset.splits["test"].images[2] == 77).all()


class TestRefusals:
    def test_name_what_is_not_there(self, tmp_path, folder):
        assert "there is no such folder. Expected images:DIR" in refused(tmp_path / "gone")
        (folder / "test").rename(folder / "exam")
        assert "there is train/, but no test/ or val/ or validation/" in refused(folder)

    def test_one_class_is_none(self, tmp_path):
        write(tmp_path / "only" / "0.png")
        assert "at least 2 classes are needed" in refused(tmp_path)

    def test_a_class_without_images(self, folder):
        (folder / "train" / "emu").mkdir()
        (folder / "train" / "emu" / "a.webp").write_bytes(b"x")
        assert "no image of emu in" in refused(folder) and ".png, .jpg" in refused(folder)

    def test_a_class_of_the_test_alone(self, folder):
        write(folder / "test" / "emu" / "0.png")
        assert "has classes that train/ lacks: emu" in refused(folder)

    @pytest.mark.parametrize("content", [b"", b"RIFF\0\0\0\0WEBPVP8 ", b"\x89PNG\r\n\x1a\n"])
    def test_a_file_that_is_no_image(self, folder, content):
        path = folder / "train" / "cat" / "1.png"
        path.write_bytes(content)
        assert refused(folder).startswith(f"{path} is no PNG, JPEG, BMP or GIF file")

    def test_a_file_that_ends_too_soon(self, folder):
        path = folder / "train" / "cat" / "1.png"
        path.write_bytes(path.read_bytes()[:-40])
        assert refused(folder).startswith(f"{path} cannot be decoded")

    def test_a_bitmap_with_a_palette_which_would_be_read_as_grey(self, folder):
        path = folder / "train" / "cat" / "1.bmp"
        Image.fromarray(pixels()).convert("P").save(path)
        assert refused(folder).startswith(f"{path} is a BMP file with a palette")

    def test_more_than_the_memory(self, folder, monkeypatch):
        monkeypatch.setattr("tf_tickets.support.memory.available_bytes", lambda: 2000.0)
        assert "needs 2.06 kB of memory" in refused(folder)
