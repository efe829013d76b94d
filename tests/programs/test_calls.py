"""Whole runs from Python, and everything that is the user's own by name or as an object."""

import io
import sys

import numpy as np
import pytest
import rich.console

import tf_tickets as tt
from tests import own_code
from tests.reporting.undrawn import leave_out_figures
from tests.sweeps.here import stay_here
from tf_tickets.programs import overview
from tf_tickets.support.console import Console

SMALL = {"epochs": 1, "batch_size": 150, "export": ()}

pytestmark = pytest.mark.usefixtures("untraced")


@pytest.fixture
def mine(tmp_path, monkeypatch):
    own_code.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return {
        "model": "mine.py:net",
        "dataset": "mine.py:rings",
        "score": "mine.py:large",
        "ratios": "mine.py:halving",
        **SMALL,
    }


@pytest.mark.slow
class TestRun:
    def test_takes_everything_of_ones_own_by_name(self, mine):
        result = tt.run("snip", 0.6, **mine, show=Console.silent())
        assert result.accuracy == result.numbers["test_accuracy"]
        assert [layer.shape for layer in result.ticket.layers] == [(6, 24), (24, 16), (16, 2)]
        ratios = [layer.keep_ratio for layer in result.ticket.layers]
        np.testing.assert_allclose(np.array(ratios) / ratios[0], [1, 0.5, 0.25], atol=0.03)
        assert result.path.name.startswith("mine_py_rings-mine_py_net-snip-0.6-seed0-")
        x, y = tt.data.load("mine.py:rings").test
        assert (result.model.predict(x, verbose=0).argmax(1) == y).mean() == pytest.approx(result.accuracy)
        assert "accuracy" in repr(result) and "<table>" in result._repr_html_()
        assert result.table() == result.ticket.summary()
        summary = tt.summary(result.model)
        assert summary.compressed_bytes == result.numbers["compressed_bytes"]
        assert (summary.macs, summary.macs_kept) == (result.numbers["macs"], result.numbers["macs_kept"])
        assert (summary.weights, summary.nonzero) == (result.numbers["total"], result.numbers["nonzero"])

    def test_goes_on_where_it_stopped_and_other_code_is_another_run(self, mine, tmp_path):
        first = tt.run("random", 0.6, **{**mine, "score": None}, show=Console.silent())
        again = tt.run("random", 0.6, **{**mine, "score": None}, show=Console.silent())
        assert again.path == first.path and again.numbers == first.numbers
        (tmp_path / "mine.py").write_text(own_code.TEXT.replace("Dense(16", "Dense(12"))
        screen = io.StringIO()
        shown = Console(rich.console.Console(file=screen, width=200))
        other = tt.run("random", 0.6, **{**mine, "score": None}, show=shown)
        assert other.path != first.path
        assert f"that of --model, --ratios has changed since {first.path}" in screen.getvalue()
        assert other.model.count_params()
        with pytest.raises(ValueError, match="has changed since the run in runs"):
            _ = again.model  # whose weights are of the former code

    def test_takes_objects_of_this_process(self, mine, tmp_path):
        from tests.own_code import TEXT

        names = {}
        exec(TEXT, names)
        given = {name: names[own.partition(":")[2]] for name, own in mine.items() if name not in SMALL}
        found = tt.run("snip", 0.6, **given, **SMALL, show=Console.silent())
        named = tt.run("snip", 0.6, **mine, show=Console.silent())
        assert found.numbers["weights_sha256"] == named.numbers["weights_sha256"]
        assert found.path != named.path


@pytest.mark.slow
def test_sweep_and_report_take_the_same_names(mine, tmp_path, monkeypatch):
    stay_here(monkeypatch)
    leave_out_figures(monkeypatch)
    silent = Console.silent()
    results = tt.sweep("random", [0.5, 0.8], seed=range(1, 2), **{**mine, "score": None}, jobs=1, show=silent)
    assert sorted((x.config.sparsity, x.config.seed) for x in results) == [(0.5, 1), (0.8, 1)]
    page = tt.report("runs", tmp_path / "page")
    assert "mine.py:net" in page.read_text()


def test_a_sweep_of_what_has_no_sparsity_needs_none(tmp_path, monkeypatch):
    def planned(*_):
        raise RuntimeError("planned")

    monkeypatch.setattr("tf_tickets.sweeps.running.run_plan", planned)
    with pytest.raises(RuntimeError, match="planned"):
        tt.sweep("dense", model="mlp_8", runs_dir=str(tmp_path), show=Console.silent())


class TestRefusals:
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"methd": "snip"}, "methd= is unknown. Did you mean method. Accepted are flags: "),
            ({"model": "resnt20"}, "no model 'resnt20'. Did you mean"),
            ({"model": "resnet21"}, "no model 'resnet21'. The depth must be 6n"),
            ({"score": "math:sqt"}, "math has no sqt to import .* Did you mean sqrt"),
            ({"method": "hybird"}, "method=hybird is unknown. Did you mean hybrid"),
            ({"dataset": "digts"}, "Did you mean digits"),
            ({"model": "nowhere.py:net"}, "nowhere.py has no net to import .*file.py:attribute"),
            ({"model": "math:pi"}, "model='math:pi' is no function but float"),
            ({"dataset": "math:nothing"}, "math has no nothing to import"),
            ({"ratios": "math:nothing"}, "math has no nothing to import"),
            ({"model": "nowhere.keras"}, "there is no such file"),
            ({"sparsity": 2}, "--sparsity=2.0 is out of range"),
        ],
    )
    def test_come_before_work_and_say_what_is_meant(self, given, message, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ValueError, match=message):
            tt.run(**given, show=Console.silent())
        assert not list(tmp_path.iterdir())

    def test_objects_that_other_processes_cannot_find(self):
        with pytest.raises(
            ValueError, match=r"ratios=.*lambda.* cannot be imported by other processes: put it in"
        ):
            tt.sweep("random", 0.5, ratios=lambda shapes: [1.0] * len(shapes))


class TestNames:
    @pytest.mark.parametrize("name", ["run", "sweep", "report"])
    def test_of_modules_are_those_of_functions(self, name):
        function = getattr(tt, name)
        __import__(f"tf_tickets.{name}")
        assert getattr(tt, name) is function and sys.modules[f"tf_tickets.{name}"] is function

    def test_of_programs_are_listed(self, capsys):
        assert overview.main([]) == 0
        shown = capsys.readouterr().out
        assert all(f"python -m tf_tickets.{name}" in shown for name in ("run", "sweep", "sanity", "report"))
        assert overview.main(["--version"]) == 0
        assert capsys.readouterr().out.strip() == tt.__version__
        assert overview.main(["run"]) == 1
        assert "nothing to do with 'run' here" in capsys.readouterr().err


def test_a_run_is_shown_where_it_is_asked(mine):
    screen = io.StringIO()
    with pytest.raises(ValueError, match="image_size"):
        tt.run(
            "random",
            0.5,
            **{**mine, "score": None},
            image_size=8,
            show=Console(rich.console.Console(file=screen)),
        )
