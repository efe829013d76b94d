"""ImageNet's way: images of many sizes that stay on disk, cropped as they are read."""

import io
import math
import os
import shutil

import keras  # noqa: F401  the package's rule: keras before tensorflow
import numpy as np
import pytest
import rich.console
import tensorflow as tf
import tensorflow_datasets as tfds

from tests.runs import eagerly, parsed
from tf_tickets import config, data, pipeline, training
from tf_tickets.data import Examples, imagenet, sources
from tf_tickets.data.dataset import Dataset
from tf_tickets.data.stored_images import StoredImages
from tf_tickets.sanity import half_dataset, random_pixels
from tf_tickets.support.console import Console

COUNTS = {"train": 23, "validation": 7, "test": 3}
SIZES = [(40, 30), (24, 64), (33, 33)]
SIZE = (16, 20)


def picture(split, i):
    """A grey level of its own, so that every picture is known again, in a black frame of a fifth."""
    height, width = SIZES[i % 3]
    image = np.zeros((height, width, 3), np.uint8)
    image[height // 5 : -height // 5, width // 5 : -width // 5] = level(split, i)
    return image


def level(split, i):
    return 60 + 8 * i + 4 * (split == "validation")


class SmallNet(tfds.core.GeneratorBasedBuilder):
    """Like ImageNet's builder: a label of -1 in the test split."""

    name = "small_net"
    VERSION = tfds.core.Version("1.0.0")
    url_infos = None

    def _info(self):
        features = {
            "file_name": tfds.features.Text(),
            "image": tfds.features.Image(encoding_format="png"),
            "label": tfds.features.ClassLabel(num_classes=5),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), supervised_keys=("image", "label")
        )

    def _split_generators(self, manager):
        return {split: self._generate_examples(split) for split in COUNTS}

    def _generate_examples(self, split):
        for i in range(COUNTS[split]):
            label = -1 if split == "test" else i % 5
            yield i, {"file_name": f"{split}{i}.png", "image": picture(split, i), "label": label}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Prepared, in three files for training."""
    folder = tmp_path_factory.mktemp("tfds")
    config = tfds.download.DownloadConfig(num_shards=3)
    SmallNet(data_dir=folder).download_and_prepare(download_config=config)
    return folder


def read(folder, size=SIZE):
    return imagenet.read_builder(SmallNet(data_dir=folder), size)


@pytest.fixture(scope="module")
def dataset(folder):
    raw = read(folder)
    source = sources.SOURCES["tfds:imagenet2012"]
    preprocessing = source.preprocessing(raw.train.images)
    splits = {"train": raw.train, "test": raw.test}
    return Dataset("small", (*SIZE, 3), raw.num_classes, source.recipe, preprocessing, splits)


def levels(x):
    """The grey level in the middle of each image, out of normalised ones."""
    middle = x[:, x.shape[1] // 2, x.shape[2] // 2]
    return np.round(np.mean((middle * [0.229, 0.224, 0.225] + [0.485, 0.456, 0.406]) * 255, axis=-1)).astype(
        int
    )


def epoch(dataset, number=0, **options):
    options = {"shuffle": True, "augment": True, "seed": 5, **options}
    return list(dataset.batches("train", 5, epochs=[number], **options).as_numpy_iterator())


@pytest.mark.slow
def test_every_example_comes_once_an_epoch_with_its_own_label(dataset):
    assert (dataset.input_shape, dataset.num_classes, len(dataset.splits["test"])) == ((16, 20, 3), 5, 7)
    for split, stored in (("train", "train"), ("test", "validation")):
        pairs = []
        for x, y in dataset.batches(split, 5, shuffle=split == "train", seed=1).as_numpy_iterator():
            assert (x.dtype, x.shape[1:], y.dtype) == (np.float32, (16, 20, 3), np.int32)
            pairs += zip(levels(x).tolist(), y.tolist(), strict=True)
        assert sorted(pairs) == [(level(stored, i), i % 5) for i in range(COUNTS[stored])]


@pytest.mark.slow
def test_a_batch_is_a_function_of_seed_epoch_and_step(dataset):
    first, again = epoch(dataset), epoch(dataset, first_step=3)
    assert len(first) == 5
    for (x, y), (same_x, same_y) in zip(first[3:], again, strict=True):
        np.testing.assert_array_equal(x, same_x)
        np.testing.assert_array_equal(y, same_y)
    for options in ({"number": 1}, {"seed": 6}):
        assert not np.array_equal(epoch(dataset, first_step=4, **options)[0][0], first[4][0])


@pytest.mark.slow
def test_crops_of_one_image_differ_from_step_to_step(dataset):
    same = Examples(dataset.splits["train"].images[np.zeros(10, int)], np.zeros(10, int))
    first, second = (x for x, _ in epoch(dataset.replace("train", same)))
    assert not np.array_equal(first, second)


@pytest.mark.slow
def test_evaluation_sees_seven_eighths_of_the_shorter_side(dataset):
    """So of the frame, a fifth of the picture at each side, a part is seen."""
    images = dataset.splits["test"].images
    i = int(np.flatnonzero(levels(dataset.first("test", 7)) == level("validation", 2))[0])  # of 33x33 pixels
    found = images.batch(np.array([i]))[0].numpy()[..., 0] > 30
    # 29 of 33 columns and 23 rows are seen, of which the square within the frame has 20 in the middle.
    columns, rows = np.flatnonzero(found[8]), np.flatnonzero(found[:, 10])
    assert len(columns) == pytest.approx(20 * 20 / 29, abs=1)
    assert len(rows) == pytest.approx(16 * 20 / 23, abs=1)
    assert columns[0] + columns[-1] == pytest.approx(19, abs=1)


@pytest.mark.slow
def test_random_crops_differ_and_are_mirrored_half_the_time(dataset):
    images, seed = dataset.splits["train"].images, tf.constant([1, 2], tf.int64)
    crops = images.batch(np.zeros(32, int), seed).numpy()
    assert crops.shape == (32, 16, 20, 3)
    assert len({crop.tobytes() for crop in crops}) > 20
    area = (crops[..., 0] > 30).mean((1, 2))
    assert area.min() < 0.5 and area.max() > 0.9, "of small parts and of nearly all"


@pytest.mark.slow
def test_mirroring_is_a_coin_of_each_image(dataset, monkeypatch):
    """With crops of the whole image, which is black but for its left side."""
    monkeypatch.setattr("tf_tickets.data.stored_images.AREA", (0.999, 1.0))
    monkeypatch.setattr("tf_tickets.data.stored_images.ASPECT", (0.99, 1.01))
    left = np.zeros((20, 20, 3), np.uint8)
    left[:, :5] = 200
    monkeypatch.setattr("tf_tickets.data.stored_images._decoded", lambda encoded: tf.constant(left))
    crops = dataset.splits["train"].images.batch(np.zeros(60, int), tf.constant([0, 0], tf.int64)).numpy()
    sides = crops[:, 8, [0, -1], 0] > 100
    assert np.all(sides.sum(1) == 1)
    assert 18 < sides[:, 0].sum() < 42


@pytest.mark.slow
def test_nothing_is_read_before_it_is_asked_for(folder, monkeypatch):
    monkeypatch.setattr(StoredImages, "_read", None)
    raw = read(folder)
    half = raw.train.images[raw.train.labels == 2]
    assert half.shape == (5, 16, 20, 3)
    assert Examples(half, np.full(5, 2)).tensors[0] is half
    with pytest.raises(ValueError, match="These 23 images stay on disk"):
        np.asarray(raw.train.images)


def test_a_validation_split_is_held_out_of_it(dataset):
    rest, held_out = sources.hold_out(dataset.splits["train"], 0.2, seed=0)
    assert (len(rest), len(held_out)) == (18, 5)
    both = [*rest.images.rows, *held_out.images.rows]
    assert sorted(both) == list(range(23))


@pytest.mark.slow
def test_a_run_scores_and_trains_on_it(folder, tmp_path, monkeypatch):
    """The pipeline on the small builder under the big one's name."""
    builder = SmallNet(data_dir=folder)
    monkeypatch.setattr(imagenet.tfds_builders, "open_dataset", lambda name, data_dir: builder)
    given = ["--dataset=tfds:imagenet2012", "--image_size=16", "--model=mlp_8", "--threads=2", "--export="]
    given += ["--epochs=1", "--warmup_epochs=1", "--batch_size=8", "--method=snip", "--sparsity=0.5"]
    with parsed(*given, "--samples_per_class=2", f"--run_dir={tmp_path / 'run'}") as values:
        config.check_flags(values)
        dataset = data.load(values.dataset, image_size=values.image_size)
        settings = config.make_config(values, dataset, replicas=1)
    show = Console(rich.console.Console(file=io.StringIO()))
    with eagerly():
        result = pipeline.run(settings, dataset, training.make_strategy("none"), show)
    assert result["kept"] == round(result["total"] * 0.5)
    assert result["config"]["recipe"]["label_smoothing"] == 0.1


def test_what_needs_all_pixels_at_once_is_refused(dataset):
    for use in (lambda: random_pixels(dataset, seed=0), lambda: dataset.train, lambda: dataset.test):
        with pytest.raises(ValueError, match="images stay on disk"):
            use()
    assert dataset.first("test", 3).shape == (3, *SIZE, 3)
    half = half_dataset(dataset, seed=0).splits["train"]
    assert len(half) == 11 and isinstance(half.images, StoredImages)


@pytest.mark.slow
def test_the_index_is_kept_and_made_anew_for_other_files(folder):
    kept = folder / "small_net" / "1.0.0" / "tf_tickets_index_train.npz"
    first = read(folder).train
    assert kept.is_file()
    whole = kept.read_bytes()
    for damage in (whole[:-30], b"", whole.replace(b"counts", b"c0unts")):
        kept.write_bytes(damage)
        np.testing.assert_array_equal(read(folder).train.labels, first.labels)
        assert kept.read_bytes() == whole, "it is made anew"
    assert read(folder).train.images.fingerprint() == first.images.fingerprint()
    os.utime(kept, (0, 0))
    read(folder)
    assert kept.stat().st_mtime > 0, "older than the files, it is made anew"


def test_a_changed_example_is_another_dataset(dataset, folder):
    images = dataset.splits["train"].images
    other = dataset.replace("train", Examples(images[::-1], dataset.splits["train"].labels))
    assert other.fingerprint != dataset.fingerprint


def test_a_damaged_file_is_named(folder, tmp_path):
    copy = tmp_path / "tfds"
    shutil.copytree(folder, copy)
    for kept in copy.rglob("*.npz"):
        kept.unlink()
    file = min(copy.rglob("*train.tfrecord*"))
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"small_net in .* cannot be read"):
        read(copy)


def test_imagenet_has_its_own_row_and_recipe():
    for name, argument in (
        ("tfds:imagenet2012", "imagenet2012"),
        ("tfds:imagenet2012:5.1.0", "imagenet2012:5.1.0"),
    ):
        source, found = sources.find(name)
        assert (source.read, found) == (imagenet.read, argument)
    assert sources.find("tfds:mnist")[0].read is not imagenet.read
    recipe = source.recipe
    assert (recipe.model, recipe.epochs, recipe.label_smoothing) == ("keras:ResNet50", 100, 0.1)
    rates = [recipe.learning_rate_at(e) for e in (0, 4, 50, 100)]
    # After five epochs of warm-up, a cosine over the 95 that are left.
    half = 0.128 * (1 + math.cos(math.pi * 45 / 95))
    assert rates == pytest.approx([0.256 / 5, 0.256, half, 0])


@pytest.mark.slow
def test_imagenet_that_is_not_prepared_says_what_to_do(tmp_path):
    with pytest.raises((ConnectionError, ValueError, OSError), match="imagenet2012 is not prepared in"):
        data.load("tfds:imagenet2012", data_dir=str(tmp_path))
