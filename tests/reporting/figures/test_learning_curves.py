"""Learning curves: means and spreads over seeds, of what ran for several epochs."""

import pytest

from tests.reporting.synthetic import ERROR, write
from tf_tickets.reporting import figures
from tf_tickets.reporting.figures import learning_curves
from tf_tickets.reporting.sections import document
from tf_tickets.results import experiments, load

pytestmark = pytest.mark.usefixtures("unprinted")


def experiment(folder):
    (found,) = experiments(load([folder]))
    return found


def test_a_curve_is_the_mean_of_the_seeds_with_their_spread(tmp_path, monkeypatch):
    for seed, curve in enumerate(((0.4, 0.8, 0.9), (0.6, 0.8, 0.8))):
        write(tmp_path / f"{seed}", seed=seed, curve=curve)
        write(tmp_path / f"check{seed}", seed=seed, curve=(0.1, 0.1, 0.1), check="rearrange")
    write(tmp_path / "old", seed=2)
    drawn = []
    monkeypatch.setattr(learning_curves, "_draw", lambda axes, curves, *_: drawn.append(curves))
    figure = figures.learning(experiment(tmp_path), "name")
    assert [panel.title for panel in figure.panels] == ["sparsity 98 %: test", "sparsity 98 %: training loss"]
    ((sample, (epochs, means, spreads)),) = drawn[0].items()
    assert sample.label == "snip" and epochs == [1, 2, 3]
    assert means == pytest.approx([50, 80, 85])
    assert spreads == pytest.approx([14.142, 0, 7.071], abs=1e-3)
    assert [list(curve[1]) for curve in drawn[1].values()] == [pytest.approx([2, 1, 2 / 3])]
    assert "Runs whose epochs are not known are left out: 1." in figure.caption


def test_curves_of_an_error_are_in_its_unit(tmp_path, monkeypatch):
    for seed, curve in enumerate(((60.0, 55.0), (62.0, 56.0))):
        write(tmp_path / f"{seed}", 55.5, seed=seed, curve=curve, scale=ERROR)
    drawn = []
    draw = learning_curves._draw
    monkeypatch.setattr(
        learning_curves,
        "_draw",
        lambda axes, curves, *more: (
            draw(axes, curves, *more) or drawn.append((*curves.values(), axes.get_ylabel(), axes.get_ylim()))
        ),
    )
    figure = figures.learning(experiment(tmp_path), "name")
    (_, means, _), title, (low, high) = drawn[0]
    assert means == pytest.approx([61, 55.5])
    assert title == "test root mean squared\nerror (mmHg)"
    assert 50 < low < 55 and 61 < high < 70
    assert "Test root mean squared error in mmHg (less is better);" in figure.caption
    assert "%" not in figure.caption


def test_one_epoch_is_no_curve(tmp_path):
    write(tmp_path / "one", curve=(0.9,))
    assert figures.learning(experiment(tmp_path), "name") is None


def test_a_training_of_many_epochs_is_drawn_with_its_last(tmp_path):
    write(tmp_path / "long", curve=[0.5 + epoch / 2000 for epoch in range(400)])
    (run,) = load([tmp_path])
    epochs, means, _ = learning_curves._curve([run], "test_accuracy", 100.0)
    assert len(epochs) <= learning_curves.MOST_EPOCHS + 1
    assert (epochs[0], epochs[-1], means[-1]) == (1, 400, pytest.approx(69.95))


def test_a_curve_that_is_not_believed_is_said(tmp_path):
    (write(tmp_path / "run", curve=(0.5, 0.6)) / "metrics.jsonl").write_text("{")
    (section,) = document(load([tmp_path]), "title").sections
    (part,) = [part for part in section.parts if part.heading == "Learning curves"]
    assert part.items == () and "metrics.jsonl is damaged" in part.texts[0]
