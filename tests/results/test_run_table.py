"""Runs as a table: what is read back from it is compared, judged and shown as the directories are."""

import dataclasses
import pathlib

import pytest

from tests.reporting import synthetic
from tf_tickets import results
from tf_tickets.reporting import page, sections
from tf_tickets.reporting.commands import command
from tf_tickets.storage import csv_cells

DOCS = pathlib.Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs of every kind: checks, sources, own options, another metric, collapsed, unfinished, broken."""
    folder = tmp_path_factory.mktemp("runs")
    synthetic.paper(folder / "paper", seeds=3, methods=("random", "snip", "lt", "hybrid"), sparsities=(0.98,))
    synthetic.start_sparse(folder / "searches")
    for seed in range(3):
        odd = {
            "ratios": (1.0, 0.5, 0.1),
            "score_options": {"temperature": 1, "text": "=1"},
            "callbacks": ("mine.py:one", "mine.py:two"),
        }
        synthetic.write(folder / f"=odd {seed}", 0.9 + seed / 100, method="grasp", seed=seed, **odd)
        synthetic.write(
            folder / f"error{seed}",
            50.0 + seed,
            scale=synthetic.ERROR,
            seed=seed,
            recipe={"task": "regression", "loss": "mean_squared_error", "metric": synthetic.ERROR.metric},
            result={"epochs_trained": 17, "nested": {"a": [1, None]}},
        )
    unfinished = synthetic.write(folder / "unfinished")
    (unfinished / "result.json").unlink()
    broken = synthetic.write(folder / "broken")
    (broken / "result.json").write_text("{")
    return folder


@pytest.fixture(scope="module")
def both(folder, tmp_path_factory):
    """The same runs, of the directories and of their table."""
    found = results.load(folder)
    path = tmp_path_factory.mktemp("table") / "runs.csv"
    path.write_text(results.run_table(found), encoding="utf-8")
    return found, results.load(path)


@pytest.mark.slow
def test_a_run_is_the_same_but_for_its_curve_and_what_is_empty(both):
    for run, again in zip(*both, strict=True):
        assert (again.path, again.status, again.problem) == (run.path, run.status, run.problem)
        if run.status == results.FINISHED:
            assert again.config == run.config
            assert again.result == {
                name: value
                for name, value in run.result.items()
                if value is not None or name == "sanity_check"
            } | {"config": run.config}
            assert (again.arm, again.setting, again.scale) == (run.arm, run.setting, run.scale)
            assert (again.epochs, again.collapsed_layers) == (run.epochs, run.collapsed_layers)
            assert command(again) == command(run)


@pytest.mark.slow
def test_answers_are_the_same(both):
    for experiment, again in zip(*map(results.experiments, both), strict=True):
        assert again.title == experiment.title
        assert list(again.arms) == list(experiment.arms)
        assert again.dense == experiment.dense and list(again.controls) == list(experiment.controls)
        margin = None if experiment.scale.margin is not None else 1.0
        for judged in (results.verdicts, results.baselines, results.source_contrasts):
            assert judged(again, margin=margin) == judged(experiment, margin=margin)
    assert any(map(results.verdicts, results.experiments(both[1])))


@pytest.mark.slow
@pytest.mark.usefixtures("unprinted")
def test_reports_say_the_same_but_for_the_date_and_the_note_on_curves(both):
    texts = []
    for runs in both:
        document = dataclasses.replace(sections.document(runs, "Same"), date="")
        texts.append(
            [
                line
                for line in page.markdown(document, "figures").splitlines()
                if "no learning curves" not in line
            ]
        )
        assert any("no learning curves" in x for section in document.sections for x in section.warnings) == (
            runs is both[1]
        )
    directories, table = ([line for line in lines if line not in ("", ">")] for lines in texts)
    assert table == directories


@pytest.mark.slow
def test_a_table_of_a_table_is_the_same(both):
    table, again = (
        csv_cells.rows_of(results.run_table([run for run in runs if run.status != results.BROKEN]))
        for runs in both
    )
    assert again == table


@pytest.mark.slow
def test_tables_and_directories_are_read_together(folder, both, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(results.run_table(both[0]), encoding="utf-8")
    found = results.load([path, folder / "paper"])
    assert len(found) == len(both[0]) + len(results.load(folder / "paper"))
    assert not any(experiment.problems for experiment in results.experiments(found))


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "path,status,method\nx,finished\n"])
def test_what_is_no_table_of_runs_is_an_error_that_names_it(tmp_path, text):
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"other\.csv is no table of runs: "):
        results.load(path)


@pytest.mark.slow
def test_a_row_that_cannot_be_is_broken_and_says_where(both, tmp_path):
    path = tmp_path / "runs.csv"
    lines = results.run_table([run for run in both[0] if run.status == results.FINISHED][:2])
    path.write_text(lines.replace("0.98", "1.98"), encoding="utf-8")
    found = results.load(path)
    assert {run.status for run in found} == {results.BROKEN}
    assert {run.problem.partition(":")[0] for run in found} == {"line 2", "line 3"}


@pytest.mark.parametrize(
    ("name", "runs", "number", "verdicts"),
    [
        pytest.param("digits", 490, 0.98, 28, marks=pytest.mark.slow),
        ("fashion", 95, 0.98, 10),
        ("start_sparse", 195, 0.95, 0),
    ],
)
def test_tables_of_earlier_versions_are_read(name, runs, number, verdicts):
    found = results.load(DOCS / "laptop" / name / "runs.csv")
    assert len(found) == runs and {run.status for run in found} == {results.FINISHED}
    (experiment,) = results.experiments(found)
    assert number in experiment.sparsities
    assert len(results.verdicts(experiment)) == verdicts
    assert found[0].config["recipe"]["milestones"] == [0.5, 0.75]
    searched = {str(run.config["search_options"]) for run in found}
    assert name != "start_sparse" or "{'frequency': 20}" in searched
