"""The verdict on methods of which the answer is known, and what is refused before any work."""

import functools

import pytest

import tf_tickets as tt
from tests import users_scores
from tests.programs import here
from tests.reporting import synthetic
from tests.sweeps.here import stay_here
from tf_tickets import pipeline, results
from tf_tickets.sanity.statistics import CANNOT_TELL, SENSITIVE

SETTINGS = {
    "model": "mlp_24_16",
    "epochs": 1,
    "batch_size": 64,
    "controls": False,
    "nulls": False,
    "ratios": "uniform",
    "jobs": 1,
}
SEEDS = 3
# Where it is soon seen whether a method has looked at the data.
HIDDEN = {"dataset": users_scores.hidden, "model": "mlp_64", "learning_rate": 0.1, "epochs": 2}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("laboratory")


@functools.wraps(users_scores.ignoring)
def disguised(model, batches, rng):
    """Bears the name of another function."""
    return users_scores.needing(model, batches, rng)


def judged(score, runs, seeds, **choices):
    said = {**SETTINGS, **HIDDEN, **choices}
    return tt.sanity_check(
        score, 0.9, checks=["corrupted"], seeds=seeds, margin=0.05, runs_dir=str(runs), **said
    )


@pytest.mark.slow
@pytest.mark.usefixtures("untraced")
def test_a_method_that_ignores_the_data_is_found_out(runs, monkeypatch):
    stay_here(monkeypatch)
    findings = judged(users_scores.ignoring, runs, seeds=SEEDS)
    # As no null was run, it is not known that there was anything to lose.
    assert findings.answer("corrupted") == CANNOT_TELL
    (verdict,) = findings.verdicts
    assert verdict.comparison.difference == 0
    assert "identical at every seed" in str(findings)
    assert "nothing to lose at this margin, so that nothing is said of: the data" in str(findings)
    assert "no null was run" in str(findings)


@pytest.mark.slow
@pytest.mark.usefixtures("untraced")
def test_a_method_that_needs_the_data_is_believed(runs, monkeypatch):
    stay_here(monkeypatch)
    findings = judged(users_scores.needing, runs, seeds=SEEDS)
    assert findings.answer("corrupted") == SENSITIVE
    assert findings.verdicts[0].comparison.interval[1] < 0
    assert "it does worse without: the data" in str(findings)


@pytest.mark.slow
def test_arms_are_paired(runs):
    """Same initial weights and order of the data: what ignores the check ends with the same weights."""
    findings = judged(users_scores.ignoring, runs, seeds=SEEDS)
    by_seed = {}
    for run in results.load(findings.runs):
        by_seed.setdefault(run.seed, set()).add(run.result["weights_sha256"])
    assert {len(hashes) for hashes in by_seed.values()} == {1}
    assert len(set.union(*by_seed.values())) == SEEDS


@pytest.mark.slow
def test_baselines_stand_beside(tmp_path, monkeypatch):
    """Of runs with made-up numbers."""

    def made_up(config, dataset, strategy, show, *rest):
        synthetic.write(config.run_dir, settings=config)
        return {"test_accuracy": 0.97}

    stay_here(monkeypatch)
    monkeypatch.setattr(pipeline, "run", made_up)
    monkeypatch.setattr(pipeline, "pretrain_only", lambda *_: None)
    findings = tt.sanity_check(
        "lt",
        0.9,
        checks=["rearrange"],
        seeds=[0, 1, 2],
        runs_dir=str(tmp_path / "runs"),
        **{**SETTINGS, "controls": True, "nulls": True, "epochs": 1, "ratios": None},
    )
    assert [verdict.versus for verdict in findings.baselines] == [
        "dense",
        "dense, 2 epochs",
        "uniform",
        "random (smart)",
        "random (smart), 2 epochs",
        "erk, 2 epochs",
        "balanced, 2 epochs",
    ]
    # The ticket, its twin and its null; dense and random networks; random ones of hand-made ratios, trained
    # once, and for its whole budget.
    assert len(findings.runs) == 3 * (3 + 4 + 2 + 3)
    assert not findings.failures


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 2}, r"2 seeds are too few .* at least 3, and 10 to 20"),
        (
            {"checks": ["shuffle"]},
            "sanity_check=shuffle is unknown. Did you mean shuffle_weights. Choose one of: random_labels",
        ),
        ({"method": "random", "checks": ["rearrange"]}, "no check can say anything .*random and independent"),
        ({"method": "dense"}, "only for a method that ends at a sparsity"),
        ({"method": "snap"}, "method=snap is unknown"),
        ({"sparsity": 1.2}, "1.2"),
        ({"margin": 0}, "margin"),
        ({"alpha": 0.7}, "alpha"),
        ({"checks": []}, "checks= is empty"),
        ({"dry_run": True}, "for the command line"),
        ({"families": ["positions"]}, "is not NAME:CHECK,CHECK"),
        ({"families": ["positions:rearrange"]}, "names 'rearrange', which is not asked"),
        ({"loss_margin": -1}, "loss_margin=-1 is out of range"),
        ({"margin": "120%"}, "margin=120% is out of range"),
        ({"color": "red"}, "color= is unknown.* Accepted are flags: "),
        ({"method": lambda model, batches, rng: []}, "cannot be imported by other processes"),
        ({"method": disguised}, "cannot be imported by other processes"),
        ({"method": users_scores.needing, "score": "snip"}, "is a score already"),
    ],
)
def test_refused_before_any_work(tmp_path, changes, message):
    arguments = {"method": "snip", "sparsity": 0.9, "checks": ["corrupted"], "seeds": 3, **changes}
    with pytest.raises(ValueError, match=message):
        tt.sanity_check(**arguments, runs_dir=str(tmp_path / "runs"), model="mlp_8_8")
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_all_checks_that_fit_by_default(tmp_path, monkeypatch):
    flags = ("--method=snip,random", "--sparsity=0.9", "--model=mlp_8_8", f"--runs_dir={tmp_path}/runs")
    code, out, err = here.call(monkeypatch, "sanity", *flags, "--dry_run")
    # All but the half in order, which is about dense training; and the ticket itself.
    snip, baselines, nulls = len(tt.sanity.CHECKS), 2, 2
    assert f" {10 * (1 + snip + baselines + nulls)}, of which 0 are done" in out
    assert "random 0.9 rearrange: masks and weights are random" in out
    assert (code, err) == (0, "")
    assert not (tmp_path / "runs").exists()
