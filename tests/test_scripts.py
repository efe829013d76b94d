"""scripts/run and scripts/test make .venv once, mend it, and fail with one clear line.

A shell script stands for Python here: it writes down how it is called, makes a .venv that holds itself,
and installs nothing. So these tests need no network and show every way that an install can go.
"""

import importlib
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import setuptools
import tensorflow as tf
from packaging.requirements import Requirement

from tests.waiting import wait_until
from tf_tickets.deployments import WAYS, Deployed, Deployment
from tf_tickets.deployments.timing import Spread
from tf_tickets.deployments.ways import FOLDED, KERAS
from tf_tickets.pruning import gradient_scores
from tf_tickets.pruning.scoring_loss import ScoringLoss

ROOT = Path(__file__).parents[1]
TOOLS = ["bash", "cat", "cksum", "cp", "dirname", "env", "grep", "mkdir", "tail"]
FAKE_PYTHON = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
  -V) echo "Python {version}.1" ;;
  "-S -c "*version_info*) echo {version} ;;
  "-c "*ensurepip*) exit {ensurepip} ;;
  "-m venv --clear "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
  *" install "*) cat "${{PIP_WAITS_FOR-/dev/null}}"; echo "${{PIP_SAYS-}}"; exit "${{PIP_EXIT-0}}" ;;
  "-m tf_tickets.run"* | "-m pytest"*) echo "in $PWD: $*" ;;
esac
"""
FAKE_UV = """#!/bin/sh
echo "$*" >>"$CALLS"
echo "${PIP_SAYS-}"
exit "${PIP_EXIT-0}"
"""


class Checkout:
    """A copy of the project's scripts, on a machine with the Pythons that a test gives it."""

    def __init__(self, folder):
        self.root = folder / "a project"
        self.bin = folder / "bin"
        self.calls_file = folder / "calls"
        self.bin.mkdir()
        self.calls_file.touch()
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        for name in ("setup.py", "constraints.txt"):
            shutil.copy(ROOT / name, self.root)
        for tool in [*TOOLS, "flock"]:
            if found := shutil.which(tool):
                (self.bin / tool).symlink_to(found)

    def add_python(self, name="python3", version="3.11", ensurepip=True):
        path = self.bin / name
        path.write_text(FAKE_PYTHON.format(version=version, ensurepip=0 if ensurepip else 1))
        path.chmod(0o755)
        return path

    def start(self, script, *arguments, **environment):
        return subprocess.Popen(
            [self.root / "scripts" / script, *arguments],
            cwd=self.bin,
            env={"PATH": str(self.bin), "CALLS": str(self.calls_file), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def call(self, script, *arguments, **environment):
        """The exit code, and what was written to either stream."""
        process = self.start(script, *arguments, **environment)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    def pipe(self):
        """Something to read that ends when somebody has opened it for writing, and closed it."""
        path = self.bin / "pipe"
        os.mkfifo(path)
        return path

    def calls(self, containing):
        return [line for line in self.calls_file.read_text().splitlines() if containing in line]


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@pytest.fixture
def installed(checkout):
    checkout.add_python()
    assert checkout.call("run")[0] == 0
    checkout.calls_file.write_text("")
    return checkout


def test_the_first_call_installs_with_the_constraints_and_then_works(checkout):
    checkout.add_python()
    code, out, _ = checkout.call("run", "--run_dir=my runs", "--seed=1")
    assert code == 0
    assert out == f"in {checkout.bin}: -m tf_tickets.run --run_dir=my runs --seed=1\n"
    assert len(checkout.calls("-m venv")) == 1
    (install,) = checkout.calls(" install ")
    assert install.endswith("--editable . --constraint constraints.txt")


@pytest.mark.slow
def test_whoever_has_uv_is_installed_by_it(checkout):
    checkout.add_python()
    uv = checkout.bin / "uv"
    uv.write_text(FAKE_UV)
    uv.chmod(0o755)
    code, _, err = checkout.call("run", PIP_SAYS="error: Failed to fetch: `https://an.index/`", PIP_EXIT="1")
    assert code == 1 and "uv cannot reach a package index" in err.splitlines()[-1]
    code, _, err = checkout.call("run", PIP_SAYS="  × No solution found when resolving", PIP_EXIT="1")
    assert code == 1 and "uv failed:   × No solution found" in err.splitlines()[-1]
    assert checkout.call("run")[0] == 0
    install = checkout.calls("pip install")[-1]
    assert install.startswith(f"pip install --python {checkout.root}/.venv/bin/python --compile-bytecode ")
    assert install.endswith("--editable . --constraint constraints.txt")
    assert not checkout.calls("-m pip --disable")


def test_the_next_call_starts_at_once_and_asks_no_pip(installed):
    code, out, err = installed.call("run", "--help")
    assert (code, err) == (0, "")
    assert out.endswith("-m tf_tickets.run --help\n")
    assert installed.calls("venv") == installed.calls("pip") == []


PYTEST = "-m pytest -q -n logical --dist loadfile --no-loadscope-reorder --max-worker-restart=0"


@pytest.mark.slow
def test_test_adds_the_development_tools_and_runs_pytest_at_the_root(installed):
    code, out, _ = installed.call("test", "-k", "idx")
    assert (code, out) == (
        0,
        f"in {installed.root}: {PYTEST} -k idx\n",
    )
    (install,) = installed.calls(" install ")
    assert "--editable .[dev] " in install
    assert installed.calls("-m venv") == []
    installed.call("run")
    installed.call("test")
    assert len(installed.calls(" install ")) == 1


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ([], ""),
        (["-n", "0", "tests/data", "-k", "idx or npz"], " -n 0 tests/data -k idx or npz"),
        (["--quick"], " -m not slow"),
        (["--quick", "-n", "0", "tests/data"], " -m not slow -n 0 tests/data"),
        (["tests/data", "--quick", "-x"], " tests/data -m not slow -x"),
    ],
)
def test_test_passes_on_what_a_person_gives_after_its_own(installed, given, passed):
    code, out, _ = installed.call("test", *given)
    assert (code, out) == (
        0,
        f"in {installed.root}: {PYTEST}{passed}\n",
    )


def test_the_ci_calls_the_tests_as_the_readme_does():
    readme = (ROOT / "README.md").read_text()
    calls = re.findall(r"^\./scripts/test.*$", (ROOT / ".ci/run").read_text(), re.M)
    (command,) = (call for call in calls if "--version" not in call)  # which makes the environment, no more
    assert f"    {command}\n" in readme


@pytest.mark.parametrize("name", ["setup.py", "constraints.txt"])
def test_changed_requirements_are_installed_into_the_same_environment(installed, name):
    with (installed.root / name).open("a") as file:
        file.write("# changed\n")
    assert installed.call("run")[0] == 0
    assert len(installed.calls(" install ")) == 1
    assert installed.calls("-m venv") == []


def test_a_moved_project_is_installed_again(installed):
    installed.root = installed.root.rename(installed.root.with_name("moved"))
    assert installed.call("run")[0] == 0
    assert len(installed.calls(" install ")) == 1


def test_an_install_cut_short_is_done_from_the_start(checkout):
    checkout.add_python()
    process = checkout.start("run", PIP_WAITS_FOR=str(checkout.pipe()))
    wait_until(lambda: checkout.calls(" install "), "pip")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    checkout.calls_file.write_text("")
    assert checkout.call("run")[0] == 0
    assert len(checkout.calls("-m venv --clear")) == len(checkout.calls(" install ")) == 1


def test_an_environment_without_its_interpreter_is_made_anew(installed):
    (installed.root / ".venv/bin/python").unlink()
    assert installed.call("run")[0] == 0
    assert len(installed.calls("-m venv --clear")) == len(installed.calls(" install ")) == 1


@pytest.mark.skipif(shutil.which("flock") is None, reason="without flock calls do not wait")
def test_two_first_calls_install_once(checkout):
    checkout.add_python()
    pipe = checkout.pipe()
    first = checkout.start("run", PIP_WAITS_FOR=str(pipe))
    wait_until(lambda: checkout.calls(" install "), "pip")
    second = checkout.start("run", PIP_WAITS_FOR=str(pipe))
    assert second.stderr.readline() == "scripts/run: another call is installing; waiting for it\n"
    pipe.write_text("")
    outputs = [process.communicate(timeout=30)[0] for process in (first, second)]
    assert all("-m tf_tickets.run" in out for out in outputs)
    assert len(checkout.calls(" install ")) == 1


def test_the_newest_supported_python_that_can_make_environments_is_taken(checkout):
    checkout.add_python("python3.13", "3.13", ensurepip=False)
    checkout.add_python("python3.12", "3.12")
    checkout.add_python("python3", "3.14")
    _, _, err = checkout.call("run")
    assert "with python3.12\n" in err


@pytest.mark.slow
def test_python_given_by_name_replaces_another(installed):
    wanted = installed.add_python("other python", "3.12")
    code, _, err = installed.call("run", PYTHON=str(wanted))
    assert code == 0
    assert f"with {wanted}\n" in err
    assert installed.call("run") == installed.call("run", PYTHON=str(wanted))


@pytest.mark.parametrize(
    ("pythons", "environment", "words"),
    [
        ({}, {}, ["needs Python 3.10, 3.11, 3.12 or 3.13", "of python3.13 ", "none runs"]),
        ({"python3": "3.9"}, {}, ["needs Python 3.10, 3.11, 3.12 or 3.13", "python3 is 3.9"]),
        ({"python3": "3.14", "python": "2.7"}, {}, ["python3 is 3.14, python is 2.7"]),
        ({"python3": "3.11", "old": "3.9"}, {"PYTHON": "old"}, ["old is 3.9"]),
        ({"python3": "3.11"}, {"PYTHON": "gone"}, ["of gone none runs"]),
    ],
)
def test_without_a_supported_python_one_line_says_what_was_found(checkout, pythons, environment, words):
    for name, version in pythons.items():
        checkout.add_python(name, version)
    code, out, err = checkout.call("run", **environment)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert all(word in err for word in words)


def test_a_python_without_venv_is_one_line_with_the_package_to_install(checkout):
    checkout.add_python(ensurepip=False)
    code, _, err = checkout.call("test")
    assert (code, err.count("\n")) == (1, 1)
    assert "python3: no venv" in err
    assert "apt-get install python3-venv" in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pip_says", "words"),
    [
        ("WARNING: Retrying (Retry(total=0, ...\nERROR: no setuptools", "cannot reach a package"),
        ("ERROR: Could not find X (from versions: none)", "cannot reach a package index"),
        ("ERROR: [Errno 28] No space left on device\nERROR: more", "pip failed: ERROR: [Errno 28] No space"),
    ],
)
def test_a_failing_pip_is_explained_in_the_last_line(checkout, pip_says, words):
    checkout.add_python()
    code, out, err = checkout.call("run", PIP_SAYS=pip_says, PIP_EXIT="1")
    assert (code, out) == (1, "")
    assert words in err.splitlines()[-1]
    assert err.endswith(f"(log: {checkout.root}/.venv.log)\n")
    assert checkout.call("run")[0] == 0


def test_an_update_that_changed_nothing_leaves_the_environment_usable(installed):
    setup = installed.root / "setup.py"
    before = setup.read_text()
    setup.write_text(before + "# a requirement that cannot be had\n")
    assert installed.call("run", PIP_EXIT="1")[0] == 1
    setup.write_text(before)
    installed.calls_file.write_text("")
    assert installed.call("run", PIP_EXIT="1")[0] == 0
    assert installed.calls("pip") == []


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_constraints_name_a_version_of_every_requirement_for_each_python(monkeypatch, python):
    packaging = {}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(setuptools, "setup", lambda **given: packaging.update(given))
    runpy.run_path("setup.py")
    here = {"python_version": python, "python_full_version": f"{python}.0"}
    lines = Path("constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    tested = {
        pin.name: next(iter(pin.specifier)).version
        for pin in pins
        if pin.marker is None or pin.marker.evaluate(here)
    }
    for text in packaging["install_requires"] + packaging["extras_require"]["dev"]:
        required = Requirement(text)
        if required.marker is None or required.marker.evaluate(here):
            version = tested[required.name.replace("_", "-").lower()]
            assert required.specifier.contains(version), text


def test_scripts_are_executable():
    for name in ("scripts/run", "scripts/test", "scripts/docs", ".ci/run"):
        assert os.access(ROOT / name, os.X_OK), name


@pytest.fixture
def benchmarks(monkeypatch):
    """Imports a module of scripts/benchmarks."""
    monkeypatch.syspath_prepend(ROOT / "scripts" / "benchmarks")
    return importlib.import_module


@pytest.mark.parametrize("case", ["distinct", "tied", "min_keep"])
def test_the_bench_measures_a_selection(benchmarks, case):
    found = benchmarks("selection").measure(case, count=1000, turns=1)
    assert 0 < found["fastest_s"] <= found["seconds"]
    assert found["memory"] > 1


@pytest.mark.slow
def test_the_bench_times_scores_that_were_traced_before(benchmarks, monkeypatch):
    contenders = benchmarks("contenders")
    made = []
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", lambda threads: None)
    monkeypatch.setattr(
        gradient_scores, "ScoringLoss", lambda *a, **b: made.append(b) or ScoringLoss(*a, **b)
    )
    steps = contenders.CONTENDERS["snip"]("mlp_4", 2, 1)
    steps(1)
    steps(2)
    assert len(made) == 1


def test_the_bench_compares_contenders_that_take_turns(benchmarks):
    known = set(benchmarks("contenders").CONTENDERS)
    for comparison in benchmarks("comparisons").COMPARISONS.values():
        named = {name for ratio in comparison.ratios for name in (*ratio.weights, ratio.over)}
        assert named <= set(comparison.contenders) <= known


class TestTheBenchOfShippedNetworks:
    def test_compares_ways_that_there_are(self, benchmarks):
        deploying = benchmarks("deploying")
        assert {case.way for case in deploying.CASES.values()} <= set(WAYS)
        assert {case.over for case in deploying.CASES.values()} <= {KERAS, FOLDED}
        assert len(set(deploying.NAMES)) == len(deploying.CASES) + len(deploying.DENSE_LAYERS)
        assert not any("," in name for name in deploying.NAMES)  # which --cases takes apart

    @pytest.mark.parametrize(
        ("asked", "met"),
        [
            ({"at_least": 3.0}, True),
            ({"at_least": 3.5}, False),
            ({"at_least": 2.0, "over": FOLDED}, True),
            ({"at_least": 3.0, "over": FOLDED}, False),
            ({"at_least": 3.0, "most_bytes": 999}, False),
            ({"at_least": 3.0, "most_lost": 0.01}, True),
            ({"at_least": 3.0, "most_lost": 0.004}, False),
        ],
    )
    def test_says_whether_a_case_is_met(self, benchmarks, monkeypatch, asked, met):
        spread = Spread(1.0, 1.0, 1.0)
        rows = (
            Deployed(KERAS, 9, spread, spread, 1.0, 0.7, 0.0),
            Deployed(FOLDED, 9, spread, spread, 1.5, 1.0, 0.0),
            Deployed("sparse", 1000, spread, spread, 3.0, 2.0, 0.0, accuracy=0.895),
        )
        table = Deployment("m", 1, 1, "here", {}, 0.9, None, None, 0.9, "accuracy", rows, {})
        monkeypatch.setattr("tf_tickets.deployments.deploying.measured_deployment", lambda *arguments: table)
        deploying = benchmarks("deploying")
        found = deploying.measure(deploying.Case(lambda: (None, None), 1, "sparse", **asked))
        assert (found["met"], found["bytes"]) == (met, 1000)


@pytest.mark.slow
def test_the_bench_says_what_it_can_measure():
    bench = ROOT / "scripts" / "benchmarks" / "main.py"
    asked = subprocess.run([sys.executable, bench, "--what=speed"], capture_output=True, text=True)
    assert asked.returncode == 1
    assert "--what takes some of: training, loop, moving, scoring, selection, sweep, deploy" in asked.stderr


def test_the_scores_in_pytorch_are_those_of_the_definition(benchmarks):
    torch = pytest.importorskip("torch")
    scores = benchmarks("torch_scores")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    x, y = torch.randn(6, 3).double(), torch.tensor([0, 0, 0, 1, 1, 1])

    def gradient(step, direction):
        torch.manual_seed(1)  # of the classifier, which GraSP draws
        copy, weights = scores._copied(model, redraw=True)
        for weight, way in zip(weights, direction, strict=True):
            weight.data += step * way
        losses = [torch.nn.functional.cross_entropy(copy(x[i : i + 3]) / 200, y[i : i + 3]) for i in (0, 3)]
        return weights, torch.autograd.grad(sum(losses), weights)

    weights, along = gradient(0, [0, 0])
    (_, ahead), (_, behind) = gradient(1e-3, along), gradient(-1e-3, along)
    expected = [-w * (a - b) / 2e-3 for w, a, b in zip(weights, ahead, behind, strict=True)]
    for name in ("grasp", "grasp_one_pass"):
        torch.manual_seed(1)
        found = scores.SCORES[name](model, x, y, 200.0)
        torch.testing.assert_close(found, [score.detach() for score in expected], rtol=1e-6, atol=1e-12)

    weights = [model[0].weight, model[2].weight]
    gradients = torch.autograd.grad(torch.nn.functional.cross_entropy(model(x), y), weights)
    expected = [(w * g).abs().detach() for w, g in zip(weights, gradients, strict=True)]
    torch.testing.assert_close(scores.snip(model, x, y, 200.0), expected)
