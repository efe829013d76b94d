"""scripts/reproduce: an experiment by its name, down to its report."""

import importlib.util
import pathlib

import pytest
from absl import flags

from tests import processes
from tests.reporting.undrawn import leave_out_figures
from tests.sweeps.here import stay_here
from tf_tickets.programs import guard

ROOT = pathlib.Path(__file__).parents[1]
PROGRAM = ROOT / "scripts" / "experiments" / "reproduce.py"


@pytest.fixture(scope="module")
def reproduce():
    """The program, as a module."""
    found = importlib.util.spec_from_file_location("reproduce", PROGRAM)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("names", [[], ["laptop/table9"]])
def test_names_are_listed_where_none_fits(reproduce, tmp_path, monkeypatch, capsys, names):
    monkeypatch.chdir(tmp_path)
    assert reproduce.main(["reproduce", *names]) == 1
    said = capsys.readouterr().err
    assert "laptop/table1_digits" in said and "paper/table3" in said
    assert len(said.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("untraced")
def test_from_a_name_to_the_report(reproduce, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    stay_here(monkeypatch)
    leave_out_figures(monkeypatch)
    tiny = ["--model=mlp_8_8", "--width=1", "--epochs=1", "--seed=0", "--sparsity=0.9", "--jobs=1"]
    experiment = "laptop/table1_digits"
    flagfile = reproduce.experiments()[experiment]
    assert reproduce.reproduce(experiment, flagfile, [*tiny, "--method=random,lt", "--nocontrols"]) == 0
    page = tmp_path / "reports" / experiment / "index.html"
    assert "report of 2 runs" in capsys.readouterr().out
    assert "Table 1&#39;s question" in page.read_text() or "Table 1's question" in page.read_text()
    assert "lt" in page.read_text()


@pytest.mark.slow
def test_the_papers_experiments_are_planned_without_their_data(reproduce, tmp_path, monkeypatch, capsys):
    """Flags after a name override those of its file."""
    monkeypatch.chdir(tmp_path)
    values = flags.FlagValues()
    reproduce.define_flags(values)
    left = values(["reproduce", "paper/table1", "--seed=0-1", "--dry_run"])
    monkeypatch.setattr(flags, "FLAGS", values)
    monkeypatch.setattr(guard, "quieten", lambda: None)
    assert reproduce.main(left) == 0
    said = capsys.readouterr().out
    assert "104, of which 0 are done" in said
    assert "8 networks, shared by 32 runs" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_it_is_started_as_a_program(tmp_path):
    program = processes.start(str(PROGRAM), "laptop/table9", "--dry_run", folder=tmp_path)
    code, _, said = processes.ended(program)
    assert code == 1 and "unknown experiment 'laptop/table9'" in said
