"""`csv:FILE` and `parquet:FILE`: tables of the user's own."""

import numpy as np
import pandas as pd
import pytest

from tests.runs import configure, short
from tf_tickets import config, data

ROWS = 40
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "length": RNG.normal(5, 2, ROWS).round(3),
        "count": RNG.integers(0, 9, ROWS),
        "wild": RNG.random(ROWS) < 0.5,
        "place": np.where(np.arange(ROWS) % 3, "wood, dark", 'the "fen"'),
        "species": np.array(["moss", "fern"])[np.arange(ROWS) % 2],
    }
)


@pytest.fixture
def write(tmp_path):
    """Writes a table; returns its name."""

    def write(frame, name="plants.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        kind = name.rpartition(".")[2]
        frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
        return f"{kind}:{path}"

    return write


def refused(name, **settings):
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        data.load(name, **settings)
    return str(caught.value)


class TestColumns:
    def test_are_numbers_and_one_hot_words_and_the_last_is_the_target(self, write):
        frame = FRAME.assign(split=["test" if row < 10 else "train" for row in range(ROWS)])
        dataset = data.load(write(frame))
        train, test = dataset.splits["train"], dataset.splits["test"]
        assert (len(train), len(test), dataset.input_shape, dataset.num_classes) == (30, 10, (5,), 2)
        expected = FRAME[["length", "count", "wild"]].astype(np.float32).to_numpy()
        np.testing.assert_array_equal(test.images[:, :3], expected[:10])
        np.testing.assert_array_equal(test.images[:, 4], FRAME["place"][:10] == "wood, dark")
        np.testing.assert_array_equal(test.images[:, 3], 1 - test.images[:, 4])
        assert test.labels.tolist() == [1, 0] * 5
        assert dataset.notes == (
            "target: the last column, species",
            "one-hot columns: place (2)",
            "labels: 2 names in the order of the alphabet, fern, moss",
        )

    def test_are_standardised_by_the_training_rows(self, write):
        dataset = data.load(write(FRAME))
        x, _ = dataset.train
        np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(x.std(axis=0), 1, atol=1e-5)
        raw = data.load(write(FRAME), standardize="never")
        np.testing.assert_array_equal(raw.train[0], raw.splits["train"].images)

    def test_of_the_target_is_chosen_by_name(self, write):
        dataset = data.load(write(FRAME), target="wild")
        everything = np.concatenate([dataset.splits[name].labels for name in ("train", "test")])
        assert sorted(everything) == sorted(FRAME["wild"].astype(int))
        assert dataset.input_shape == (2 + 2 + 2,)
        assert not any("target" in note for note in dataset.notes)

    def test_of_the_same_table_are_the_same_in_every_format(self, write):
        of_csv = data.load(write(FRAME))
        assert data.load(write(FRAME, "plants.parquet")).fingerprint == of_csv.fingerprint
        typed = FRAME.astype({"place": "category", "species": "category", "count": "Int64"})
        assert data.load(write(typed, "typed.parquet")).fingerprint == of_csv.fingerprint

    def test_with_words_of_the_test_alone_are_zeros_and_said(self, write):
        frame = FRAME.assign(split=["test" if row < 10 else "train" for row in range(ROWS)])
        frame.loc[4, "place"] = "bog"
        dataset = data.load(write(frame))
        assert dataset.splits["test"].images[4, 3:].tolist() == [0, 0]
        assert "words of test rows that no training row has, all zeros: place (1 row)" in dataset.notes

    def test_of_numbers_are_classes(self, write):
        dataset = data.load(write(FRAME.assign(species=np.arange(ROWS) % 3)))
        assert dataset.num_classes == 3


class TestSplits:
    def test_a_fifth_of_each_class_is_the_test_whatever_the_seed(self, write):
        name = write(FRAME)
        dataset, other = data.load(name), data.load(name, seed=5)
        assert np.bincount(dataset.splits["test"].labels).tolist() == [4, 4]
        assert dataset.fingerprint == other.fingerprint
        assert "test set: a fifth, class by class, the same whatever the seed" in dataset.notes

    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_two_files_of_a_folder_are_the_splits(self, write, kind, tmp_path):
        write(FRAME[:30], f"two/train.{kind}")
        write(FRAME[30:][FRAME.columns[::-1]].reset_index(drop=True), f"two/test.{kind}")
        dataset = data.load(f"{kind}:{tmp_path / 'two'}", target="species")
        assert (len(dataset.splits["train"]), len(dataset.splits["test"])) == (30, 10)
        np.testing.assert_allclose(dataset.splits["test"].images[:, 0], FRAME["length"][30:], rtol=1e-6)


class TestRefusals:
    def test_missing_cells_are_counted_by_column(self, write):
        frame = FRAME.copy()
        frame.loc[[2, 3], "length"] = np.nan
        frame.loc[5, "place"] = None
        assert "3 cells are missing (empty, NA, NaN, null or None): length (2), place (1). Fill" in refused(
            write(frame)
        )

    def test_an_unknown_target_is_answered_with_the_columns(self, write):
        said = refused(write(FRAME), target="speceis")
        assert "no column for --target=speceis. Did you mean species? Columns: length, count, wild" in said

    def test_targets_that_are_no_classes_are_numbers_to_learn(self, tmp_path):
        path = tmp_path / "numbers.csv"
        path.write_text("a,b\n" + "1,0.5\n2,1.5\n3,2.25\n" * 5)
        dataset = data.load(f"csv:{path}")
        assert (dataset.recipe.task, dataset.outputs) == ("regression", 1)
        assert dataset.splits["train"].labels.dtype == np.float32

    def test_a_target_is_for_tables(self):
        assert refused("digits", target="y") == (
            "target='y' means nothing to digits: it is for csv:FILE, parquet:FILE."
        )

    def test_words_without_end_are_no_columns(self, write):
        frame = FRAME.assign(place=[f"place {row}" for row in range(ROWS)])
        wide = pd.concat([frame.assign(place=frame["place"] + f" {n}") for n in range(5)])
        assert "the column place holds 160 different words, more than the 100" in refused(write(wide))

    def test_dates_are_to_be_numbers(self, write):
        frame = FRAME.assign(place=pd.date_range("2020-01-01", periods=ROWS))
        said = refused(write(frame, "dated.parquet"))
        assert "the column place is to hold numbers or words. Received: datetime64" in said

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("a;b\n1;2\n", "there is one column, 'a;b'. Cells are separated by commas."),
            ("1,2\n3,4\n", "the first line is to name the columns, but holds numbers"),
            (",a,b\n0,1,2\n", "column 1 has no name. If it numbers the rows"),
            ("a,b\n1,2\n5,6,7\n", "cannot be read as a CSV file: "),
            ("a,b\n1,2,3\n5,6,7\n", "Length of header or names does not match length of data"),
            ("", "cannot be read as a CSV file: "),
            ("a,b\n", "there are no rows"),
            ("a,b\n1,0\n", "too few to be split, 1 row."),
            ("a,split\n1,train\n1,test\n", "a target and a feature are needed. Columns: a."),
            ("a,b,split\n1,0,train\n1,1,val\n", "both of them. Received: val (--validation_fraction"),
            ("a,b,split\n1,0,train\n1,1,train\n", "There is no row of test."),
            ("a,b\n" + "inf,0\n2,1\n" * 5, "x_train holds NaN, infinity"),
        ],
    )
    def test_say_what_is_wrong_with_a_file(self, tmp_path, text, words):
        path = tmp_path / "bad.csv"
        path.write_text(text)
        assert words in refused(f"csv:{path}")

    def test_bytes_that_are_no_table(self, tmp_path):
        for kind in ("csv", "parquet"):
            path = tmp_path / f"bad.{kind}"
            path.write_bytes(b"\xff\xfe\x00PAR1,\n" * 9)
            assert refused(f"{kind}:{path}").startswith(f"{path} cannot be read as a ")

    def test_what_is_not_there(self, tmp_path, write):
        assert "there is no such file. Expected csv:FILE, or a folder with train.csv" in refused(
            "csv:gone.csv"
        )
        write(FRAME, "one/train.csv")
        assert "a folder is to hold train.csv and test.csv" in refused(f"csv:{tmp_path / 'one'}")
        write(FRAME.drop(columns="wild"), "one/test.csv")
        assert "These are not to be: wild" in refused(f"csv:{tmp_path / 'one'}")

    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_more_than_the_memory(self, write, monkeypatch, kind):
        name = write(FRAME, f"plants.{kind}")
        monkeypatch.setattr("tf_tickets.support.memory.available_bytes", lambda: 1000.0)
        assert "of memory, and 1 kB can be had here. Save fewer rows or columns" in refused(name)


class TestRuns:
    def test_of_another_target_are_others(self, write):
        table = f"--dataset={write(FRAME)}"
        plain, last, other = (
            configure(table, "--method=er", "--sparsity=0.5", *flags)[0]
            for flags in ((), ("--target=species",), ("--target=wild",))
        )
        assert len({config.run_name(each) for each in (plain, last, other)}) == 3
        assert "target" not in plain.identity and other.identity["target"] == "wild"

    @pytest.mark.slow
    def test_say_in_their_plan_what_was_made_of_the_table(self, write, tmp_path):
        result, screen = short(
            tmp_path / "run",
            *(f"--dataset={write(FRAME)}", "--target=species", "--method=er", "--sparsity=0.5"),
        )
        assert result["total"] == 5 * 24 + 24 * 16 + 16 * 2
        said = " ".join(screen.split())
        assert "one-hot columns: place (2)" in said and "test set: a fifth, class by class" in said
