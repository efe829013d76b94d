"""`--preset=NAME` and `--version`, as every program takes them."""

import os
import pathlib
import subprocess
import sys

import pytest
from absl import flags

from tf_tickets import laboratory
from tf_tickets.programs import help as helping
from tf_tickets.programs import presets
from tf_tickets.support.version import VERSION

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def parsed(monkeypatch):
    """Parses a command line of a program that takes presets."""
    values = flags.FlagValues()
    laboratory.define_flags(values)
    presets.define_flag(values)
    monkeypatch.setattr(flags, "FLAGS", values)
    return lambda *arguments: helping.parse_flags(["sweep", *arguments], "", (presets.GROUP,)) and values


def refused(parsed, capsys, *arguments):
    """What is said of a command line that is refused."""
    with pytest.raises(SystemExit) as ended:
        parsed(*arguments)
    said = capsys.readouterr().err
    assert ended.value.code == 1 and said.count("\n") == 1
    return said


def test_every_flagfile_is_a_preset():
    found = presets.presets()
    assert len(found) == len(list((ROOT / "flags").rglob("*.cfg")))
    assert found["quickstart"] == ROOT / "flags" / "quickstart.cfg"
    assert found["paper/table1"] == ROOT / "flags" / "paper" / "table1.cfg"


def test_a_preset_is_its_flagfile(parsed):
    values = parsed("--preset=paper/table1")
    assert values.method == ["dense", "lt", "snip", "grasp", "random"] and values.preset is None


@pytest.mark.parametrize(
    "given",
    [
        ("--preset=paper/table1", "--seed=7"),
        ("--seed=7", "--preset=paper/table1"),
        ("--seed=7", "-preset", "paper/table1"),
    ],
)
def test_flags_beside_it_override_wherever_they_stand(parsed, given):
    values = parsed(*given)
    assert values.seed == ["7"] and values.epochs == 160


def test_an_unknown_one_is_refused_with_the_list(parsed, capsys):
    said = refused(parsed, capsys, "--preset=paper/tabel1")
    assert "--preset=paper/tabel1 is unknown. Did you mean paper/table1? There are: laptop/" in said


@pytest.mark.parametrize("given", [["--preset"], ["--preset="]])
def test_none_is_refused(parsed, capsys, given):
    assert "--preset= is unknown. There are: " in refused(parsed, capsys, *given)


def test_two_are_refused(parsed, capsys):
    said = refused(parsed, capsys, "--preset=paper/table1", "--preset=paper/table2")
    assert "--preset is given 2 times: paper/table1, paper/table2. Choose one." in said


def test_one_in_a_flagfile_is_not_passed_over(parsed, capsys, tmp_path):
    (tmp_path / "mine.cfg").write_text("--preset=paper/table1\n--seed=1\n")
    said = refused(parsed, capsys, f"--flagfile={tmp_path / 'mine.cfg'}")
    assert "--preset=paper/table1 stands in a flagfile: give it on the command line" in said


def test_what_follows_two_dashes_is_no_preset():
    assert presets.with_presets(["run", "--seed=1", "--", "--preset=no"]) == [
        "run", "--seed=1", "--", "--preset=no",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_sweeps_preset_is_not_for_a_single_run(tmp_path):
    """And it is said, before TensorFlow is loaded, by which program it is run."""
    done = command("run", "--preset=paper/table1", cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "presets of several runs are for tf_tickets.sweep" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("program", ["run", "sweep", "sanity", "report"])
def test_every_program_says_its_version(program, tmp_path):
    done = command(program, "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{VERSION}\n", "")


def command(program, *arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", f"tf_tickets.{program}", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
