"""How long a sweep takes and how much memory: told before its first run, and by those that are done."""

import dataclasses
import io

import pytest
import rich.console

from tests.sweeps.plans import plan_of
from tf_tickets.pipeline.pace import Pace
from tf_tickets.support import startup
from tf_tickets.support.console import Console
from tf_tickets.sweeps.forecast import Forecast, make_forecast
from tf_tickets.sweeps.overview import show_plan

PACE = Pace(trace=4.0, epoch=1.0, test=0.5, memory=7e8)
GRID = ("--method=random,hybrid", "--model=mlp_24_16", "--sparsity=0.8", "--epochs=10", "--seed=0-1")


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """A plan of the grid, and the settings of which the pace was measured."""
    monkeypatch.setattr(startup, "_seconds_to_load", [7.0])
    measured = []

    def plan(*arguments):
        def measure(task, resources):
            measured.append(task)
            return PACE

        found = plan_of(*GRID, f"--runs_dir={tmp_path / 'runs'}", *arguments)
        return dataclasses.replace(found, executor=dataclasses.replace(found.executor, measure=measure))

    return plan, measured


def text_of(plan, forecast):
    screen = io.StringIO()
    show_plan(plan, Console(rich.console.Console(file=screen, width=200)), forecast)
    return screen.getvalue()


@pytest.mark.parametrize("more", [(), ("--dry_run",)])
def test_is_made_of_the_pace_of_the_setting(planned, more):
    plan, measured = planned
    forecast = make_forecast(plan("--jobs=1", *more))
    dense, ticket = 4 + 10 * 1.5, 2 + 4 + 10 * 1.5 + 2.5
    assert sorted(forecast.seconds.values()) == [*[dense] * 2, *[ticket] * 4]
    assert forecast.total == 7 + 2 * dense + 4 * ticket
    assert len(measured) == 1, "the runs are of one setting"
    assert make_forecast(plan("--jobs=6", *more)).total == 7 + dense + ticket


def test_counts_each_setting_by_its_own_pace(planned):
    plan, measured = planned
    make_forecast(plan("--model=mlp_24_16,mlp_8_8"))
    assert len(measured) == 2


@pytest.mark.parametrize("arguments", [("--epochs=1", "--seed=0"), ("--executor=ray",)])
def test_there_is_none_where_it_costs_more_than_it_tells(planned, arguments):
    plan, measured = planned
    found = plan(*arguments)
    if "--executor=ray" in arguments:
        found = dataclasses.replace(found, executor=dataclasses.replace(found.executor, measure=None))
    assert make_forecast(found) is None and not measured
    assert "not known before the first run" in text_of(found, None)


def test_data_that_would_be_fetched_are_not_for_a_dry_run(planned):
    plan, measured = planned
    assert make_forecast(plan("--dataset=cifar10", "--dry_run")) is None
    assert not measured


def test_is_told_with_the_memory_of_all_that_run_at_a_time(planned):
    plan, _ = planned
    found = plan("--jobs=2")
    text = text_of(found, make_forecast(found))
    assert "to 2 min, by a few steps taken just now" in text
    assert "about 700 MB a run, 1.4 GB in all" in text


def test_is_by_the_runs_that_are_done_where_there_are_some(planned):
    plan, _ = planned
    text = text_of(plan(), Forecast({}, 600.0, None, measured=False))
    assert "about 10 min, by the runs that are done" in text
    assert "memory" not in text
