"""Whole runs that are no classification: pruned, judged and reported by their own loss and metric."""

import itertools
import json
import sys

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits

import tf_tickets as tt
from tests import nets
from tests.programs import here
from tests.reporting.synthetic import ERROR, write
from tests.reporting.undrawn import leave_out_figures
from tests.runs import configure
from tf_tickets import config, pipeline, results
from tf_tickets.laboratory import Findings
from tf_tickets.reporting.commands import command
from tf_tickets.support.console import Console


def diabetes():
    """Ten features of 442 people, and how their illness went on, at mean 0 and deviation 1."""
    x, y = load_diabetes(return_X_y=True)
    y = (y - y[:350].mean()) / y[:350].std()
    return (x[:350], y[:350]), (x[350:], y[350:])


def marks():
    """Digits: which are even, have a loop, are above 4."""
    digits = load_digits()
    n = digits.target
    y = np.stack([n % 2 == 0, np.isin(n, (0, 6, 8, 9)), n > 4], 1)
    return (digits.images[:900], y[:900]), (digits.images[900:1300], y[900:1300])


REGRESSION = {"dataset": f"{__name__}:diabetes", "learning_rate": 0.01, "epochs": 2, "batch_size": 175}
MULTI_LABEL = {"dataset": f"{__name__}:marks", "learning_rate": 0.05, "epochs": 2, "batch_size": 300}
BRIEF = {**REGRESSION, "epochs": 1, "batch_size": 350}


def interrupted(*_):
    raise KeyboardInterrupt


pytestmark = pytest.mark.usefixtures("untraced")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")

    def make(method, **settings):
        small = {"model": "mlp_16_8", "export": (), "runs_dir": str(folder), "show": Console.silent()}
        return tt.run(method, 0.7, **{**small, **settings})

    return make


@pytest.mark.slow
class TestRuns:
    def test_numbers_are_pruned_and_judged_by_their_error(self, run):
        result = run("hybrid", **REGRESSION)
        numbers = result.numbers
        assert numbers["kept"] == round(0.3 * numbers["total"])
        x, y = tt.data.load(REGRESSION["dataset"]).test
        error = np.sqrt(np.mean(np.square(nets.outputs(result.model, x) - y)))
        assert result.scale.metric == "root_mean_squared_error"
        assert result.endpoint == numbers["test_root_mean_squared_error"] == pytest.approx(error, rel=1e-5)
        assert numbers["best_test_root_mean_squared_error"] <= result.endpoint
        assert numbers["chance_root_mean_squared_error"] == pytest.approx(y.std(), rel=1e-5)
        assert not any("accuracy" in name for name in numbers)
        assert f"root mean squared error {result.endpoint:.5g}" in repr(result)
        with pytest.raises(AttributeError, match="judged by root mean squared error: see its endpoint"):
            _ = result.accuracy
        lines = (result.path / "metrics.jsonl").read_text().splitlines()
        assert json.loads(lines[-1])["test_root_mean_squared_error"] == result.endpoint

    def test_labels_are_pruned_and_judged_each_for_itself(self, run):
        result = run("snip", **MULTI_LABEL)
        x, y = tt.data.load(MULTI_LABEL["dataset"]).test
        right = np.mean((nets.outputs(result.model, x) > 0) == y)
        assert result.endpoint == pytest.approx(right, abs=1e-6)
        assert result.numbers["chance_binary_accuracy"] == pytest.approx(
            np.maximum(y.mean(0), 1 - y.mean(0)).mean(), abs=1e-6
        )
        assert [layer.shape for layer in result.ticket.layers][-1] == (8, 3)

    def test_what_was_recognised_and_is_learned_stands_in_the_plan(self, run, capsys, monkeypatch):
        monkeypatch.setattr(pipeline, "retrain", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run("random", **BRIEF, show=Console(), seed=7)
        said = capsys.readouterr().out
        assert "learns" in said and "regression (numbers), mean_squared" in said
        assert "1 column of numbers" in said

    def test_snip_follows_the_loss(self, run, tmp_path, monkeypatch):
        monkeypatch.setattr(pipeline, "retrain", interrupted)
        for loss in ("mean_squared", "mean_absolute"):
            with pytest.raises(KeyboardInterrupt):
                run("snip", **BRIEF, loss=loss, runs_dir=str(tmp_path))
        one, other = (tt.Ticket.load(path).masks for path in tmp_path.glob("*/ticket.npz"))
        assert any((a != b).any() for a, b in zip(one, other, strict=True))

    def test_finished_runs_are_not_done_again(self, run):
        first = run("hybrid", **REGRESSION)
        written = (first.path / "result.json").stat().st_mtime_ns
        assert run("hybrid", **REGRESSION).numbers == first.numbers
        assert (first.path / "result.json").stat().st_mtime_ns == written


def test_a_verdict_is_that_of_the_error(tmp_path):
    for seed, check in itertools.product(range(3), (None, "random_labels")):
        error = 55 + seed + (0 if check is None else 10 + seed)
        write(tmp_path / f"{check}{seed}", error, seed=seed, check=check, sparsity=0.9, scale=ERROR)
    (experiment,) = results.experiments(results.load(tmp_path))
    (verdict,) = results.verdicts(experiment, margin=0.1)
    assert (verdict.versus, verdict.seeds) == ("random_labels", (0, 1, 2))
    assert verdict.comparison.difference == pytest.approx(11)
    said = str(Findings((verdict,), (), {}, {}, (), results.Analysis.read(0.1)))
    assert "snip at sparsity 0.9, test root mean squared error" in said


def test_the_command_that_makes_a_run_again_is_of_the_same_identity(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings, _ = configure(
        f"--dataset={__name__}:diabetes",
        "--method=snip",
        "--loss=huber",
        "--metric=r2",
        "--scoring_batches=2",
    )
    made = results.Run(tmp_path, "finished", settings.to_json(), {"layers": [{"shape": [8, 1]}]})
    words = command(made).split()[3:]
    assert {"--task=regression", "--loss=huber", "--metric=r2", "--scoring_batches=2"} <= set(words)
    assert configure(*words)[0].identity == settings.identity


class TestNames:
    def test_a_default_that_is_written_out_names_no_other_run(self):
        plain, said, other = (
            configure(f"--dataset={__name__}:diabetes", "--method=random", *flags)[0]
            for flags in (
                (),
                ("--task=regression", "--loss=mean_squared", "--metric=root_mean_squared_error"),
                ("--metric=r2",),
            )
        )
        assert config.run_name(plain) == config.run_name(said) != config.run_name(other)
        assert plain.dense_identity != other.dense_identity

    def test_classification_says_nothing_new(self):
        plain, said = (
            configure("--method=snip", *flags)[0]
            for flags in ((), ("--task=classification", "--loss=cross_entropy", "--metric=accuracy"))
        )
        assert plain.identity == said.identity
        assert not {"task", "loss", "metric"} & plain.identity["recipe"].keys()
        assert not {"loss_code", "metric_code"} & plain.identity.keys()

    def test_other_code_of_ones_own_is_another_run(self, tmp_path):
        def name(text):
            (tmp_path / "mine.py").write_text(text)
            flags = (
                f"--dataset={__name__}:diabetes",
                "--method=random",
                f"--loss={tmp_path / 'mine.py'}:loss",
            )
            return configure(*flags)[0].identity

        first, again, other = map(
            name, ("def loss(y, z): ...", "def loss(y, z): ...", "def loss(y, z):\n    return z[:, 0]")
        )
        assert first == again != other
        assert first["recipe"]["loss"] == "mine.py:loss" and len(first["loss_code"]) == 16


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ("--metric=accuracy",),
            "--metric=accuracy is only for classification. What is learned here is regression",
        ),
        (("--loss=cross_entropy",), "--loss=cross_entropy is only for classification"),
        (
            ("--label_smoothing=0.1",),
            "--label_smoothing=0.1 is only for --loss=cross_entropy or binary_cross_entr",
        ),
        (("--samples_per_class=3",), "--samples_per_class=3: .* has no classes"),
        (("--loss=mean",), "--loss='mean' is unknown"),
        (("--metric=os:sep",), "str, which does not say whether more is better"),
        (("--task=multi_label",), "y_train holds numbers, and --task=multi_label takes rows of 0 and 1"),
    ],
)
def test_what_does_not_fit_is_refused_before_work(flags, message):
    with pytest.raises(ValueError, match=message):
        tt.run(
            "snip", 0.7, **REGRESSION, **dict(flag[2:].split("=") for flag in flags), show=Console.silent()
        )


def test_a_margin_in_the_unit_of_the_targets_must_be_said(tmp_path):
    with pytest.raises(ValueError, match="--margin= is needed: which difference of root_mean_squared_error"):
        tt.sanity_check(
            "snip", 0.7, seeds=3, checks=["rearrange"], runs_dir=str(tmp_path / "runs"), **REGRESSION
        )
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_from_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import keras\nfrom tf_tickets.training import Metric\n"
        "NEAR = Metric(make=lambda outputs: keras.metrics.MeanMetricWrapper(near), unit='%', margin=0.02)\n"
        "def near(y, z):\n"
        "    return keras.ops.mean(keras.ops.cast(keras.ops.abs(y - z) < 1, 'float32'), -1)\n"
    )
    code, out, said = here.call(
        monkeypatch, "run",
        "--method=snip", "--sparsity=0.7", f"--dataset={__name__}:diabetes", "--metric=mine.py:NEAR",
        "--model=mlp_16_8", "--epochs=1", "--learning_rate=0.01", "--export=", "--run_dir=runs/one",
    )  # fmt: skip
    assert code == 0, said
    result = json.loads((tmp_path / "runs" / "one" / "result.json").read_text())
    assert f"{result['test_near']:.4f} (final epoch)" in out
    (tmp_path / "mine.py").unlink()  # a report imports nothing
    for name in [name for name, module in sys.modules.items() if hasattr(module, "NEAR")]:
        del sys.modules[name]
    leave_out_figures(monkeypatch)
    tt.report("runs", "report", margin=0.1)
    text = (tmp_path / "report" / "report.md").read_text()
    assert "### Near" in text and f"{100 * result['test_near']:.2f}" in text
