"""What a report says of deployment: a table and a figure for each machine, and no mean over two of them."""

import dataclasses
from xml.etree import ElementTree

import pytest

from tests.reporting.synthetic import deployment, write
from tf_tickets.reporting import figures, sections, tables
from tf_tickets.reporting.figures import composition
from tf_tickets.reporting.palette import way_marker
from tf_tickets.results import Ground, experiments, load, shipping_grounds

HERE, THERE = Ground("AMD EPYC", 1, 32), Ground("Arm Neoverse", 1, 32)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two methods and two seeds here, one run on another machine, one that was not asked."""
    folder = tmp_path_factory.mktemp("deployed")
    for method, accuracy in (("snip", 0.95), ("synflow", 0.97)):
        for seed in range(2):
            said = deployment(accuracy, pace=1 + seed)
            write(folder / f"{method}{seed}", accuracy, method=method, seed=seed, result={"deployment": said})
    there = {"deployment": deployment(0.96, machine="Arm Neoverse", pace=10)}
    write(folder / "there", 0.96, method="snip", seed=2, result=there)
    write(folder / "silent", 0.96, method="snip", seed=3)
    return load([folder])


@pytest.fixture(scope="module")
def experiment(runs):
    (found,) = experiments(runs)
    return found


def cells(table):
    return [[cell.text for cell in row.cells] for row in table.rows]


def test_runs_are_sorted_by_what_they_were_measured_on(experiment):
    found = shipping_grounds(experiment)
    assert list(found) == [HERE, THERE]
    assert [(arm.variant.method, len(measured)) for arm, measured in found[HERE].items()] == [
        ("snip", 2),
        ("synflow", 2),
    ]
    assert [len(measured) for measured in found[THERE].values()] == [1]


def test_each_machine_has_a_table_of_means_over_its_seeds(experiment):
    here, there = tables.deployments(experiment)
    assert "measured on AMD EPYC, 1 thread, batches of 32" in here.caption
    assert "measured on Arm Neoverse, 1 thread, batches of 32" in there.caption
    assert len(here.rows) == 2 * 8 and len(there.rows) == 8
    # Of paces 1 and 2 the mean is 1.5.
    assert cells(here)[0][:7] == ["snip", "98 %", "Keras's export", "3 MB", "15", "1.00", "0.80"]
    assert cells(here)[3][:7] == ["snip", "98 %", "sparse", "150 kB", "4.5", "3.33", "2.67"]
    assert cells(there)[0][4] == "100"
    assert here.rows[0].cells[-1].text.startswith("95.00") and here.rows[5].cells[-1].text.startswith("94.00")


@pytest.mark.slow
def test_each_machine_has_a_figure_that_says_where_it_was_measured(experiment, monkeypatch):
    monkeypatch.setattr(composition, "svg_of", lambda figure, prefix: ElementTree.Element("svg"))
    monkeypatch.setattr(composition.paper, "_pdf", lambda figure: b"")
    here, there = figures.deployments(experiment, "name")
    assert (here.name, there.name) == ("name", "name-2")
    for figure, ground in ((here, HERE), (there, THERE)):
        assert f"measured on {ground}" in figure.caption
        assert [panel.title for panel in figure.panels] == ["accuracy against time", "accuracy against size"]
        assert "processor time, batch of 32 (ms)" in figure.whole and "size on disk (MB)" in figure.whole
    labels = [label for label, _ in here.legend]
    assert labels[:3] == ["snip", "synflow", "Keras's export"] and labels[-1] == "OpenVINO"
    assert "synflow" not in [label for label, _ in there.legend]


def test_ways_are_told_apart_by_their_markers():
    ways = [row["name"] for row in deployment(0.9)["rows"]]
    assert len({way_marker(way) for way in ways}) == len(ways)
    assert way_marker("of a later version") == "h"


def test_what_was_left_out_is_said(tmp_path):
    said = {**deployment(0.9, ways=("Keras's export",)), "left_out": {"ONNX": "it is not installed."}}
    write(tmp_path / "run", 0.9, result={"deployment": said})
    (found,) = experiments(load([tmp_path]))
    (table,) = tables.deployments(found)
    assert "ONNX was left out: it is not installed." in table.caption


def test_without_a_metric_there_is_a_table_and_no_figure(tmp_path):
    write(tmp_path / "run", 0.9, result={"deployment": deployment(None)})
    (found,) = experiments(load([tmp_path]))
    assert figures.deployments(found, "name") == []
    (table,) = tables.deployments(found)
    assert {row[-1] for row in cells(table)} == {"–"}


def test_the_page_has_the_part_where_any_run_was_asked(runs, monkeypatch):
    for name in ("bars", "curves", "densities", "learning", "ratios"):
        monkeypatch.setattr(figures, name, lambda *arguments: None)
    monkeypatch.setattr(figures, "deployments", lambda *arguments: [])

    def headings(shown):
        found = sections.document(shown, "title")
        return [part.heading for section in found.sections for part in section.parts]

    assert "Deployment" in headings(runs)
    silent = [dataclasses.replace(run, result={**run.result, "deployment": None}) for run in runs]
    assert "Deployment" not in headings(silent)


def test_a_table_that_cannot_be_breaks_the_run_and_not_the_report(tmp_path):
    said = deployment(0.9)
    said["rows"][0]["cpu"]["median"] = -1
    write(tmp_path / "run", 0.9, result={"deployment": said})
    (run,) = load([tmp_path])
    assert 'deployment: "Keras\'s export": cpu: median is -1' in run.problem
