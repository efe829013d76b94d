"""Methods, searches, checks, optimizers, schedules and callbacks of the user's own, through whole runs."""

import json

import keras
import pytest

import tf_tickets as tt
from tests import own_rows
from tests.reporting.undrawn import leave_out_figures
from tests.sweeps.here import stay_here
from tf_tickets import results
from tf_tickets.methods.table import METHODS
from tf_tickets.support.console import Console

TINY = {"model": "mlp_12", "epochs": 2, "batch_size": 720, "export": (), "show": Console.silent()}
# Of a verdict: no controls, and no tickets that its arms are compared with for their leads.
ARMS_ALONE = {"controls": False, "nulls": False}


pytestmark = pytest.mark.usefixtures("untraced")


@pytest.fixture
def here(tmp_path, monkeypatch):
    own_rows.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
class TestMethods:
    def test_a_row_by_name_does_what_it_says(self, here):
        result = tt.run("rows.py:rewound", 0.8, **TINY)
        assert result.config.pretrains and result.config.row.score == "rows.py:rewound.score"
        assert result.path.name.startswith("digits-mlp_12-rows_py_rewound-0.8-seed0-")
        ours = tt.run("lt", 0.8, ratios="erk", score="rows.py:large", **TINY)
        assert result.numbers["weights_sha256"] == ours.numbers["weights_sha256"]

    def test_a_row_as_an_object_is_that_row(self, here):
        row = tt.Method(
            score="random", ratios="er", scored_at="init", start_from="init", schedule="full", about="an er"
        )
        found = tt.run(row, 0.8, **TINY)
        assert found.numbers["weights_sha256"] == tt.run("er", 0.8, **TINY).numbers["weights_sha256"]
        assert tt.run(row, 0.8, **TINY).path == found.path  # the same row is the same run

    def test_a_row_with_a_search_moves_its_masks(self, here):
        result = tt.run("rows.py:searched", 0.8, search_options={"frequency": 1}, **TINY)
        assert result.ticket.sparsity == pytest.approx(0.8, abs=1e-3)
        assert result.config.all_search_options == {"until": 0.5, "frequency": 1}
        with pytest.raises(ValueError, match=r"rows.py:searched has no option pace. It has: until"):
            tt.run("rows.py:searched", 0.8, search_options={"pace": 3}, **TINY)

    def test_a_row_added_to_the_table_is_for_this_process(self, here, monkeypatch):
        monkeypatch.setitem(METHODS, "mine", METHODS["er"])
        assert tt.run("mine", 0.8, **TINY).config.method_code is not None
        with pytest.raises(ValueError, match=r"--method=mine was added to a table in this process.*file.py"):
            tt.sweep("mine", 0.8, **TINY)
        with pytest.raises(ValueError, match=r"--method=mine was added to a table in this process"):
            tt.sanity_check("mine", 0.8, **TINY)

    def test_they_go_through_sweep_verdict_and_report(self, here, monkeypatch):
        stay_here(monkeypatch)
        leave_out_figures(monkeypatch)
        given = {**TINY, **ARMS_ALONE, "checks": ["rows.py:upside_down"], "epochs": 1}
        findings = tt.sanity_check("rows.py:rewound", 0.8, seeds=3, jobs=1, **given)
        assert {verdict.versus for verdict in findings.verdicts} == {"rows.py:upside_down"}
        assert not findings.failures
        # Of a method of one's own it is known without its code how long it trains.
        (here / "rows.py").unlink()
        page = tt.report("runs", here / "page").read_text()
        assert "rows.py:rewound" in page and "upside_down" in page
        assert {run.epochs for run in results.load("runs")} == {2}


@pytest.mark.slow
class TestTraining:
    def test_an_optimizer_is_made_with_the_rate(self, here):
        result = tt.run("er", 0.8, optimizer="keras.optimizers:Adam", learning_rate=0.01, **TINY)
        ours = tt.run("er", 0.8, optimizer="adam", learning_rate=0.01, **TINY)
        assert result.numbers["weights_sha256"] == ours.numbers["weights_sha256"]
        assert result.path != ours.path and result.config.optimizer_code

    def test_a_schedule_sets_the_rate_of_every_epoch(self, here):
        result = tt.run("er", 0.8, schedule="rows.py:slow_start", learning_rate=0.1, **TINY)
        rows = [json.loads(line) for line in (result.path / "metrics.jsonl").read_text().splitlines()]
        assert [row["learning_rate"] for row in rows] == pytest.approx([0.05, 0.1])

    def test_callbacks_hear_every_training(self, here):
        tt.run("lt", 0.8, callback=["rows.py:Listener"], **TINY)
        heard = [json.loads(line) for line in (here / "heard.jsonl").read_text().splitlines()]
        assert [(row["training"], row["epoch"]) for row in heard] == [
            ("dense", 0),
            ("dense", 1),
            ("retrain", 0),
            ("retrain", 1),
        ]

    def test_a_callback_that_stops_a_training_is_counted(self, here):
        result = tt.run("lt", 0.8, callback=["rows.py:stop_early"], **{**TINY, "epochs": 3})
        assert result.numbers["epochs_trained"] == 4  # two of each
        whole = tt.run("lt", 0.8, **{**TINY, "epochs": 3})
        assert "epochs_trained" not in whole.numbers
        assert result.numbers["training_cost"] < whole.numbers["training_cost"]

    def test_it_knows_which_way_is_better(self, here):
        """Keras does not, of numbers that it has not named itself."""
        for monitor in ("validation_loss", "validation_accuracy"):
            early = keras.callbacks.EarlyStopping(monitor=monitor, min_delta=100)
            given = {**TINY, "callback": early, "validation_fraction": 0.1, "epochs": 3}
            result = tt.run("er", 0.8, **given)
            assert result.numbers["epochs_trained"] == 2
            assert tt.run("er", 0.8, **given).path == result.path

    def test_callbacks_can_be_objects(self, here):
        """Each is a run of its own."""
        early = [keras.callbacks.EarlyStopping(monitor="loss", patience=patience) for patience in (0, 3)]
        result, other = (tt.run("er", 0.8, callback=[each], **{**TINY, "epochs": 1}) for each in early)
        assert result.path != other.path


@pytest.mark.slow
def test_a_model_can_be_an_object(here):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    before = model.get_weights()
    result = tt.run("er", 0.5, **{**TINY, "model": model})
    assert [layer.shape for layer in result.ticket.layers] == [(64, 10)]
    assert all((a == b).all() for a, b in zip(model.get_weights(), before, strict=True))
    with pytest.raises(ValueError, match="cannot be imported by other processes"):
        tt.sweep("er", 0.5, **{**TINY, "model": model})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "rows.py:large"}, r"--method='rows.py:large' is no Method but function. Make it by"),
        ({"method": "rows.py:nothing"}, "rows.py has no nothing to import"),
        ({"sanity_check": "rearange"}, "--sanity_check=rearange is unknown. Did you mean rearrange"),
        ({"sanity_check": "rows.py:large"}, "is no Check but function"),
        ({"optimizer": "adm"}, r"--optimizer=adm is unknown. Did you mean adam\?.*module:attribute"),
        ({"optimizer": "math:pi"}, "is no function but float"),
        ({"schedule": "cosin"}, r"--schedule=cosin is unknown. Did you mean cosine\?"),
        (
            {"callback": ["early"]},
            "--callback takes module:attribute or file.py:attribute. Received: 'early'",
        ),
        ({"callback": ["rows.py:upward"]}, "rows.py has no upward to import"),
        (
            {"momentum": 0.5, "optimizer": "keras.optimizers:Lion"},
            "--momentum=0.5 is only for --optimizer=sgd",
        ),
        ({"callback": ["rows.py:large"]}, "--callback=rows.py:large failed: TypeError"),
        ({"callback": [keras.callbacks.ReduceLROnPlateau()]}, "a run sets its rates itself"),
        (
            {"callback": [keras.callbacks.EarlyStopping(monitor="test_loss")]},
            "the test set never selects anything.*monitor validation_loss",
        ),
        (
            {"callback": [keras.callbacks.EarlyStopping()]},
            "monitors val_loss, which runs call validation_loss",
        ),
        (
            {"callback": [keras.callbacks.EarlyStopping(monitor="validation_loss")]},
            "say --validation_fraction",
        ),
        ({"schedule": "rows.py:large"}, "--schedule=rows.py:large at epoch 0 failed: .*It is called as"),
        ({"schedule": "rows.py:text"}, "a rate, a number of 0 or more. Received: 'fast'"),
        ({"model": "rows.py:broken"}, "model='rows.py:broken' failed: KeyError: 'lost' .*rows.py, line"),
        ({"optimizer": "rows.py:slow_start"}, "--optimizer=rows.py:slow_start failed: TypeError"),
    ],
)
def test_what_is_none_is_refused_before_work(given, message, here):
    with pytest.raises(ValueError, match=message):
        tt.run(**{**TINY, "method": "er", "sparsity": 0.5, **given})
    assert not (here / "runs").exists()
