"""`load`: the table of datasets, what each row promises, and what is refused."""

import subprocess
import sys

import keras  # noqa: F401  the package's rule: keras before tensorflow
import numpy as np
import pytest
import sklearn.datasets
import sklearn.model_selection

from tests.data.formats import labelled_bytes, write_idx_folder
from tf_tickets import data
from tf_tickets.data import sources


def test_the_table_lists_every_kind_of_dataset():
    assert list(data.SOURCES) == [
        "digits",
        "mnist1d",
        "cifar10",
        "cifar100",
        "fashion_mnist",
        "tiny_imagenet",
        "tfds:NAME",
        "tfds:imagenet2012",
        "idx:DIR",
        "words:FILE",
        "images:DIR",
        "npz:FILE",
        "csv:FILE",
        "parquet:FILE",
    ]
    assert all(source.about for source in data.SOURCES.values())


@pytest.mark.parametrize(("name", "epochs"), [("cifar10", 160), ("cifar100", 160), ("tiny_imagenet", 300)])
def test_the_papers_datasets_come_with_the_papers_recipe(name, epochs):
    source = data.SOURCES[name]
    recipe = source.recipe
    assert (recipe.model, recipe.width, recipe.epochs) == ("resnet32", 1.0, epochs)
    assert (recipe.batch_size, recipe.learning_rate, recipe.momentum) == (64, 0.1, 0.9)
    assert (recipe.weight_decay, recipe.nesterov, recipe.augment) == (1e-4, False, True)
    drops = [e for e in range(1, epochs) if recipe.learning_rate_at(e) < recipe.learning_rate_at(e - 1)]
    assert drops == [epochs // 2, epochs * 3 // 4]
    assert source.crop
    assert source.flip


# ------------------------------------------------------------------ digits


def test_digits_are_the_real_ones_and_always_split_alike():
    dataset = data.load("digits")
    train, test = dataset.splits["train"], dataset.splits["test"]
    assert (len(train), len(test), dataset.num_classes) == (1437, 360, 10)
    assert (train.images.dtype, train.images.max(), dataset.input_shape) == (
        np.uint8,
        16,
        (8, 8, 1),
    )
    assert np.bincount(test.labels).tolist() == [36, 36, 35, 37, 36, 37, 36, 36, 35, 36]
    other = data.load("digits", seed=5)
    np.testing.assert_array_equal(other.splits["train"].images, train.images)


def test_digits_are_read_and_split_as_scikit_learn_does_it():
    digits = sklearn.datasets.load_digits()
    parts = sklearn.model_selection.train_test_split(
        digits.images, digits.target, test_size=0.2, random_state=0, stratify=digits.target
    )
    splits = data.load("digits").splits
    found = [getattr(splits[split], part) for part in ("images", "labels") for split in ("train", "test")]
    for ours, theirs in zip(found, parts, strict=True):
        np.testing.assert_array_equal(np.squeeze(ours), theirs)


def test_digits_are_normalised_and_small_enough_for_a_minute():
    dataset = data.load("digits")
    x, _ = dataset.train
    np.testing.assert_allclose((x.mean(), x.std()), (0, 1), atol=1e-4)
    np.testing.assert_allclose(x.min(), -0.30538 / 0.37612, rtol=1e-6)
    recipe = dataset.recipe
    assert (recipe.model, recipe.width, recipe.epochs) == ("resnet20", 0.5, 30)
    assert not recipe.augment
    with pytest.raises(ValueError, match="digits has no augmentation"):
        dataset.batches("train", 64, augment=True)


# ------------------------------------------------------------------ options


def test_validation_comes_out_of_the_training_set_and_the_test_set_stays():
    whole, part = data.load("digits"), data.load("digits", validation_fraction=0.1, seed=3)
    assert list(part.splits) == ["train", "test", "validation"]
    assert (len(part.splits["train"]), len(part.splits["validation"])) == (1293, 144)
    np.testing.assert_array_equal(part.splits["test"].images, whole.splits["test"].images)
    x, y = part.validation
    assert (x.shape, y.shape) == ((144, 8, 8, 1), (144,))
    assert len(list(part.batches("validation", 50))) == 3


def test_computed_statistics_know_nothing_of_the_validation_split(tmp_path):
    folder = write_idx_folder(
        tmp_path / "idx", labelled_bytes(40, (5, 5), 2, 0), labelled_bytes(4, (5, 5), 2, 1)
    )
    dataset = data.load(f"idx:{folder}", validation_fraction=0.5)
    x, _ = dataset.train
    np.testing.assert_allclose((x.mean(), x.std()), (0, 1), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "shape"), [(16, (16, 16, 1)), ((12, 10), (12, 10, 1))])
def test_image_size_resizes_both_splits(size, shape):
    dataset = data.load("digits", image_size=size)
    assert dataset.input_shape == shape
    assert {e.images.shape[1:] for e in dataset.splits.values()} == {shape}
    images = dataset.splits["train"].images
    assert (images.dtype, images.max()) == (np.uint8, 16)


def test_an_image_size_that_cannot_be_held_is_told_before_work_on_any_split(monkeypatch):
    """The training images alone would fit."""
    monkeypatch.setattr("tf_tickets.support.memory.available_bytes", lambda: 16.0**2 * 1500)
    with pytest.raises(ValueError, match=r"image_size=\(16, 16\) of 1,797 images needs 460 kB of memory"):
        data.load("digits", image_size=16)


def test_vectors_have_no_image_size(tmp_path):
    x, y = labelled_bytes(4, (6,), 2, 0)
    np.savez(tmp_path / "vectors.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    with pytest.raises(ValueError, match=r"image_size.*vectors of 6 features"):
        data.load(f"npz:{tmp_path / 'vectors.npz'}", image_size=8)


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize("name", ["cifar", "mnist", "", "digits:x", "tfds", 3, None])
def test_an_unknown_name_lists_what_there_is(name):
    with pytest.raises(ValueError, match="Unknown dataset") as error:
        data.load(name)
    assert all(row in str(error.value) for row in data.SOURCES)


def test_a_near_miss_is_told():
    with pytest.raises(ValueError, match="Did you mean cifar100"):
        data.load("cifar_100")


@pytest.mark.parametrize("prefix", ["tfds:", "idx:", "npz:"])
def test_a_prefix_needs_what_follows(prefix):
    with pytest.raises(ValueError, match=f"lacks.*{prefix}"):
        data.load(prefix)


@pytest.mark.parametrize(
    "options",
    [
        {"seed": -1},
        {"seed": 0.5},
        {"seed": True},
        {"validation_fraction": -0.1},
        {"validation_fraction": 0.6},
        {"validation_fraction": float("nan")},
        {"validation_fraction": "0.1"},
        {"image_size": 0},
        {"image_size": (8,)},
        {"image_size": (8, 8, 1)},
        {"image_size": 8.0},
        {"image_size": True},
        {"image_size": "8"},
    ],
)
def test_options_out_of_range_are_refused_before_anything_is_read(options, monkeypatch):
    monkeypatch.setattr(sources, "SOURCES", {"digits": None})
    ((option, value),) = options.items()
    with pytest.raises(ValueError, match=option) as error:
        data.load("digits", **options)
    assert repr(value) in str(error.value)


# ------------------------------------------------------------------ cost


@pytest.mark.slow
def test_importing_the_table_imports_none_of_the_big_libraries():
    code = (
        "import sys, tf_tickets.data.sources; "
        "big = {'tensorflow', 'keras', 'tensorflow_datasets', 'sklearn', 'scipy'}; "
        "print(sorted(big & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
