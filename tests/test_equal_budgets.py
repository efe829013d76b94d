"""scripts/experiments/equal_budgets.py: held-out data choose the rates, and the test set only compares."""

import importlib.util
import json
import pathlib
import sys
import types

import pytest

PROGRAM = pathlib.Path(__file__).parents[1] / "scripts" / "experiments" / "equal_budgets.py"
PLAN = {
    "question": "Which is better?",
    "flags": {"dataset": "digits", "model": "mlp_8"},
    "sparsity": 0.9,
    "epochs": 3,
    "arms": {
        "random": {"method": "random", "times": [1, 2]},
        "erk": {"method": "erk", "times": [1, 2]},
        "iterative": {"method": "lt", "rounds": 3},
        "dense": {"method": "dense", "sparsity": None},
    },
    "rates": [0.1, 0.3],
    "tuning": {"seeds": [7, 8], "validation_fraction": 0.2},
    "seeds": [0, 1, 2],
}
# Held out, ERK does best at 0.3 and everything else at 0.1; on the test set it is the other way round.
BEST = {"erk": 0.3}


@pytest.fixture(scope="module")
def program():
    found = importlib.util.spec_from_file_location("equal_budgets", PROGRAM)
    module = importlib.util.module_from_spec(found)
    # Where dataclasses look up what annotations mean.
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module


@pytest.fixture
def sweeps(program, monkeypatch):
    """What was asked of the sweeps; a run's numbers are functions of what it was told."""
    asked = []

    def sweep(methods, *, seed, learning_rate, **given):
        asked.append({"methods": methods, "seeds": list(seed), "rate": learning_rate, **given})
        return [
            types.SimpleNamespace(
                config=types.SimpleNamespace(method=method),
                numbers={
                    "validation_accuracy": 0.5 + 0.1 * (BEST.get(method, 0.1) == learning_rate) + x / 1000
                },
                accuracy=0.9 - 0.1 * (BEST.get(method, 0.1) == learning_rate) + x / 1000,
            )
            for method in methods
            for x in seed
        ]

    monkeypatch.setattr(program.tt, "sweep", sweep)
    return asked


def call(program, folder, plan=PLAN):
    (folder / "plan.json").write_text(json.dumps(plan))
    program.run(program.Plan.read(folder / "plan.json"), folder, jobs=1)
    return json.loads((folder / "rates.json").read_text())


def test_rates_are_those_of_the_held_out_data(program, sweeps, tmp_path):
    rates = call(program, tmp_path)
    assert {arm: said["rate"] for arm, said in rates.items()} == {
        **{f"{arm}, {times}": BEST.get(arm, 0.1) for arm in ("random", "erk") for times in (1, 2)},
        "iterative, 1": 0.1,
        "dense, 1": 0.1,
    }
    assert rates["erk, 2"]["held_out_accuracy"] == pytest.approx({"0.1": 0.5075, "0.3": 0.6075})


def test_the_comparison_holds_nothing_out_and_has_seeds_of_its_own(program, sweeps, tmp_path):
    call(program, tmp_path)
    tuning = [x for x in sweeps if "validation_fraction" in x]
    final = [x for x in sweeps if "validation_fraction" not in x]
    assert {tuple(x["seeds"]) for x in tuning} == {(7, 8)}
    assert {tuple(x["seeds"]) for x in final} == {(0, 1, 2)}
    assert {
        (m, x["sparsity"], x["epochs"], x["rate"], x.get("rounds")) for x in final for m in x["methods"]
    } == {
        *((m, 0.9, epochs, BEST.get(m, 0.1), None) for m in ("random", "erk") for epochs in (3, 6)),
        ("lt", 0.9, 3, 0.1, 3),
        ("dense", None, 3, 0.1, None),
    }
    assert len(tuning) == 2 * 4  # one for each rate, budget and set of other flags


def test_what_is_said_at_the_end_is_of_the_test_set(program, sweeps, tmp_path, capsys):
    call(program, tmp_path)
    said = capsys.readouterr().out.splitlines()[2]
    assert said.split() == ["erk,", "1", "0.3", "80.10", "±", "0.10"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tuning": {"seeds": [2, 3], "validation_fraction": 0.2}}, r"seeds \[2\] are among"),
        ({"epoch": 3}, "has arms, epoch, epochs"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_before_work(program, sweeps, tmp_path, change, said):
    with pytest.raises(ValueError, match=said):
        call(program, tmp_path, {**PLAN, **change})
    assert not sweeps
