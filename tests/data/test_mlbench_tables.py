"""Tables of mlbench: the rows that everybody trains and tests on, and classes by their names."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from tf_tickets import data
from tf_tickets.data import mlbench_tables
from tf_tickets.data.mlbench_tables import TABLES, build


@pytest.fixture
def frame(monkeypatch):
    """A small table that is called Satellite; its classes are in the order of the factor."""
    monkeypatch.setitem(TABLES, "Satellite", dataclasses.replace(TABLES["Satellite"], train=8, rows=12))
    rng = np.random.default_rng(0)
    classes = pd.Categorical(["wet", "dry"] * 6, categories=["wet", "dry"])
    return pd.DataFrame({"x.1": rng.normal(size=12), "classes": classes, "x.2": np.arange(12.0)})


def test_the_splits_are_the_usual_ones():
    parts = {name: (table.train, table.rows - table.train) for name, table in TABLES.items()}
    assert parts == {
        "LetterRecognition": (16_000, 4_000),
        "Satellite": (4_435, 2_000),
        "Shuttle": (43_500, 14_500),
    }


def test_the_first_rows_are_for_training_and_the_others_for_the_test(frame):
    arrays, record = build("Satellite", frame)
    np.testing.assert_array_equal(arrays["x_train"][:, 1], np.arange(8))
    np.testing.assert_array_equal(arrays["x_test"][:, 1], np.arange(8, 12))
    np.testing.assert_array_equal(arrays["y_test"], [0, 1, 0, 1])
    assert arrays["classes"].tolist() == ["wet", "dry"]
    assert record["classes"] == {"train": {"wet": 4, "dry": 4}, "test": {"wet": 2, "dry": 2}}
    json.dumps(record)


def test_what_is_made_is_read_as_a_table(frame, tmp_path):
    np.savez(tmp_path / "satellite.npz", **build("Satellite", frame)[0])
    dataset = data.load(f"npz:{tmp_path / 'satellite.npz'}")
    assert (dataset.input_shape, dataset.num_classes) == ((2,), 2)
    np.testing.assert_allclose(dataset.train[0].std(axis=0), 1, rtol=1e-5)


@pytest.mark.parametrize(
    "change",
    [lambda frame: frame[:-1], lambda frame: frame.drop(columns="classes"), lambda frame: frame.shift()],
)
def test_rows_that_are_not_the_tables_own_are_refused(frame, change):
    with pytest.raises(ValueError, match="Satellite is to have 12 whole rows and a column classes"):
        build("Satellite", change(frame))


def test_a_table_without_a_known_split_is_refused(frame):
    with pytest.raises(ValueError, match=r"The split of Zoo is not known\. Tables: LetterRecognition, "):
        mlbench_tables.build("Zoo", frame)
