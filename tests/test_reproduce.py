"""scripts/reproduce: an experiment by its name, down to its report."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PROGRAM = ROOT / "scripts" / "experiments" / "reproduce.py"


def reproduce(folder, *arguments):
    return subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("names", [[], ["laptop/table9"]])
def test_names_are_listed_where_none_fits(tmp_path, names):
    said = reproduce(tmp_path, *names)
    assert said.returncode == 1
    assert "laptop/table1_digits" in said.stderr and "paper/table3" in said.stderr
    assert len(said.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_from_a_name_to_the_report(tmp_path):
    tiny = ["--model=mlp_8_8", "--width=1", "--epochs=1", "--seed=0", "--sparsity=0.9", "--jobs=1"]
    experiment = "laptop/table1_digits"
    said = reproduce(tmp_path, experiment, *tiny, "--method=random,lt", "--nocontrols")
    assert said.returncode == 0, said.stderr
    page = tmp_path / "reports" / experiment / "index.html"
    assert "report of 2 runs" in said.stdout
    assert "Table 1&#39;s question" in page.read_text() or "Table 1's question" in page.read_text()
    assert "lt" in page.read_text()


@pytest.mark.slow
def test_the_papers_experiments_are_planned_without_their_data(tmp_path):
    said = reproduce(tmp_path, "paper/table1", "--dry_run")
    assert said.returncode == 0, said.stderr
    assert "260, of which 0 are done" in said.stdout
    assert "20 networks, shared by 80 runs" in said.stdout
    assert not list(tmp_path.iterdir())
