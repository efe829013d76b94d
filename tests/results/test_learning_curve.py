"""The epochs of a run are those that it wrote."""

import hashlib
import json

import pytest

from tests.reporting.synthetic import ERROR, edit, write
from tf_tickets.results import load


def one(folder):
    """The only run of a folder."""
    (found,) = load([folder])
    return found


def test_the_epochs_of_a_run(tmp_path):
    write(tmp_path / "run", curve=(0.5, 0.75))
    run = one(tmp_path)
    assert run.curve == (
        {"epoch": 0, "test_accuracy": 0.5, "loss": 2.0},
        {"epoch": 1, "test_accuracy": 0.75, "loss": 1.0},
    )
    assert run.curve_problem is None


def test_the_epochs_of_a_run_have_its_metric(tmp_path):
    write(tmp_path / "run", 55.0, curve=(60.0, 55.0), scale=ERROR)
    run = one(tmp_path)
    assert run.curve_problem is None
    assert [row["test_root_mean_squared_error"] for row in run.curve] == [60.0, 55.0]


def test_a_run_without_epochs_is_counted(tmp_path):
    write(tmp_path / "run")
    run = one(tmp_path)
    assert (run.status, run.curve, run.curve_problem) == ("finished", (), None)


def test_epochs_that_the_run_did_not_write_are_not_shown(tmp_path):
    folder = write(tmp_path / "run", curve=(0.5, 0.75))
    digest = hashlib.sha256((folder / "metrics.jsonl").read_bytes()).hexdigest()
    retrain = {"seconds": 1.0, "history": [], "hashes": {"metrics.jsonl": digest}}
    edit(folder, "stages.json", retrain=retrain)
    assert len(one(tmp_path).curve) == 2
    text = (folder / "metrics.jsonl").read_text()
    (folder / "metrics.jsonl").write_text(text.replace("0.75", "0.95"))
    run = one(tmp_path)
    assert (run.status, run.curve) == ("finished", ())
    assert "metrics.jsonl is not what the run wrote" in run.curve_problem


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (["{"], "is damaged"),
        (["[1]"], "not a mapping"),
        (['{"epoch": 0}'], "test_accuracy is missing"),
        (['{"epoch": 0, "test_accuracy": 2}'], "test_accuracy is 2"),
        (['{"test_accuracy": 0.5}'], "an epoch has no number"),
        (['{"epoch": 1, "test_accuracy": 0.5}', '{"epoch": 0, "test_accuracy": 0.5}'], "not in order"),
    ],
)
def test_epochs_that_cannot_be_are_told_in_one_line(tmp_path, rows, problem):
    (write(tmp_path / "run") / "metrics.jsonl").write_text("\n".join(rows))
    run = one(tmp_path)
    assert run.status == "finished" and run.curve == ()
    assert problem in run.curve_problem and "\n" not in run.curve_problem


def test_a_loss_that_diverged_is_left_out(tmp_path):
    rows = [{"epoch": 0, "test_accuracy": 0.5, "loss": float("nan")}]
    (write(tmp_path / "run") / "metrics.jsonl").write_text(json.dumps(rows[0]) + "\n")
    assert one(tmp_path).curve == ({"epoch": 0, "test_accuracy": 0.5},)
