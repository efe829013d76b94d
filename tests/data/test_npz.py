"""`npz:FILE`: the user's own arrays."""

import functools
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.formats import labelled_bytes
from tf_tickets import data

IMAGES, LABELS = labelled_bytes(20, (16, 20, 3), 4, seed=0)
TEST_IMAGES, TEST_LABELS = labelled_bytes(8, (16, 20, 3), 4, seed=1)
ARRAYS = {"x_train": IMAGES, "y_train": LABELS, "x_test": TEST_IMAGES, "y_test": TEST_LABELS}


@pytest.fixture
def load(tmp_path):
    def load(standardize="auto", **changes):
        arrays = {**ARRAYS, **changes}
        path = tmp_path / "mine.npz"
        np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
        return data.load(f"npz:{path}", standardize=standardize)

    return load


def both(change):
    return {"x_train": change(IMAGES), "x_test": change(TEST_IMAGES)}


def test_bytes_are_scaled_and_normalised_by_the_training_set(load):
    dataset = load()
    assert (dataset.input_shape, dataset.num_classes) == ((16, 20, 3), 4)
    np.testing.assert_allclose(dataset.preprocessing.mean, (IMAGES / 255).mean((0, 1, 2)))
    x, y = dataset.train
    np.testing.assert_allclose(x.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std((0, 1, 2)), 1, atol=1e-5)
    np.testing.assert_array_equal(y, LABELS)


class TestPixels:
    """What scikit-learn, pandas and lists give is seldom uint8."""

    @pytest.mark.parametrize("dtype", [np.int16, np.int64, np.float16, np.float32, np.float64])
    def test_of_0_to_255_are_bytes_whatever_their_type(self, load, dtype):
        dataset = load(**both(lambda x: x.astype(dtype)))
        assert dataset.fingerprint == load().fingerprint
        np.testing.assert_array_equal(dataset.test[0], load().test[0])
        assert f"0 to 255 as {np.dtype(dtype)}, taken for bytes" in dataset.notes[0]

    @pytest.mark.parametrize(
        "change",
        [
            lambda x: x / 255 * 250 + 0.5,  # resized
            lambda x: x.astype(np.uint16) * 257,
            lambda x: x - 128.0,
            lambda x: x - 127.5,
        ],
    )
    def test_of_other_ranges_that_no_network_takes_are_standardised(self, load, change):
        dataset = load(**both(change))
        np.testing.assert_allclose(dataset.train[0], load().train[0], atol=1e-3)
        assert "standardised by channel" in dataset.notes[0]

    @pytest.mark.parametrize(
        "change",
        [
            lambda x: (x / 255).astype(np.float32),
            lambda x: (x / 127.5 - 1).astype(np.float32),
            lambda x: (x - 120.0) / 70,
            lambda x: x > 127,
            lambda x: (x > 127).astype(np.float32),
            lambda x: (x > 127).astype(np.int64),
        ],
    )
    def test_that_a_network_takes_are_used_as_they_are(self, load, change):
        dataset = load(**both(change))
        np.testing.assert_array_equal(dataset.train[0], change(IMAGES).astype(np.float32))
        assert dataset.notes == ()

    def test_of_0_and_1_as_bytes_are_standardised_too(self, load):
        x, _ = load(**both(lambda x: (x > 127).astype(np.uint8))).train
        np.testing.assert_allclose(x.std((0, 1, 2)), 1, atol=1e-4)

    @pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
    def test_can_be_left_as_they_are(self, load, dtype):
        dataset = load("never", **both(lambda x: x.astype(dtype)))
        np.testing.assert_array_equal(dataset.train[0], IMAGES.astype(np.float32))

    def test_can_be_standardised_always(self, load):
        x, _ = load("always", **both(lambda x: x / 255)).train
        np.testing.assert_allclose(x.std((0, 1, 2)), 1, atol=1e-5)

    @pytest.mark.parametrize(
        ("train", "test"),
        [
            (IMAGES, TEST_IMAGES / 255),
            (IMAGES / 255, TEST_IMAGES),
            (IMAGES.astype(np.float32), TEST_IMAGES / 255),
            (IMAGES / 255, TEST_IMAGES.astype(np.float32)),
            (IMAGES / 255 * 100, TEST_IMAGES / 255),
            (IMAGES / 127.5 - 1, TEST_IMAGES.astype(np.float64)),
            (IMAGES.astype(np.float64), TEST_IMAGES / 127.5 - 1),
            ((IMAGES - 120.0) / 70, TEST_IMAGES.astype(np.float64)),
            ((IMAGES > 127).astype(np.int64), TEST_IMAGES.astype(np.int64)),
            (IMAGES.astype(np.uint16) * 257, TEST_IMAGES),
            (IMAGES, TEST_IMAGES.astype(np.uint16) * 257),
        ],
    )
    def test_in_two_units_are_refused(self, load, train, test):
        with pytest.raises(ValueError, match=r"mine\.npz: x_train holds .*, but x_test .*one unit and type"):
            load(x_train=train, x_test=test)

    def test_of_dark_images_have_the_unit_of_the_others(self, load):
        dark = (TEST_IMAGES > 127).astype(np.int64)
        found = load(x_train=IMAGES.astype(np.int64), x_test=dark)
        assert found.splits["test"].images.dtype == np.uint8

    def test_a_little_beyond_1_are_still_of_0_to_1(self, load):
        def change(x):
            return x / 254.9

        dataset = load(x_train=IMAGES / 255, x_test=change(TEST_IMAGES))
        np.testing.assert_array_equal(dataset.train[0], (IMAGES / 255).astype(np.float32))
        dataset = load(**both(change))
        np.testing.assert_array_equal(dataset.train[0], change(IMAGES).astype(np.float32))

    @pytest.mark.parametrize("channels", [1, 3])
    def test_with_channels_first_are_turned(self, load, channels):
        dataset = load(**both(lambda x: np.moveaxis(x[..., :channels], -1, 1)))
        assert dataset.input_shape == (16, 20, channels)
        assert dataset.fingerprint == load(**both(lambda x: x[..., :channels])).fingerprint
        assert dataset.notes == (f"channels first: {channels} of 16x20, which are put last",)

    @pytest.mark.parametrize("shape", [(3, 4, 16), (2, 16, 20), (16, 20, 3), (3, 3, 3)])
    def test_of_which_it_is_not_evident_stay_as_they_are(self, load, shape):
        r = np.random.default_rng(0)
        found = load(
            x_train=r.integers(0, 256, (20, *shape)).astype(np.uint8),
            x_test=r.integers(0, 256, (8, *shape)).astype(np.uint8),
        )
        assert found.input_shape == shape


class TestLabels:
    NAMES = np.array(["plane", "bird", "cat", "dog"])

    @pytest.mark.parametrize(
        "change",
        [
            lambda y: np.eye(4, dtype=int)[y],
            lambda y: np.eye(4, dtype=np.float32)[y],
            lambda y: np.eye(4, dtype=bool)[y],
            lambda y: y.astype(np.float64),
            lambda y: y.astype(np.float16),
            lambda y: y[:, None].astype(np.float32),
        ],
    )
    def test_of_one_meaning_are_one_dataset(self, load, change):
        found = load(y_train=change(LABELS), y_test=change(TEST_LABELS))
        assert found.fingerprint == load().fingerprint

    @pytest.mark.parametrize("kind", ["U", "S"])
    def test_may_be_names(self, load, kind):
        names = self.NAMES.astype(kind)
        dataset = load(y_train=names[LABELS], y_test=names[TEST_LABELS])
        order = np.argsort(np.argsort(names))
        np.testing.assert_array_equal(dataset.train[1], order[LABELS])
        np.testing.assert_array_equal(dataset.test[1], order[TEST_LABELS])
        assert dataset.notes == ("labels: 4 names in the order of the alphabet, bird, cat, dog, ...",)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"y_test": NAMES[TEST_LABELS]}, "y_train holds whole numbers, but y_test names"),
            ({"y_train": np.full((20, 4), 0.25)}, "y_train holds rows of numbers, but y_test whole numbers"),
            ({"y_train": np.ones((20, 4), int)}, "y_train holds rows of 0 and 1, but y_test whole numbers"),
            ({"y_train": LABELS + 0.5}, "y_train holds numbers, but y_test whole numbers"),
            ({"y_train": LABELS * np.nan}, "y_train holds NaN"),
            (
                {"y_train": np.eye(4)[LABELS], "y_test": np.eye(5)[TEST_LABELS]},
                "4 columns of classes, but y_test 5",
            ),
            (
                {"y_train": NAMES[:2][LABELS % 2], "y_test": NAMES[TEST_LABELS]},
                "classes that y_train lacks: cat, dog",
            ),
        ],
    )
    def test_that_are_none_are_refused(self, load, changes, message):
        with pytest.raises(ValueError, match=message):
            load(**changes)


# A table: years, money, a flag, a code, and a column that is constant while training.
ROWS = np.random.default_rng(2)
TABLE = np.stack(
    [
        ROWS.integers(1950, 2020, 300),
        ROWS.lognormal(10, 1, 300),
        ROWS.integers(0, 2, 300),
        ROWS.normal(1e-4, 1e-6, 300),
        np.full(300, 0.1),
    ],
    axis=1,
)
CLASSES = (TABLE[:, 0] > 1985).astype(int)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_each_feature_of_a_table_is_standardised_by_the_training_rows(load, dtype):
    table = TABLE.astype(dtype)
    later = table + np.array([7, 0, 0, 0, 5], dtype)
    dataset = load(x_train=table, y_train=CLASSES, x_test=later, y_test=CLASSES)
    x, _ = dataset.train
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(x.std(0), np.where(np.ptp(table, 0) > 0, 1, 0), atol=1e-3)
    test = dataset.test[0]
    assert np.isfinite(test).all()
    np.testing.assert_allclose(test[:, 0] - x[:, 0], 7 / table[:, 0].std(), rtol=1e-3)
    np.testing.assert_allclose(test[:, -1], 5, atol=1e-6)


def test_vectors_of_bytes_are_pixels_with_one_scale_for_all(load):
    pixels = ROWS.integers(0, 256, (20, 9)).astype(np.uint8)
    assert len(load(x_train=pixels, x_test=pixels[:8]).preprocessing.mean) == 1


def test_a_table_cannot_be_augmented(load):
    dataset = load(x_train=TABLE, y_train=CLASSES, x_test=TABLE, y_test=CLASSES)
    with pytest.raises(ValueError, match=r"has no augmentation \(its examples are small images or vectors"):
        dataset.batches("train", 8, augment=True)


def test_grey_images_get_a_channel_axis(load):
    assert load(**both(lambda x: x[..., 0])).input_shape == (16, 20, 1)


def test_labels_may_be_a_column(load):
    dataset = load(y_train=LABELS[:, None], y_test=TEST_LABELS[:, None])
    np.testing.assert_array_equal(dataset.train[1], LABELS)


@pytest.mark.parametrize(
    ("shape", "model", "width", "augment"),
    [
        ((16, 20, 3), "resnet32", 1.0, True),
        ((15, 64, 1), "resnet20", 0.5, False),
        ((12,), "lenet_300_100", 1.0, False),
    ],
)
def test_the_shape_chooses_the_recipe(load, shape, model, width, augment):
    dataset = load(x_train=np.zeros((20, *shape)), x_test=np.zeros((8, *shape)))
    recipe = dataset.recipe
    assert (recipe.model, recipe.width, recipe.augment) == (model, width, augment)
    assert dataset.preprocessing.augments == augment


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": None}, "lacks x_test; found"),
        ({"x_train": np.array([[object()]] * 20)}, "allow_pickle"),
        ({"y_train": LABELS[:-1]}, "19 labels for 20 examples"),
        ({"y_train": LABELS.astype(str)}, "y_train holds names, but y_test whole numbers"),
        ({"y_train": LABELS.astype(complex)}, "labels: whole numbers or names"),
        ({"y_train": LABELS.astype(int) - 1}, "labels must be 0 or more"),
        ({"y_train": LABELS + 1}, "1 to 4 without 0"),
        ({"y_train": LABELS.astype(np.int64) + 2**32}, "31 bits"),
        ({"y_train": LABELS * 0}, "at least 2 classes"),
        ({"y_test": TEST_LABELS + 1}, "0 to 3. Received: 4"),
        ({"x_test": TEST_IMAGES[:, 1:]}, "one shape"),
        ({"x_train": IMAGES[0, 0, 0]}, "x_train must hold numbers"),
        ({"x_train": IMAGES[:0]}, "not be empty"),
        ({"x_train": IMAGES.astype(complex)}, "complex128"),
        ({"x_train": np.full(IMAGES.shape, np.nan)}, "NaN"),
        ({"x_train": np.full(IMAGES.shape, 1e300)}, "beyond float32"),
    ],
)
def test_arrays_that_are_no_dataset_are_refused(load, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message) as error:
        load(**changes)
    if "labels must be 0 or more" not in message and "31 bits" not in message:
        assert "mine.npz" in str(error.value)


def test_a_missing_file_says_what_is_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match="x_train, y_train, x_test, y_test"):
        data.load(f"npz:{tmp_path / 'none.npz'}")


def test_a_bare_array_is_no_archive(tmp_path):
    np.save(tmp_path / "bare.npy", IMAGES)
    with pytest.raises(ValueError, match="one bare array"):
        data.load(f"npz:{tmp_path / 'bare.npy'}")


@pytest.mark.slow
@given(position=st.floats(0, 1, exclude_max=True), junk=st.binary(min_size=1, max_size=64))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_a_value_error_or_still_whole(tmp_path, position, junk):
    path = tmp_path / "damaged.npz"
    np.savez_compressed(path, **ARRAYS)
    content = bytearray(path.read_bytes())
    start = int(position * len(content))
    content[start : start + len(junk)] = junk
    path.write_bytes(content)
    try:
        data.load(f"npz:{path}")
    except ValueError as error:
        assert str(error)


class TestMemory:
    """A file of two gigabytes must fit where there are three."""

    @pytest.mark.slow
    @pytest.mark.parametrize("fraction", [0.0, 0.1])
    @pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
    def test_that_reading_takes_is_the_files_size_and_half_of_it(self, tmp_path, dtype, fraction):
        size = 4_000_000 // np.dtype(dtype).itemsize  # some pieces
        x = np.random.default_rng(0).integers(0, 256, (size // 16, 4, 12)).astype(dtype)
        if np.dtype(dtype).kind == "f":
            x /= 256
        y = np.arange(len(x), dtype=np.uint8) % 10
        np.savez(tmp_path / "mine.npz", x_train=x, y_train=y, x_test=x[:100], y_test=y[:100])
        del x
        load = functools.partial(data.load, f"npz:{tmp_path / 'mine.npz'}", validation_fraction=fraction)
        load().splits["train"].tensors  # noqa: B018 - what is imported first
        tracemalloc.start()
        try:
            dataset = load()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 1.5 * (tmp_path / "mine.npz").stat().st_size
        images = dataset.splits["train"].images
        assert np.shares_memory(np.asarray(memoryview(dataset.splits["train"].tensors[0])), images)

    def test_that_is_not_there_is_told_before_it_is_taken(self, load, monkeypatch):
        monkeypatch.setattr("tf_tickets.support.memory.available_bytes", lambda: 1000.0)
        with pytest.raises(ValueError, match=r"mine\.npz needs 26\.9 kB of memory, and 1 kB can be had here"):
            load()
