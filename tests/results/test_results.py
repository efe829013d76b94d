"""Runs on disk as data: what is found, what is broken, what is compared with what."""

import dataclasses
import json
import math
import shutil

import numpy as np
import pytest

from tests.reporting import synthetic
from tests.reporting.synthetic import edit, write
from tests.runs import eagerly, run
from tf_tickets import METHODS, results
from tf_tickets.reporting.tables import accuracies
from tf_tickets.results import (
    BROKEN,
    FINISHED,
    UNFINISHED,
    baselines,
    experiments,
    load,
    source_contrasts,
    verdicts,
)
from tf_tickets.support.scale import LOSS

pytestmark = pytest.mark.slow  # its trainings


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A folder of real runs: one in rounds, one checked, and the dense training that they share."""
    folder = tmp_path_factory.mktemp("real")
    short = ("--epochs=1", "--batch_size=1437")
    with eagerly():
        run(folder / "rounds", "--method=lt", "--sparsity=0.8", "--rounds=2", *short)
        run(folder / "snip", "--method=snip", "--sparsity=0.9", *short)
        run(folder / "rearranged", "--method=snip", "--sparsity=0.9", "--sanity_check=rearrange", *short)
        run(folder / "dense_run", "--method=dense", *short)
    return folder


def only(found):
    """The only one of them."""
    (one,) = found
    return one


def test_the_runs_of_a_folder_are_found_and_neither_rounds_nor_dense_trainings(real):
    found = load([real])
    assert {run.path.name for run in found} == {"rounds", "snip", "rearranged", "dense_run"}
    assert {run.status for run in found} == {FINISHED}
    assert (real / "rounds" / "round_00" / "config.json").exists()
    by_name = {run.path.name: run for run in found}
    assert by_name["rounds"].arm.label == "lt, rounds=2"
    assert by_name["rounds"].epochs == 3 * 1
    assert by_name["snip"].epochs == 1
    assert by_name["rearranged"].check == "rearrange"
    assert by_name["rearranged"].arm.variant == by_name["snip"].arm.variant
    assert len({run.setting for run in found}) == 1
    for run_ in found:
        result = json.loads((run_.path / "result.json").read_text())
        assert (run_.endpoint, run_.seed, run_.sparsity) == (
            result["test_accuracy"],
            result["seed"],
            result["sparsity"],
        )
    experiment = only(experiments(found))
    assert experiment.dense == {0: by_name["dense_run"].endpoint}
    assert experiment.problems == ()


@pytest.mark.parametrize("inside", ["rounds/round_00", "dense"])
def test_rounds_and_dense_trainings_are_no_runs_when_they_are_named(real, inside):
    path = real / inside
    with pytest.raises(ValueError, match="There is no run in"):
        load([path])


def test_runs_are_named_one_by_one_or_by_folder_and_are_read_once(real):
    assert [run.path.name for run in load([real / "snip", real / "snip", real])].count("snip") == 1
    assert len(load(real / "snip")) == 1
    (real / "deep" / "deeper").mkdir(parents=True)
    shutil.copytree(real / "snip", real / "deep" / "deeper" / "copy")
    try:
        assert {run.path.name for run in load(real / "deep")} == {"copy"}
    finally:
        shutil.rmtree(real / "deep")


def test_what_is_no_folder_of_runs_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing does not exist"):
        load([tmp_path / "nothing"])
    with pytest.raises(ValueError, match="There is no run in"):
        load([tmp_path])
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="file is a file"):
        load([tmp_path / "file"])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="There is no run in"):
        load([tmp_path])


def test_a_run_without_a_result_is_unfinished(tmp_path):
    path = write(tmp_path / "run", method="lt", check="rearrange", seed=4)
    (path / "result.json").unlink()
    run = only(load(tmp_path))
    assert (run.status, run.problem) == (UNFINISHED, "finished so far: ticket")
    assert (run.arm.label, run.check, run.seed) == ("lt", "rearrange", 4)
    (path / "stages.json").unlink()
    assert only(load(tmp_path)).problem == "finished so far: nothing"


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("result.json", "{", "result.json is damaged"),
        ("result.json", "[]", "result.json is [], not a mapping"),
        ("result.json", b"\xff\xfe", "result.json is damaged"),
        ("result.json", "[" * 100_000, "result.json is damaged"),
        ("config.json", "", "config.json is damaged"),
        ("result.json", {"test_accuracy": None}, "test_accuracy is missing"),
        ("result.json", {"test_accuracy": "high"}, "test_accuracy is 'high', not a number in [0, 1]"),
        ("result.json", {"test_accuracy": True}, "test_accuracy is True"),
        ("result.json", {"test_accuracy": 97.2}, "test_accuracy is 97.2"),
        ("result.json", {"test_accuracy": float("nan")}, "test_accuracy is nan"),
        ("result.json", {"effective_sparsity": -1}, "effective_sparsity is -1"),
        ("result.json", {"sparsity": 1.0}, "sparsity is 1.0, not a number in [0, 1)"),
        ("result.json", {"seed": 3}, "seed is not its config's"),
        ("result.json", {"kept": 1}, "their kept is"),
        ("result.json", {"layers": []}, "layers is [], not a list of layers"),
        ("result.json", {"layers": [{"name": "a", "kept": 3, "total": 2}]}, "more is kept than there is"),
        ("result.json", {"seconds": {"train": "long"}}, "not a mapping of seconds"),
        ("result.json", {"seconds": {"train": 10**400}}, "not a mapping of seconds"),
        ("result.json", {"training_cost": -1}, "training_cost is -1, not a number, 0 or more"),
        ("result.json", {"training_cost": float("nan")}, "training_cost is nan"),
        ("result.json", {"source_test_accuracy": 96}, "source_test_accuracy is 96"),
        ("config.json", {"source_density": 0}, "source_density is 0, not a number in (0, 1]"),
        ("config.json", {"source_ratios": {"a": 1}}, "source_ratios is {'a': 1}, not a name or numbers"),
        ("config.json", {"search_options": [1]}, "search_options is [1], not a mapping"),
        ("config.json", {"free_growth": "yes"}, "free_growth is 'yes', not true or false"),
        ("result.json", {"total": 10**400}, "not a whole number, 1 or more"),
        ("result.json", {"macs": 1}, "macs_kept is more than macs"),
        (
            "config.json",
            {"recipe": {"model": "resnet8", "augment": False, "epochs": 10**400}},
            "epochs must be",
        ),
        ("result.json", {"config": {"method": "snip"}}, "config: sparsity is missing"),
        ("config.json", {"seed": 9}, "are of different runs"),
        ("config.json", {"recipe": {"model": "resnet8"}}, "missing"),
        ("config.json", {"ratios": {"a": 1}}, "ratios is {'a': 1}, not a name or numbers"),
    ],
)
def test_a_damaged_run_is_broken_and_says_why_in_one_line(tmp_path, file, content, problem):
    path = write(tmp_path / "run")
    if isinstance(content, dict):
        edit(path, file, **content)
    elif isinstance(content, bytes):
        (path / file).write_bytes(content)
    else:
        (path / file).write_text(content)
    run = only(load(tmp_path))
    assert run.status == BROKEN
    assert problem in run.problem
    assert "\n" not in run.problem
    assert experiments([run]) == []


def test_a_run_of_an_older_version_has_the_defaults_of_what_it_does_not_name(tmp_path):
    new, old = write(tmp_path / "new"), write(tmp_path / "old", seed=1)
    result = json.loads((old / "result.json").read_text())
    for name in ("sanity_check", "score", "score_code", "rounds", "ticket", "ticket_sha256"):
        result["config"].pop(name, None)
    for name in ("effective_sparsity", "collapsed", "sanity_check", "chance_accuracy", "hardware"):
        result.pop(name)
    for layer in result["layers"]:
        layer.pop("on_path")
    (old / "result.json").write_text(json.dumps(result))
    found = load([new, old])
    assert [run.status for run in found] == [FINISHED] * 2
    assert found[0].arm == found[1].arm
    assert found[1].check is None


def test_labels_say_what_differs_from_the_methods_own_row(tmp_path):
    choices = {
        "snip": {"method": "snip"},
        "lt, ratios=erk": {"method": "lt", "ratios": "erk", "classifier_keep": None},
        "hybrid, rounds=3": {"method": "hybrid", "rounds": 3},
        "lt, classifier_keep=None": {"method": "lt", "classifier_keep": None},
        "weight_rewinding": {"method": "weight_rewinding"},
        "weight_rewinding, rewind_epoch=5": {"method": "weight_rewinding", "rewind_epoch": 5},
        "snip, samples_per_class=3": {"method": "snip", "samples_per_class": 3},
        "random, ratios=1,0.5,0.25,... (10)": {"method": "random", "ratios": tuple(0.5**x for x in range(10)),
                                               "classifier_keep": None},
        "lt, ticket=abcdef": {"method": "lt", "ticket": "t.npz", "ticket_sha256": "abcdef0123",
                              "classifier_keep": None},
        "snip, score=mine:mine, score_options=power:2": {
            "method": "snip", "score": "mine:mine", "score_code": "12", "score_options": {"power": 2}},
    }  # fmt: skip
    for number, fields in enumerate(choices.values()):
        write(tmp_path / f"{number}", **fields)
    assert {run.arm.label for run in load(tmp_path)} == set(choices)


def test_labels_of_one_report_are_never_alike(tmp_path):
    ratios = [(1.0, 0.5, 0.25, *rest) for rest in ([0.1] * 7, [0.2] * 7)]
    for number, given in enumerate(ratios):
        write(tmp_path / f"ratios-{number}", method="random", ratios=given, classifier_keep=None)
    for number, code in enumerate(("aaaaaaaa", "bbbbbbbb")):
        write(tmp_path / f"score-{number}", score="mine:mine", score_code=code)
    names = set(only(experiments(load(tmp_path))).names.values())
    assert names == {
        "random, ratios=1,0.5,0.25,... (10) (1)",
        "random, ratios=1,0.5,0.25,... (10) (2)",
        "snip, score=mine:mine, score_code=aaaaaa",
        "snip, score=mine:mine, score_code=bbbbbb",
    }


def test_labels_say_the_source_in_words(tmp_path):
    source = {"source_density": 0.3, "source_ratios": "balanced"}
    choices = {
        "rigl": {},
        "rigl, source 0.3 balanced": source,
        "rigl, source 0.3 balanced bernoulli": {**source, "source_sampling": "bernoulli"},
        "rigl, source 0.3 balanced with flow preserved": {**source, "source_preserve_flow": True},
        "rigl, source 0.3 balanced, free_growth=true": {**source, "free_growth": True},
        "rigl, source 0.5 1,0.5,0.2": {"source_density": 0.5, "source_ratios": (1, 0.5, 0.2)},
        "rigl, source 1 erk, ratios=uniform": {
            "source_density": 1.0, "source_ratios": "erk", "ratios": "uniform"},
    }  # fmt: skip
    for number, fields in enumerate(choices.values()):
        write(tmp_path / f"{number}", method="rigl", **fields)
    found = load([tmp_path])
    assert {run.arm.label for run in found} == set(choices)
    assert set(only(experiments(found)).names.values()) == set(choices)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ([{"frequency": 20}], ["gmp"]),
        ([{"frequency": 20}, {"frequency": 20, "until": 0.5}], ["gmp", "gmp, until=0.5"]),
        ([{}, {"frequency": 20}], ["gmp", "gmp, frequency=20"]),
        ([{"frequency": 10}, {"frequency": 20}], ["gmp, frequency=10", "gmp, frequency=20"]),
    ],
)
def test_labels_say_options_of_a_search_only_where_arms_differ(tmp_path, options, names):
    for number, given in enumerate(options):
        write(tmp_path / f"{number}", method="gmp", search_options=given)
    write(tmp_path / "another", method="rigl", search_options={"frequency": 33})
    found = only(experiments(load([tmp_path])))
    assert sorted(found.names.values()) == sorted([*names, "rigl"])


def test_options_of_a_search_that_are_its_defaults_make_no_arm_of_their_own(tmp_path):
    write(tmp_path / "0", method="gmp", seed=0)
    write(tmp_path / "1", method="gmp", seed=1, search_options={"frequency": 100})
    assert [sorted(runs) for runs in only(experiments(load([tmp_path]))).arms.values()] == [[0, 1]]


def test_a_method_without_a_target_has_no_sparsity_but_a_density(tmp_path):
    for seed, density in enumerate((0.05, 0.08)):
        write(tmp_path / f"{seed}", method="str", seed=seed, sparsity=0.0, density=density)
    write(tmp_path / "gmp", method="gmp", sparsity=0.9)
    write(tmp_path / "dense", method="dense")
    found = load([tmp_path])
    assert {run.arm.label: run.sparsity for run in found} == {"str": None, "gmp": 0.9, "dense": 0.0}
    assert [run.density for run in found[:2]] == pytest.approx([0.05, 0.08], rel=1e-3)
    experiment = only(experiments(found))
    assert (experiment.sparsities, experiment.targets) == ([0.9], [0.9, None])
    assert [str(arm) for arm in experiment.arms] == ["dense at 0 %", "gmp at 90 %", "str"]
    assert {verdict.variant.method for verdict in baselines(experiment)} == {"gmp"}


@pytest.mark.parametrize(
    ("runs", "is_about"),
    [
        ([{"method": "snip", "sparsity": 0.9}, {"method": "uniform", "sparsity": 0.98}], False),
        ([{"method": "gmp", "sparsity": 0.9}, {"method": "gmp", "sparsity": 0.98}], True),
        ([{"method": "erk", "sparsity": 0.9}, {"method": "erk", "sparsity": 0.98}], True),
        ([{"method": "lt", "sparsity": x, **synthetic.SOURCE} for x in (0.9, 0.98)], True),
        ([{"method": "snip", "sparsity": 0.9}, {"method": "snip", "sparsity": 0.98, "density": 0.03}], True),
        ([{"method": "gmp", "sparsity": 0.9}], False),
        ([{"method": "str", "sparsity": 0.0, "density": 0.1}], True),
    ],
)  # fmt: skip
def test_true_density_is_shown_where_it_says_more_than_the_sparsity_asked_for(tmp_path, runs, is_about):
    for number, fields in enumerate(runs):
        write(tmp_path / f"{number}", **fields)
    assert only(experiments(load([tmp_path]))).is_about_density is is_about


def test_a_method_inside_a_source_stands_beside_itself_from_the_dense_network(tmp_path):
    free = {**synthetic.SOURCE, "free_growth": True}
    for number, fields in enumerate(
        (
            {"method": "rigl"},
            {"method": "rigl", **synthetic.SOURCE},
            {"method": "rigl", **free},
            {"method": "rigl", "sparsity": 0.9, **synthetic.SOURCE},  # no partner at this sparsity
            {
                "method": "rigl",
                "search_options": {"frequency": 7},
                **synthetic.SOURCE,
            },  # nor of these options
            {"method": "gmp", **synthetic.SOURCE},
            {"method": "str", "sparsity": 0.0},
            {"method": "str", "sparsity": 0.7, **synthetic.SOURCE},
        )
    ):
        for seed in range(3):
            write(
                tmp_path / f"{number}-{seed}", 0.9 + number / 100 + seed * number / 1000, seed=seed, **fields
            )
    found = source_contrasts(only(experiments(load([tmp_path]))))
    assert [(str(contrast.dense), str(contrast.inside)) for contrast in found] == [
        ("rigl at 98 %", "rigl, source 0.3 balanced at 98 %"),
        ("rigl at 98 %", "rigl, source 0.3 balanced, free_growth=true at 98 %"),
    ]
    comparisons = [contrast.verdict.comparison for contrast in found]
    assert [x.difference for x in comparisons] == pytest.approx([0.011, 0.022])
    # The mean of 10, 11 and 12 thousandths, ± 4.303 times its standard error.
    assert comparisons[0].interval == pytest.approx((0.0085159, 0.0134841), abs=1e-6)


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({"recipe": {"epochs": 12}}, "digits, resnet20 at width 0.5, 12 epochs"),
        ({"recipe": {"model": "resnet8"}}, "digits, resnet8 at width 0.5, 30 epochs"),
        ({"dataset": "idx:/data/fashion"}, "fashion, resnet20 at width 0.5, 30 epochs"),
        ({"threads": 1}, "digits, resnet20 at width 0.5, 30 epochs, threads=1"),
        ({"recipe": {"learning_rate": 0.05}}, "digits, resnet20 at width 0.5, 30 epochs, learning_rate=0.05"),
        ({"data_fingerprint": "01234"}, "digits, resnet20 at width 0.5, 30 epochs, data_fingerprint=01234"),
        ({"replicas": 2}, "digits, resnet20 at width 0.5, 30 epochs, replicas=2"),
    ],
)  # fmt: skip
def test_two_settings_never_share_a_number(tmp_path, change, title):
    write(tmp_path / "one", 0.9)
    write(tmp_path / "other", 0.5, **change)
    found = experiments(load(tmp_path))
    assert len(found) == 2
    assert title in {experiment.title for experiment in found}
    for experiment in found:
        assert [len(runs) for runs in experiment.arms.values()] == [1]


def test_a_validation_split_is_drawn_by_the_seed_and_is_no_other_setting(tmp_path):
    for seed in range(2):
        write(tmp_path / f"{seed}", seed=seed, validation_fraction=0.1, data_fingerprint=f"data-{seed}")
    experiment = only(experiments(load(tmp_path)))
    assert sorted(only(experiment.arms.values())) == [0, 1]
    write(tmp_path / "other", method="lt", validation_fraction=0.1, data_fingerprint="changed")
    experiment = only(experiments(load(tmp_path)))
    assert "Seed 0: the data differ" in only(experiment.problems)
    assert [sorted(runs) for runs in experiment.arms.values()] == [[1]]


def test_equal_runs_count_once_and_runs_that_disagree_not_at_all(tmp_path):
    write(tmp_path / "one", 0.9)
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    experiment = only(experiments(load(tmp_path)))
    assert "2 equal runs, one is counted" in only(experiment.notes)
    assert len(experiment.runs) == 1
    edit(tmp_path / "copy", test_accuracy=0.8)
    experiment = only(experiments(load(tmp_path)))
    assert "snip at 98 %, seed 0: the runs disagree (80.00 %, 90.00 %)" in only(experiment.problems)
    assert experiment.runs == []
    edit(tmp_path / "copy", test_accuracy=0.9, weights_sha256="other")
    assert only(experiments(load(tmp_path))).runs == []


def test_accuracies_of_32_bits_are_those_of_64(tmp_path):
    """Earlier versions kept them in 32 bits: 348 of 360 as 0.9666666388511658."""
    exact, earlier = 348 / 360, float(np.float32(348 / 360))
    numbers = {"dense_test_accuracy": exact, "dense_best_test_accuracy": exact}
    write(tmp_path / "one", exact, method="lt", result=numbers)
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    edit(tmp_path / "copy", test_accuracy=earlier)
    numbers["dense_test_accuracy"] = earlier
    write(tmp_path / "attacked", exact, method="lt", check="rearrange", result=numbers)
    experiment = only(experiments(load(tmp_path)))
    assert experiment.problems == ()
    assert "2 equal runs, one is counted" in experiment.notes[0]
    assert sorted(experiment.dense) == [0]


def test_other_versions_and_machines_are_averaged_and_said(tmp_path):
    write(tmp_path / "one", seed=0)
    versions = {"python": "3.12.1", "tf_tickets": "0.1.0", "tensorflow": "2.21.0", "keras": "3.15.1"}
    write(tmp_path / "other", seed=1, result={"versions": versions})
    note = only(only(experiments(load(tmp_path))).notes)
    assert note == "The runs are of different versions: python 3.11.7 (1 run); python 3.12.1 (1 run)."


def test_a_longer_dense_network_stands_beside_the_setting_that_it_fits(tmp_path):
    write(tmp_path / "ticket", method="lt")
    write(tmp_path / "snip", method="snip")
    for name, recipe in {
        "long": {"epochs": 60},
        "longer, milestones by epochs": {"epochs": 90, "milestones": (45, 67.5)},
        "other": {"epochs": 60, "learning_rate": 0.05},
        "shorter": {"epochs": 15},
    }.items():
        if name.startswith("longer"):
            recipe = {**recipe, "milestones": (0.5, 0.75)}
        write(tmp_path / name, 0.99, method="dense", recipe=recipe)
    found = experiments(load(tmp_path))
    experiment = next(x for x in found if x.variants)
    assert sorted(experiment.controls) == [60, 90]
    # What fits no other setting stays one of its own.
    assert sorted((x.setting["epochs"], x.setting["learning_rate"]) for x in found) == [
        (15, 0.1),
        (30, 0.1),
        (60, 0.05),
    ]
    # The whole budget of a ticket of two trainings; a ticket of one needs no longer network.
    compared = {(v.variant.method, v.versus) for v in baselines(experiment)}
    assert ("lt", "dense, 60 epochs") in compared
    assert not any(versus.startswith("dense,") for method, versus in compared if method == "snip")


def test_milestones_in_epochs_are_compared_as_fractions(tmp_path):
    write(tmp_path / "ticket", method="lt", recipe={"milestones": (15, 24)})
    write(tmp_path / "long", 0.99, method="dense", recipe={"epochs": 60, "milestones": (30, 48)})
    assert list(only(experiments(load(tmp_path))).controls) == [60]


def pairs(folder, differences, method="snip", check="rearrange", first=0):
    """Tickets and attacked twins with these differences of accuracy."""
    for seed, difference in enumerate(differences, start=first):
        write(folder / f"{method}-{seed}", 0.95 + 0.002 * (seed % 3), method=method, seed=seed)
        accuracy = 0.95 + 0.002 * (seed % 3) + difference
        write(folder / f"{method}-{check}-{seed}", accuracy, method=method, check=check, seed=seed)


def nulls(folder, lead, method="random", seeds=6, **choices):
    """Random tickets that are so much better than the tickets of `pairs`."""
    for seed in range(seeds):
        accuracy = 0.95 + 0.002 * (seed % 3) + lead + 0.001 * (seed % 2)
        write(folder / f"{method}-{seed}", accuracy, method=method, seed=seed, **choices)


SMALL = [0.0, 0.001, -0.001, 0.001, -0.001, 0.0]


@pytest.mark.parametrize(
    ("shift", "answer"), [(0.0, "insensitive"), (-0.05, "sensitive"), (0.03, "reversed")]
)
def test_the_verdict_of_a_check_is_over_the_seeds_of_both(tmp_path, shift, answer):
    pairs(tmp_path, [shift + x for x in SMALL])
    nulls(tmp_path, -0.04)
    verdict = only(verdicts(only(experiments(load(tmp_path)))))
    assert verdict.comparison.answer == answer
    assert (verdict.variant.label, verdict.sparsity, verdict.versus) == ("snip", 0.98, "rearrange")
    assert verdict.seeds == tuple(range(6))
    assert verdict.comparison.difference == pytest.approx(shift)


def test_each_check_of_a_family_is_compared_over_its_own_seeds(tmp_path):
    pairs(tmp_path, SMALL)
    for seed in (2, 3, 4, 7):
        write(tmp_path / f"corrupted-{seed}", 0.95, check="corrupted", seed=seed)
    write(tmp_path / "invert-0", 0.2, check="invert", seed=0)
    found = {verdict.versus: verdict for verdict in verdicts(only(experiments(load(tmp_path))))}
    assert (found["rearrange"].seeds, found["corrupted"].seeds) == (tuple(range(6)), (2, 3, 4))
    assert found["rearrange"].comparison.seeds == 6
    assert found["invert"].comparison is None
    assert found["invert"].reason == "1 of at least 3 seeds"


def test_too_few_seeds_give_no_verdict(tmp_path):
    pairs(tmp_path, SMALL[:2])
    verdict = only(verdicts(only(experiments(load(tmp_path)))))
    assert (verdict.comparison, verdict.reason) == (None, "2 of at least 3 seeds")


def test_a_check_without_its_ticket_gives_no_verdict(tmp_path):
    write(tmp_path / "run", check="rearrange")
    verdict = only(verdicts(only(experiments(load(tmp_path)))))
    assert verdict.reason == "the ticket itself has not been run"


def test_a_ticket_at_the_level_of_guessing_says_nothing(tmp_path):
    for seed in range(4):
        for check in (None, "rearrange"):
            write(tmp_path / f"{check}-{seed}", 0.1 + seed / 1000, check=check, seed=seed)
    assert only(verdicts(only(experiments(load(tmp_path))))).comparison.answer == "says nothing"


class TestNulls:
    """A check says something only of a ticket that is ahead of its nulls by more than the margin."""

    @staticmethod
    def of(folder, **options):
        found = verdicts(only(experiments(load(folder))), **options)
        return next(one for one in found if one.versus == "rearrange")

    @pytest.mark.parametrize(("lead", "answer"), [(-0.04, "insensitive"), (-0.005, "cannot tell")])
    def test_are_random_tickets_of_hand_made_ratios(self, tmp_path, lead, answer):
        pairs(tmp_path, SMALL)
        nulls(tmp_path, lead)
        verdict = self.of(tmp_path)
        assert verdict.answer == answer
        (found,) = verdict.comparison.leads
        assert (found.null, found.arm) == ("random tickets of hand-made ratios", "random (smart)")
        assert found.gain == pytest.approx(-lead, abs=0.002)

    def test_count_by_the_best_of_them(self, tmp_path):
        pairs(tmp_path, SMALL)
        nulls(tmp_path, -0.04)
        nulls(tmp_path, -0.005, method="balanced")
        verdict = self.of(tmp_path)
        assert (verdict.answer, verdict.comparison.leads[0].arm) == ("cannot tell", "balanced")

    def test_are_also_random_tickets_of_the_same_counts(self, tmp_path):
        pairs(tmp_path, SMALL)
        for seed in range(6):
            check = "rearrange+reinitialize"
            write(tmp_path / f"null-{seed}", 0.9 + 0.001 * (seed % 2), seed=seed, check=check)
        verdict = self.of(tmp_path)
        assert (verdict.answer, verdict.comparison.leads[0].null) == (
            "insensitive",
            "random tickets of its own layer counts",
        )

    def test_that_were_not_run_cannot_be_led(self, tmp_path):
        pairs(tmp_path, SMALL)
        assert self.of(tmp_path).answer == "cannot tell"

    def test_of_a_ticket_that_trains_twice_are_trained_as_long(self, tmp_path):
        pairs(tmp_path, SMALL, method="lt")
        nulls(tmp_path, -0.04)
        (note,) = self.of(tmp_path).remarks
        assert "trained for 30 epochs, the ticket in all for 60" in note
        for seed in range(6):
            longer = {"recipe": {"epochs": 60}, "method": "balanced", "seed": seed}
            write(tmp_path / f"longer-{seed}", 0.949 + 0.001 * (seed % 2), **longer)
        verdict = self.of(tmp_path)
        assert (verdict.answer, verdict.comparison.leads[0].arm, verdict.remarks) == (
            "cannot tell",
            "balanced, 60 epochs",
            (),
        )
        experiment = only(experiments(load(tmp_path)))
        assert "balanced, 60 epochs" in {row.cells[0].text for row in accuracies(experiment, alpha=0.05).rows}
        assert "balanced, 60 epochs" in {
            one.versus for one in baselines(experiment) if one.variant.method == "lt"
        }

    def test_are_the_shorter_ones_where_longer_ones_are_of_other_sparsities(self, tmp_path):
        pairs(tmp_path, SMALL, method="lt")
        nulls(tmp_path, -0.04)
        for seed in range(6):
            longer = {"recipe": {"epochs": 60}, "method": "balanced", "seed": seed}
            write(tmp_path / f"longer-{seed}", 0.9, sparsity=0.9, **longer)
        verdict = self.of(tmp_path)
        assert [lead.arm for lead in verdict.comparison.leads] == ["random (smart)"]
        assert "trained for 30 epochs, the ticket in all for 60" in verdict.remarks[0]

    def test_and_the_dense_network_make_the_gap_that_a_margin_can_be_a_part_of(self, tmp_path):
        pairs(tmp_path, SMALL)
        nulls(tmp_path, -0.04)
        for seed in range(6):
            write(tmp_path / f"dense-{seed}", 0.96 + 0.002 * (seed % 3), method="dense", seed=seed)
        verdict = self.of(tmp_path, margin="25%")
        assert verdict.comparison.margin == pytest.approx(0.25 * 0.0495, abs=1e-4)
        assert "the margin, 25 % of the gap" in verdict.remarks[0]

    def test_leave_no_gap_where_there_is_no_dense_network(self, tmp_path):
        pairs(tmp_path, SMALL)
        nulls(tmp_path, -0.04)
        verdict = self.of(tmp_path, margin="25%")
        assert verdict.comparison is None
        assert "no gap" in verdict.reason

    @pytest.mark.parametrize("margin", ["0%", "100%", "much", -0.1, "nan"])
    def test_a_margin_that_is_none_is_refused(self, tmp_path, margin):
        pairs(tmp_path, SMALL)
        with pytest.raises(ValueError, match=r"margin=.* is out of range: it is a number above 0"):
            self.of(tmp_path, margin=margin)


def test_the_loss_is_judged_beside_the_metric(tmp_path):
    for seed in range(6):
        for check, loss in ((None, 0.1), ("rearrange", 0.14)):
            result = {"test_loss": loss + 0.001 * (seed % 3)}
            write(tmp_path / f"{check}-{seed}", 0.95, seed=seed, check=check, result=result)
    experiment = only(experiments(load(tmp_path)))
    (of_loss,) = verdicts(experiment, scale=LOSS, margin=0.02)
    assert (of_loss.answer, of_loss.comparison.difference) == ("sensitive", pytest.approx(0.04))
    assert "a rise" in str(of_loss.comparison)
    (unsaid,) = verdicts(experiment, scale=LOSS)
    assert unsaid.reason == "no margin is said of loss"


@pytest.mark.parametrize("loss", [math.nan, math.inf, None, "much"])
def test_a_loss_that_is_no_number_is_missing(tmp_path, loss):
    for seed in range(6):
        for check in (None, "rearrange"):
            result = {"test_loss": loss if seed == 2 and check else 0.1 + 0.001 * seed}
            write(tmp_path / f"{check}-{seed}", 0.95, seed=seed, check=check, result=result)
    (of_loss,) = verdicts(only(experiments(load(tmp_path))), scale=LOSS, margin=0.02)
    assert of_loss.missing == (2,)
    assert of_loss.comparison.seeds == 5


def test_seeds_that_one_arm_lacks_are_said(tmp_path):
    """Removing the runs that went worst must not go unnoticed."""
    pairs(tmp_path, [-0.03, -0.03, -0.02, -0.01, 0.0, 0.001])
    for seed in (0, 1, 2):
        shutil.rmtree(tmp_path / f"snip-rearrange-{seed}")
    (verdict,) = verdicts(only(experiments(load(tmp_path))))
    assert verdict.missing == (0, 1, 2)
    assert "of 6 seeds 3 lack a run (0–2)" in verdict.notes[-1]


def test_checks_of_one_claim_are_a_family_and_controls_are_in_none(tmp_path):
    for check in (None, "corrupted", "random_labels", "rearrange", "invert"):
        for seed in range(4):
            write(tmp_path / f"{check}-{seed}", 0.95 + 0.001 * seed, check=check, seed=seed)
    experiment = only(experiments(load(tmp_path)))
    assert {one.versus: one.family for one in verdicts(experiment)} == {
        "random_labels": "data",
        "corrupted": "data",
        "rearrange": "connections",
        "invert": "invert",
    }
    declared = dict.fromkeys(("corrupted", "rearrange"), "both")
    assert {one.versus: one.family for one in verdicts(experiment, families=declared)} == {
        "random_labels": "data",
        "corrupted": "both",
        "rearrange": "both",
        "invert": "invert",
    }


def test_two_dead_networks_are_not_equivalent(tmp_path):
    for method in ("snip", "uniform"):
        for seed in range(4):
            write(tmp_path / f"{method}-{seed}", 0.1028, method=method, seed=seed)
    (verdict,) = [x for x in baselines(only(experiments(load(tmp_path)))) if x.variant.method == "snip"]
    assert verdict.answer == "says nothing"


def test_tickets_are_compared_with_the_baselines_that_are_there(tmp_path):
    synthetic.paper(tmp_path, seeds=4, methods=("random", "uniform", "snip", "hybrid"), sparsities=(0.98,))
    found = baselines(only(experiments(load(tmp_path))))
    compared = {}
    for verdict in found:
        compared.setdefault(verdict.variant.label, []).append(verdict.versus)
    assert compared == {
        "random": ["dense", "uniform"],
        "uniform": ["dense", "random (smart)"],
        "snip": ["dense", "uniform", "random (smart)"],
        "hybrid": ["dense", "dense, 60 epochs", "uniform", "random (smart)"],
    }
    assert {verdict.seeds for verdict in found} == {(0, 1, 2, 3)}


def test_a_method_is_a_baseline_by_its_row(tmp_path, monkeypatch):
    for method in ("random", "uniform", "er", "snip"):
        write(tmp_path / method, method=method)

    def of_snip():
        found = baselines(only(experiments(load(tmp_path))))
        return [verdict.versus for verdict in found if verdict.variant.method == "snip"]

    assert of_snip() == ["uniform", "random (smart)"]
    monkeypatch.setitem(METHODS, "er", dataclasses.replace(METHODS["er"], baseline=3))
    assert of_snip() == ["uniform", "random (smart)", "er"]


def test_the_dense_accuracy_is_taken_from_the_shared_training_where_no_dense_run_is(tmp_path):
    write(tmp_path / "lt", method="lt", seed=2)
    write(tmp_path / "hybrid", method="hybrid", seed=2)
    # A check on the data trains a dense network of its own, on other data.
    write(tmp_path / "corrupted", method="lt", check="corrupted", seed=3)
    experiment = only(experiments(load(tmp_path)))
    assert list(experiment.dense) == [2]
    edit(tmp_path / "lt", dense_test_accuracy=0.5)
    experiment = only(experiments(load(tmp_path)))
    assert experiment.dense == {}
    assert "Seed 2: the dense trainings disagree" in only(experiment.problems)


def test_names_are_only_data(tmp_path):
    write(tmp_path / "<b>", dataset="npz:$(rm -rf x).npz", method="snip", score="os:system", score_code="1")
    run = only(load(tmp_path))
    assert run.arm.label == "snip, score=os:system"
    assert results.experiments([run])[0].title.startswith("npz:$(rm -rf x).npz, resnet20")
