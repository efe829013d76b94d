"""Runs that are judged by an error: harm is a rise, in verdicts, tables and figures."""

import re

import pytest

from tests.reporting import synthetic
from tf_tickets import results
from tf_tickets.reporting.report_directory import make_report
from tf_tickets.reporting.tables.accuracy import accuracies
from tf_tickets.results import reading
from tf_tickets.storage.json_rules import Unfit
from tf_tickets.storage.run_numbers import check_result
from tf_tickets.support.scale import Scale

RMSE = Scale("root_mean_squared_error", higher_is_better=False, unit="mmHg", margin=None)


def write(place, error, scale=RMSE, chance=80.0, dense=50.0, **choices):
    """A finished run that is judged by an error."""
    own = f"test_{scale.metric}"
    numbers = {own: error, f"best_{own}": error, f"chance_{scale.metric}": chance, f"dense_{own}": dense}
    recipe = {"task": "regression", **choices.pop("recipe", {})}
    return synthetic.write(place, recipe=recipe, result={**numbers, **scale.record}, **choices)


# Errors of the ticket, and what each check adds to them at five seeds.
TICKET = (52.0, 54.0, 51.5, 53.0, 55.0)
ADDED = {
    "rearrange": (4.0, 4.4, 3.8, 4.1, 4.2),
    "shuffle_weights": (0.1, -0.1, 0.05, 0.0, -0.05),
    "reinitialize": (-3.0, -3.2, -2.9, -3.1, -3.3),
}


@pytest.fixture
def experiment(tmp_path):
    for seed, error in enumerate(TICKET):
        write(tmp_path / f"snip-{seed}", error, seed=seed)
        write(tmp_path / f"random-{seed}", error + 10, method="random", seed=seed)
        write(tmp_path / f"dense-{seed}", error - 5, method="dense", seed=seed)
        for check, added in ADDED.items():
            write(tmp_path / f"{check}-{seed}", error + added[seed], seed=seed, check=check)
    (found,) = results.experiments(results.load(tmp_path))
    return found


def answers(verdicts):
    return {x.versus: x.comparison.answer for x in verdicts if x.variant.method == "snip"}


def test_a_check_that_raises_the_error_makes_a_method_sensitive(experiment):
    found = results.verdicts(experiment, margin=1.0)
    assert answers(found) == {
        "rearrange": "sensitive",
        "shuffle_weights": "insensitive",
        "reinitialize": "reversed",
    }
    said = {x.versus: str(x.comparison) for x in found}
    assert said["rearrange"].startswith("sensitive: +4.1 mmHg [+3.8") and ", a rise (p" in said["rearrange"]
    assert "equivalent within 1 mmHg" in said["shuffle_weights"]
    assert said["reinitialize"].startswith("reversed: -3.1 mmHg") and ", a fall (p" in said["reinitialize"]


def test_a_dense_network_of_less_error_is_better_and_a_random_ticket_of_more_is_worse(experiment):
    found = answers(results.baselines(experiment, margin=1.0))
    assert (found["dense"], found["random (smart)"]) == ("reversed", "sensitive")


def test_a_ticket_no_better_than_the_mean_says_nothing(tmp_path):
    for seed, error in enumerate(TICKET):
        write(tmp_path / f"snip-{seed}", error, seed=seed, chance=53.5)
        write(tmp_path / f"twin-{seed}", error, seed=seed, check="rearrange", chance=53.5)
    (found,) = results.experiments(results.load(tmp_path))
    (verdict,) = results.verdicts(found, margin=1.0)
    assert verdict.comparison.answer == "says nothing"


def test_without_a_margin_there_is_no_verdict(experiment):
    found = results.verdicts(experiment)
    assert {x.comparison for x in found} == {None}
    assert {x.reason for x in found} == {"no margin is said of root mean squared error"}


def test_the_least_error_is_the_best_of_a_table(experiment):
    table = accuracies(experiment, alpha=0.05)
    cells = {row.cells[0].text: row.cells[1] for row in table.rows}
    assert cells["snip"].strong and not cells["random"].strong
    assert cells["snip"].text == "53.1 ± 1.432"
    assert "Test root mean squared error of the final epoch in mmHg" in table.caption
    assert "less is better" in table.caption


@pytest.mark.usefixtures("unprinted")
def test_a_report_says_it_in_its_words(experiment, tmp_path):
    make_report(tmp_path, tmp_path / "report", margin=1.0)
    text = (tmp_path / "report" / "report.md").read_text()
    assert "Insensitive: shown to differ by less than 1 mmHg" in text
    assert "Sensitive: a rise is shown (paired t-test); reversed: a fall is." in text
    assert re.search(r"rearrange \| . sensitive \| \+4.1 \\\[\+3.8", text)
    assert "better or worse than it" in text and "↓ better" in text and "↑ worse" in text
    page = (tmp_path / "report" / "index.html").read_text()
    assert "difference, mmHg" in text and 'class="margin"' in page
    assert "per cent, mean and standard" not in text and "points" not in text.split("### Keep-ratios")[0]
    assert 'aria-label="+4.1, from +3.8' in page


@pytest.mark.slow
@pytest.mark.usefixtures("unprinted")
def test_a_report_without_a_margin_has_all_but_the_verdicts(experiment, tmp_path):
    make_report(tmp_path, tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text()
    assert "There is no verdict on root mean squared error without a margin" in text
    assert "**53.1 ± 1.432**" in text and "sensitive" not in text


def test_two_metrics_are_two_experiments(tmp_path):
    write(tmp_path / "error", 50.0)
    write(tmp_path / "r2", 0.4, Scale("r2", unit=""), chance=0.0, recipe={"metric": "r2"})
    synthetic.write(tmp_path / "accuracy", 0.97)
    found = results.experiments(results.load(tmp_path))
    assert {experiment.scale.metric for experiment in found} == {"root_mean_squared_error", "r2", "accuracy"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"best_test_root_mean_squared_error": 60.0},
            "best_test_root_mean_squared_error is more than test_root",
        ),
        ({"test_root_mean_squared_error": None}, "test_root_mean_squared_error is None, not a finite number"),
        ({"metric": {"metric": "auc"}}, "test_auc is missing"),
        ({"metric": {"metric": "no name"}}, "metric is 'no name', not a name"),
        ({"metric": {"metric": "auc", "more": 1}}, "metric: more is unknown"),
        ({"metric": [1]}, "metric is .*, not a mapping"),
    ],
)
def test_impossible_numbers_are_refused(tmp_path, changes, message):
    path = write(tmp_path / "run", 52.0)
    result = {**reading.read(path).result, **changes}
    with pytest.raises(Unfit, match=message):
        check_result(result)


def test_shares_of_any_name_are_shares(tmp_path):
    auc = Scale("auc")
    path = write(
        tmp_path / "run", 0.9, auc, chance=0.5, dense=0.95, recipe={"task": "multi_label", "metric": "auc"}
    )
    result = reading.read(path).result
    check_result(result)
    with pytest.raises(Unfit, match=r"test_auc is 1.2, not a number in \[0, 1\]"):
        check_result({**result, "test_auc": 1.2})
