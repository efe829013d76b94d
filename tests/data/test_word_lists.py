"""Words and their languages: lists in their true format become a dataset, and `words:FILE` reads it."""

import json
import sys

import numpy as np
import pytest
import snowballstemmer

from tests.data.formats import word_lists
from tests.runs import configure
from tf_tickets import data
from tf_tickets.data.languages import ALPHABET, one_hot
from tf_tickets.data.word_lists import build


@pytest.fixture
def lists(tmp_path):
    return word_lists(tmp_path)


@pytest.fixture
def made(lists):
    return build(lists, train=4, test=2)


def words_of(rows):
    """The words that one-hot rows stand for."""
    places = rows.reshape(len(rows), -1, len(ALPHABET))
    return ["".join(ALPHABET[place.argmax()] for place in word if place.any()) for word in places]


def saved(tmp_path, arrays):
    path = tmp_path / "words.npz"
    np.savez_compressed(path, **arrays)
    return f"words:{path}"


class TestWords:
    def test_are_rows_of_one_hot_letters_with_zeros_behind_their_ends(self):
        rows = one_hot(["abz", "c"], 4)
        assert (rows.shape, rows.dtype) == ((2, 4 * 26), np.uint8)
        assert np.flatnonzero(rows[0]).tolist() == [0, 26 + 1, 2 * 26 + 25]
        assert np.flatnonzero(rows[1]).tolist() == [2]

    def test_of_all_languages_are_as_many(self, made):
        arrays, _ = made
        assert arrays["languages"].tolist() == ["english", "french"]
        np.testing.assert_array_equal(np.bincount(arrays["y_train"]), [4, 4])
        np.testing.assert_array_equal(np.bincount(arrays["y_test"]), [2, 2])

    def test_have_no_stem_in_common(self, made):
        arrays, _ = made
        labels = np.concatenate([arrays["y_train"], arrays["y_test"]])
        words = words_of(np.concatenate([arrays["x_train"], arrays["x_test"]]))
        stemmers = [snowballstemmer.stemmer(language) for language in arrays["languages"]]
        stems = [stemmers[label].stemWord(word) for label, word in zip(labels, words, strict=True)]
        assert len(set(stems)) == len(words) == 12

    def test_are_written_in_lowercase_in_their_list_and_fit(self, made):
        words = words_of(np.concatenate([made[0]["x_train"], made[0]["x_test"]]))
        assert not {"london", "paris", "it", "uncharacteristically", "dont"} & set(words)
        assert all(4 <= len(word) <= 12 for word in words)

    def test_of_two_languages_are_left_out_and_accents_are_taken_off(self, lists):
        arrays, _ = build(lists, train=6, test=2)  # all that there are of the French ones
        words = words_of(np.concatenate([arrays["x_train"], arrays["x_test"]]))
        assert "table" not in words
        assert len({"foret", "forets"} & set(words)) == len({"ecole", "ecoles"} & set(words)) == 1

    def test_are_drawn_alike_by_a_seed_and_otherwise_by_another(self, lists):
        first, again, other = (build(lists, 4, 2, seed=seed)[0]["x_train"] for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()


class TestTheRecord:
    def test_says_where_words_are_from_and_how_many_were_left(self, made):
        _, record = made
        json.dumps(record)
        french = record["languages"][1]
        assert (french["language"], french["file"], french["train"], french["test"]) == ("french", "fr", 4, 2)
        assert french["licence"] == "unknown: see where the list is from"
        steps = [
            french[name] for name in ("words", "words_of_no_other_language", "stems_of_no_other_language")
        ]
        assert steps == [13, 12, 8]
        assert record["seed"] == 0
        assert "snowballstemmer" in record["rules"]["stems"]


class TestErrors:
    def test_more_words_than_there_are(self, lists):
        with pytest.raises(ValueError, match="french: 9 words are asked for, and its list has 8 stems"):
            build(lists, train=7, test=2)

    def test_a_language_without_a_stemmer(self, lists):
        with pytest.raises(ValueError, match=r"no stemmer for 'klingon'\. Languages: .*english, .*french"):
            build({**lists, "klingon": lists["french"]}, 2, 1)

    def test_one_language(self, lists):
        with pytest.raises(ValueError, match=r"Two languages or more .* Received: french"):
            build({"french": lists["french"]})

    def test_a_stemmer_that_is_not_installed_is_named(self, lists, monkeypatch):
        monkeypatch.setitem(sys.modules, "snowballstemmer", None)
        with pytest.raises(ImportError, match=r"pip install tf_tickets\[datasets\]"):
            build(lists)


class TestTheDataset:
    def test_is_loaded_with_its_recipe_and_names_its_languages(self, made, tmp_path):
        dataset = data.load(saved(tmp_path, made[0]))
        assert (dataset.input_shape, dataset.num_classes) == ((12 * 26,), 2)
        assert (dataset.recipe.model, dataset.recipe.augment) == ("lenet_300_100", False)
        assert "labels: english, french" in dataset.notes

    def test_is_seen_by_a_model_in_one_unit(self, made, tmp_path):
        """A letter that is rare at its place is no larger than others."""
        x, _ = data.load(saved(tmp_path, made[0])).train
        assert len(np.unique(x)) == 2
        np.testing.assert_allclose((x.mean(), x.std()), (0, 1), atol=1e-5)

    def test_is_read_as_any_other_arrays_too(self, made, tmp_path):
        name = saved(tmp_path, made[0])
        other = data.load(name.replace("words:", "npz:"))
        assert other.fingerprint == data.load(name).fingerprint

    def test_is_known_by_its_words_wherever_it_is(self, made, tmp_path):
        settings, _ = configure(f"--dataset={saved(tmp_path, made[0])}", "--epochs=1")
        assert settings.recipe.weight_decay == 1e-3

    def test_a_file_that_is_not_there_says_what_makes_one(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"\./scripts/datasets words makes one"):
            data.load(f"words:{tmp_path / 'none.npz'}")

    @pytest.mark.parametrize("x", [np.full((4, 52), 3, np.uint8), np.ones((4, 52), np.uint8)])
    def test_arrays_that_are_no_words_are_refused(self, x, tmp_path):
        arrays = {"x_train": x, "x_test": x, "y_train": np.arange(4) % 2, "y_test": np.arange(4) % 2}
        with pytest.raises(ValueError, match="each letter of a word is one 1 among 26"):
            data.load(saved(tmp_path, arrays))
        arrays = {**arrays, "x_train": x[:, :30], "x_test": x[:, :30]}
        with pytest.raises(ValueError, match="words are uint8 rows of 26 numbers for each letter"):
            data.load(saved(tmp_path, arrays))

    @pytest.mark.parametrize("names", [np.arange(2), np.array([["english", "french"]])])
    def test_names_of_languages_that_are_none_are_refused(self, made, names, tmp_path):
        with pytest.raises(ValueError, match=r"languages is to hold names\. Received: "):
            data.load(saved(tmp_path, {**made[0], "languages": names}))
