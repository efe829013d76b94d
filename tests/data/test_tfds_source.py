"""TensorFlow Datasets: its own builders on small archives in their true formats."""

import gzip

import keras  # noqa: F401  the package's rule: keras before tensorflow
import numpy as np
import pytest
import requests
import tensorflow_datasets as tfds
from tensorflow_datasets.image_classification import mnist
from tensorflow_datasets.image_classification.cifar import Cifar10, Cifar100

from tests.data.formats import cifar_records, idx_bytes, labelled_bytes, tar_gz
from tf_tickets import data

# ------------------------------------------------------------------ the real builders

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR100_URL = "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"


def cifar10_archive(train, test):
    names = "\n".join(f"class{label}" for label in range(10)).encode()
    files = {"batches.meta.txt": names, "test_batch.bin": cifar_records(*test)}
    for number in range(5):
        part = slice(number, None, 5)
        files[f"data_batch_{number + 1}.bin"] = cifar_records(train[0][part], train[1][part])
    return tar_gz({f"cifar-10-batches-bin/{name}": content for name, content in files.items()})


def cifar100_archive(train, test):
    def records(images, labels):
        return cifar_records(images, labels // 5, labels)

    files = {
        "coarse_label_names.txt": "\n".join(f"coarse{label}" for label in range(20)).encode(),
        "fine_label_names.txt": "\n".join(f"fine{label}" for label in range(100)).encode(),
        "train.bin": records(*train),
        "test.bin": records(*test),
    }
    return tar_gz({f"cifar-100-binary/{name}": content for name, content in files.items()})


def mnist_archives(train, test):
    url = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    return {
        f"{url}{part}-{what}-idx{array.ndim}-ubyte.gz": gzip.compress(idx_bytes(array))
        for part, arrays in (("train", train), ("t10k", test))
        for what, array in zip(("images", "labels"), arrays, strict=True)
    }


def as_pairs(images, labels):
    """The examples as a sorted list: TFDS stores them in an order of its own."""
    return sorted((image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True))


def assert_holds(dataset, train, test):
    for split, (images, labels) in (("train", train), ("test", test)):
        found = dataset.splits[split]
        assert as_pairs(found.images, found.labels) == as_pairs(images, labels)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "builder", "url", "archive", "classes"),
    [
        ("cifar10", Cifar10, CIFAR10_URL, cifar10_archive, 10),
        ("cifar100", Cifar100, CIFAR100_URL, cifar100_archive, 100),
    ],
)
def test_cifar_is_read_from_its_archive_without_a_network(
    name, builder, url, archive, classes, tmp_path, hand_copied, no_network
):
    train = labelled_bytes(2 * classes, (32, 32, 3), classes, seed=0)
    test = labelled_bytes(classes, (32, 32, 3), classes, seed=1)
    hand_copied(builder, {url: archive(train, test)}, tmp_path)

    dataset = data.load(name, data_dir=str(tmp_path))

    assert (dataset.name, dataset.input_shape, dataset.num_classes) == (name, (32, 32, 3), classes)
    assert_holds(dataset, train, test)
    assert dataset.preprocessing.crop
    assert dataset.preprocessing.flip
    again = data.load(name, data_dir=str(tmp_path))  # now prepared: the same, in the same order
    np.testing.assert_array_equal(again.train[0], dataset.train[0])
    np.testing.assert_array_equal(again.train[1], dataset.train[1])


@pytest.mark.slow
def test_fashion_mnist_is_read_from_its_archives(tmp_path, hand_copied, no_network, monkeypatch):
    train, test = labelled_bytes(30, (28, 28), 10, 0), labelled_bytes(10, (28, 28), 10, 1)
    # The builder skips the headers and expects as many images as the real files hold.
    monkeypatch.setattr(mnist, "_TRAIN_EXAMPLES", 30)
    monkeypatch.setattr(mnist, "_TEST_EXAMPLES", 10)
    hand_copied(mnist.FashionMNIST, mnist_archives(train, test), tmp_path)
    dataset = data.load("fashion_mnist", data_dir=str(tmp_path))
    assert (dataset.input_shape, dataset.num_classes) == ((28, 28, 1), 10)
    assert_holds(dataset, train, test)
    assert (dataset.preprocessing.mean, dataset.preprocessing.std) == ((0.2860,), (0.3530,))
    assert dataset.recipe.model == "lenet_300_100"


# ------------------------------------------------------------------ any other dataset


def define(name, features, make, splits=("train", "test"), supervised_keys=("image", "label")):
    """Registers a builder `name` whose splits hold `make(split)`, a list of examples."""

    def info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=supervised_keys,
        )

    def generate(self, split):
        yield from enumerate(make(split))

    members = {
        "name": name,
        "VERSION": tfds.core.Version("1.0.0"),
        "url_infos": None,  # TFDS 4.9.7 looks for them beside the module, and tests/ is no package
        "_info": info,
        "_split_generators": lambda self, manager: {s: self._generate_examples(s) for s in splits},
        "_generate_examples": generate,
        "__module__": __name__,
    }
    return type(name.title(), (tfds.core.GeneratorBasedBuilder,), members)


def pictures(sizes, n=12):
    def make(split):
        rng = np.random.default_rng(len(split))
        for i in range(n):
            shape = (*sizes[i % len(sizes)], 3)
            yield {"image": rng.integers(0, 256, shape, np.uint8), "label": i % 3}

    return make


IMAGE = {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(num_classes=3)}


def vectors(split):
    rng = np.random.default_rng(len(split))
    for i in range(20):
        yield {"measurements": rng.normal((5, -100), (1, 30)).astype(np.float32), "kind": i % 2}


VECTOR = {
    "measurements": tfds.features.Tensor(shape=(2,), dtype=np.float32),
    "kind": np.int64,
}

define("my_pictures", IMAGE, pictures([(20, 24)]), splits=("train", "validation"))
define("my_mixed", IMAGE, pictures([(20, 24), (8, 9)]))
define("my_vectors", VECTOR, vectors, supervised_keys=("measurements", "kind"))
define("my_trainless", IMAGE, pictures([(8, 8)]), splits=("train",))
define("my_words", {"text": tfds.features.Text(), "label": np.int64}, lambda split: [], (), None)
define(
    "my_named",
    {"image": tfds.features.Image(), "label": tfds.features.Text()},
    lambda split: [],
    (),
)
define(
    "my_unlabelled",
    IMAGE,
    lambda split: [
        {"image": np.zeros((8, 8, 3), np.uint8), "label": i % 3 if split == "train" else -1} for i in range(6)
    ],
)


def broken(split):
    raise KeyError("a dataset's own trouble")


define("my_broken", IMAGE, broken)


@pytest.mark.slow
def test_images_of_one_size_need_no_image_size(tmp_path):
    dataset = data.load("tfds:my_pictures", data_dir=str(tmp_path))
    assert (dataset.input_shape, dataset.num_classes) == ((20, 24, 3), 3)
    assert (len(dataset.splits["train"]), len(dataset.splits["test"])) == (12, 12)
    x, _ = dataset.train
    np.testing.assert_allclose(x.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std((0, 1, 2)), 1, atol=1e-5)
    recipe = dataset.recipe
    assert (recipe.model, recipe.epochs, recipe.augment) == ("resnet32", 60, True)


@pytest.mark.slow
def test_images_of_several_sizes_ask_for_image_size(tmp_path):
    with pytest.raises(ValueError, match=r"\(20, 24\) and \(8, 9\).*image_size="):
        data.load("tfds:my_mixed", data_dir=str(tmp_path))
    dataset = data.load("tfds:my_mixed", data_dir=str(tmp_path), image_size=10)
    assert dataset.input_shape == (10, 10, 3)
    assert dataset.splits["train"].images.dtype == np.uint8
    assert dataset.recipe.model == "resnet20"
    assert not dataset.preprocessing.augments


@pytest.mark.slow
def test_vectors_are_found_by_the_supervised_keys_and_standardised(tmp_path):
    dataset = data.load("tfds:my_vectors", data_dir=str(tmp_path))
    assert (dataset.input_shape, dataset.num_classes) == ((2,), 2)
    x, _ = dataset.train
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(0), 1, atol=1e-5)
    assert dataset.recipe.model == "lenet_300_100"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_trainless", "splits train, but a train split and a test"),
        ("my_words", "no image and label features: .*text"),
        ("my_named", "'label' must be one whole-number class"),
        ("my_unlabelled", "test split has no labels"),
        ("my_broken", "a dataset's own trouble"),
        ("my_pictures/no_such_config", "my_pictures/no_such_config cannot be opened"),
        ("my_pictures:9.9.9", "my_pictures:9.9.9 cannot be opened"),
        ("my pictures!", "my pictures!"),
    ],
)
def test_a_dataset_that_does_not_fit_is_refused(name, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        data.load(f"tfds:{name}", data_dir=str(tmp_path))


@pytest.mark.slow
def test_an_unknown_name_lists_close_ones(tmp_path):
    with pytest.raises(ValueError, match=r"no dataset 'cifar1O'.*Close names:.*cifar10"):
        data.load("tfds:cifar1O", data_dir=str(tmp_path))


@pytest.mark.slow
def test_damaged_records_are_named(tmp_path):
    data.load("tfds:my_pictures", data_dir=str(tmp_path))
    (file,) = tmp_path.glob("my_pictures/1.0.0/*train*.tfrecord*")
    content = file.read_bytes()
    for length in (0, len(content) // 2):
        file.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"my_pictures/1\.0\.0 cannot be read.*Delete that"):
            data.load("tfds:my_pictures", data_dir=str(tmp_path))


@pytest.mark.slow
def test_damaged_information_is_named(tmp_path):
    data.load("tfds:my_pictures", data_dir=str(tmp_path))
    (tmp_path / "my_pictures" / "1.0.0" / "dataset_info.json").write_text("{")
    with pytest.raises(ValueError, match="my_pictures cannot be opened"):
        data.load("tfds:my_pictures", data_dir=str(tmp_path))


# ------------------------------------------------------------------ no network


def test_without_a_network_the_error_comes_at_once_and_says_what_to_do(tmp_path, no_network):
    with pytest.raises(ConnectionError) as error:
        data.load("cifar10", data_dir=str(tmp_path))
    for part in (
        "cifar10 is not prepared in",
        str(tmp_path),
        "cifar-10-binary.tar.gz",
        "downloads/manual",
        "copy the folder",
        "idx:DIR",
        "npz:FILE",
    ):
        assert part in str(error.value)


def test_a_download_that_breaks_off_is_a_connection_error(tmp_path, monkeypatch):
    def broken_off(self, **options):
        raise requests.ConnectionError("Connection reset by peer")

    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **kwargs: [])
    monkeypatch.setattr(Cifar10, "download_and_prepare", broken_off)
    with pytest.raises(ConnectionError, match=r"not prepared in.*Connection reset by peer"):
        data.load("cifar10", data_dir=str(tmp_path))


def test_an_archive_that_is_not_the_original_is_refused(tmp_path, no_network):
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    (manual / "cifar-10-binary.tar.gz").write_bytes(b"something else")
    with pytest.raises(ValueError, match="wrong checksum"):
        data.load("cifar10", data_dir=str(tmp_path))
