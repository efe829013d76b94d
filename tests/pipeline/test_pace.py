"""How long a run takes, measured before it: nothing of the run changes by that."""

import io

import pytest
import rich.console

from tests.runs import SHORT, TINY, configure, eagerly
from tf_tickets import pipeline, training
from tf_tickets.pipeline import preparation
from tf_tickets.pipeline.pace import Pace, is_worth_measuring, mean_pace, seconds_of
from tf_tickets.support import startup
from tf_tickets.support.console import Console

PACE = Pace(trace=4.0, epoch=1.0, test=0.5, memory=1e9)


def run(directory, *arguments, forecast):
    settings, dataset = configure(f"--run_dir={directory}", *TINY, *SHORT, *arguments)
    screen = io.StringIO()
    show = Console(rich.console.Console(file=screen, width=200))
    strategy = training.make_strategy("none")
    with eagerly():
        return pipeline.run(settings, dataset, strategy, show, forecast=forecast), screen.getvalue()


@pytest.mark.slow
def test_a_run_that_is_measured_first_comes_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "is_worth_measuring", lambda *_: True)
    measured, seen = run(tmp_path / "measured", "--method=random", forecast=True)
    alone, unseen = run(tmp_path / "alone" / "run", "--method=random", forecast=False)
    assert measured["weights_sha256"] == alone["weights_sha256"]
    (line,) = (line for line in seen.splitlines() if line.startswith("  time ") and "about" in line)
    assert "by a few steps taken just now" in line and "B of memory" in line
    assert "by a few steps" not in unseen
    _, again = run(tmp_path / "measured", "--method=random", forecast=True)
    assert "by a few steps" not in again, "nothing is left to be measured"


@pytest.mark.parametrize(
    ("arguments", "worth"),
    [
        (["--method=hybrid", "--epochs=1"], True),  # which needs the functions that are made for it
        (["--method=random", "--epochs=13"], False),
        (["--method=random", "--epochs=14"], True),
    ],
)
def test_a_short_run_is_not_measured(arguments, worth):
    assert is_worth_measuring(*configure(*arguments)) is worth  # 23 steps an epoch


def test_each_stage_is_counted(monkeypatch):
    monkeypatch.setattr(startup, "_seconds_to_load", [7.0])
    config, _ = configure("--method=hybrid", "--epochs=10")
    assert seconds_of(config, PACE) == {
        "dense": 4 + 10 * 1.5,
        "ticket": 2,
        "retrain": 4 + 10 * 1.5,
        "evaluate": 2.5,
        "export_saved_model": 4 + 7,
    }


def test_rounds_are_counted_and_what_there_is_not_is_not(monkeypatch):
    config, _ = configure("--method=lt", "--rounds=3", "--epochs=10", "--export=")
    assert seconds_of(config, PACE)["retrain"] == 4 + 3 * 10 * 1.5
    config, _ = configure("--method=random", "--epochs=10", "--export=")
    assert set(seconds_of(config, PACE)) == {"ticket", "retrain", "evaluate"}


def test_the_mean_of_paces_has_the_memory_of_the_largest():
    assert mean_pace([PACE, Pace(2.0, 3.0, 0.5, None)]) == Pace(3.0, 2.0, 0.5, 1e9)
