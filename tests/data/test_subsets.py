"""Other splits of the same examples, and fewer of them: `split_seed` and `train_examples`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runs import configure
from tf_tickets import config, data
from tf_tickets.data import Examples, sources
from tf_tickets.data.subsets import first_examples, split_anew, stratified_order
from tf_tickets.results import Setting


def numbered(labels, first=0):
    """Examples whose one feature is their number."""
    numbers = np.arange(first, first + len(labels), dtype=np.float32)
    return Examples(numbers[:, None], np.asarray(labels))


def numbers_of(examples):
    return examples.images[:, 0].astype(int)


@pytest.mark.slow
@given(labels=st.lists(st.integers(0, 5), min_size=1, max_size=200), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=100, deadline=None)
def test_every_beginning_of_the_order_has_each_class_in_proportion(labels, seed):
    order = stratified_order(np.asarray(labels), seed)
    np.testing.assert_array_equal(np.sort(order), np.arange(len(labels)))
    sizes, seen = np.bincount(labels, minlength=6), np.zeros(6)
    for count, row in enumerate(order, start=1):
        seen[labels[row]] += 1
        shares = sizes / len(labels)
        assert (np.abs(seen - count * shares) <= 0.5 + 0.5 * len(sizes) * shares).all()


class TestSplitAnew:
    LABELS = np.repeat([0, 1, 2], [60, 30, 10])

    @pytest.fixture
    def parts(self):
        return numbered(self.LABELS[20:], 20), numbered(self.LABELS[:20])

    def test_the_same_examples_in_parts_of_the_same_sizes_class_by_class(self, parts):
        train, test = split_anew(*parts, seed=1)
        assert (len(train), len(test)) == (80, 20)
        both = np.concatenate([numbers_of(train), numbers_of(test)])
        np.testing.assert_array_equal(np.sort(both), np.arange(100))
        np.testing.assert_array_equal(np.bincount(test.labels), [12, 6, 2])
        for part in (train, test):
            np.testing.assert_array_equal(part.labels, self.LABELS[numbers_of(part)])

    def test_a_seed_is_one_split_and_another_seed_another(self, parts):
        first, again, other = (numbers_of(split_anew(*parts, seed=seed)[1]) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert set(first) != set(other)

    def test_examples_without_classes_are_drawn_from_all(self):
        targets = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
        x = np.arange(30, dtype=np.float32)[:, None]
        train, test = split_anew(Examples(x[:20], targets[:20]), Examples(x[20:], targets[20:]), seed=0)
        assert (len(train), len(test)) == (20, 10)
        np.testing.assert_array_equal(test.labels, targets[numbers_of(test)])

    @pytest.mark.slow
    def test_of_a_dataset_that_is_loaded_nothing_but_the_split_differs(self):
        usual, anew = data.load("digits"), data.load("digits", split_seed=0)
        assert [len(anew.splits[split]) for split in ("train", "test")] == [1437, 360]
        both = sum(np.bincount(part.labels) for part in anew.splits.values())
        np.testing.assert_allclose(np.bincount(anew.splits["test"].labels), both * 360 / 1797, atol=1)
        pools = [
            np.sort(
                np.concatenate([part.images.reshape(len(part), -1) for part in dataset.splits.values()]),
                axis=0,
            )
            for dataset in (usual, anew)
        ]
        np.testing.assert_array_equal(*pools)
        assert usual.fingerprint != anew.fingerprint
        assert any("split_seed=0" in note for note in anew.notes)

    def test_images_that_stay_on_disk_are_not_pooled(self):
        with pytest.raises(ValueError, match=r"^split_seed=1 is not for tfds:imagenet2012: its images stay"):
            data.load("tfds:imagenet2012", split_seed=1)
        with pytest.raises(ValueError, match=r"^--split_seed=1 is not for tfds:imagenet2012"):
            configure("--dataset=tfds:imagenet2012", "--split_seed=1")

    @pytest.mark.parametrize("seed", [-1, 0.5, True, "1"])
    def test_a_seed_is_a_whole_number(self, seed):
        with pytest.raises(ValueError, match="split_seed must be a whole number, 0 or more"):
            sources.check_subsets("digits", seed, None)


class TestFewerExamples:
    def test_fewer_are_among_more_and_each_class_has_its_share(self):
        examples = numbered(np.repeat([0, 1], [80, 20]))
        few, more = first_examples(examples, 10), first_examples(examples, 50)
        assert set(numbers_of(few)) < set(numbers_of(more))
        np.testing.assert_array_equal(np.bincount(few.labels), [8, 2])
        np.testing.assert_array_equal(numbers_of(more), np.sort(numbers_of(more)))

    def test_validation_comes_out_of_them_and_the_test_set_stays(self):
        whole = data.load("digits")
        part = data.load("digits", train_examples=500, validation_fraction=0.2)
        assert {split: len(x) for split, x in part.splits.items()} == {
            "train": 400,
            "validation": 100,
            "test": 360,
        }
        np.testing.assert_array_equal(part.splits["test"].images, whole.splits["test"].images)
        assert any("the first 500 of 1,437" in note for note in part.notes)

    def test_more_than_there_are_and_classes_without_any_are_refused(self):
        examples = numbered(np.repeat([0, 1], [80, 20]))
        with pytest.raises(ValueError, match="train_examples=101: there are only 100 training examples"):
            first_examples(examples, 101)
        with pytest.raises(ValueError, match="train_examples=1 leaves a class, of 2, without an example"):
            first_examples(examples, 1)
        with pytest.raises(ValueError, match="train_examples must be a whole number, 1 or more"):
            data.load("digits", train_examples=0)


class TestRuns:
    @pytest.mark.parametrize("flag", ["--split_seed=0", "--train_examples=500"])
    def test_another_split_is_another_run_and_another_setting(self, flag):
        usual, _ = configure()
        other, _ = configure(flag)
        assert config.digest(other.identity) != config.digest(usual.identity)
        assert config.digest(other.dense_identity) != config.digest(usual.dense_identity)
        assert Setting.of(other.to_json()) != Setting.of(usual.to_json())

    def test_a_run_says_of_which_split_it_is(self):
        made, dataset = configure("--split_seed=3", "--train_examples=500")
        assert (made.split_seed, made.train_examples) == (3, 500)
        assert len(dataset.splits["train"]) == 500
