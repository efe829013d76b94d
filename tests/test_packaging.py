"""What is packed: a wheel that holds all that it needs, a source archive with docs and tests, true words."""

import ast
import functools
import importlib.metadata
import os
import pathlib
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
import setuptools
from packaging.requirements import Requirement

from tf_tickets.support.version import VERSION

ROOT = pathlib.Path(__file__).parents[1]
BUILD = "from setuptools import build_meta; build_meta.build_wheel('dist'); build_meta.build_sdist('dist')"
# What is no part of a source archive.
MADE = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "runs", "*.egg-info")


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """The folder of a wheel and a source archive, made of a copy: nothing is written here."""
    copy = tmp_path_factory.mktemp("packed") / "project"
    shutil.copytree(ROOT, copy, ignore=MADE)
    shutil.copytree(ROOT / ".ci", copy / ".ci")
    done = subprocess.run([sys.executable, "-c", BUILD], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return copy / "dist"


@pytest.fixture(scope="module")
def installed(packed, tmp_path_factory):
    """The folder that a wheel's files are put into, as pip does."""
    folder = tmp_path_factory.mktemp("site")
    (wheel,) = packed.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture
def description(monkeypatch):
    """What setup.py says of the package."""
    said = {}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(setuptools, "setup", lambda **given: said.update(given))
    said["names"] = runpy.run_path("setup.py")
    return said


def files(folder, pattern):
    return {path.relative_to(folder).as_posix() for path in folder.rglob(pattern) if path.is_file()}


@pytest.mark.slow
def test_the_wheel_holds_the_package_its_page_and_its_flagfiles(installed):
    assert files(installed, "*.py") == {f"tf_tickets/{name}" for name in files(ROOT / "tf_tickets", "*.py")}
    assert files(installed / "tf_tickets", "*.cfg") == {f"flags/{x}" for x in files(ROOT / "flags", "*.cfg")}
    assert {"py.typed", "reporting/page.html"} <= files(installed / "tf_tickets", "*")


@pytest.mark.slow
def test_the_source_archive_holds_docs_tests_flags_and_scripts(packed):
    (archive,) = packed.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    for folder in ("docs", "tests", "flags", "scripts", "tf_tickets"):
        there = {f"{folder}/{name}" for name in files(ROOT / folder, "*") if "__pycache__" not in name}
        assert there <= names, folder
    others = {"README.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "constraints.txt"}
    assert {*others, "setup.py", "pyproject.toml", ".ci/run"} <= names


# In one process, since each would load TensorFlow: what a library's user does, and then a program's.
USED = """
import keras, runpy, sys
import tf_tickets as tt

tt.interop, tt.prune
print("tf_keras:", "tf_keras" in sys.modules)
sys.argv[1:] = ["--preset=laptop/table1_digits", "--seed=0", "--dry_run"]
runpy.run_module("tf_tickets.sweep", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def used(installed, tmp_path_factory):
    """What an installed package says in a process of its own, somewhere else."""
    ours = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    return subprocess.run(
        [sys.executable, "-c", USED],  # that variable is set by tfmot, and TensorFlow goes by it
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env={**ours, "PYTHONPATH": str(installed), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_an_installed_package_finds_its_presets_from_anywhere(used):
    assert used.returncode == 0, used.stderr
    assert "runs     17, of which 0 are done" in used.stdout


@pytest.mark.slow
def test_the_page_of_an_index_has_no_link_that_leads_nowhere(installed):
    (metadata,) = installed.glob("*.dist-info/METADATA")
    text = metadata.read_text(encoding="utf-8")
    assert f"\nVersion: {VERSION}\n" in text and "\nDescription-Content-Type: text/markdown\n" in text
    assert not re.findall(r"\]\((?!https?://)[^)]*\)", text)
    assert "https://" not in text.partition("\n\n")[0], "no address is given that is not there yet"
    assert "docs/verdict.md" in text


def test_links_of_the_readme_lead_home_once_there_is_one(description):
    convert = description["names"]["description_for"]
    text = "[a](docs/a.md) ![b](docs/b.svg) [c](https://c.org) [d](#d)"
    home = "https://forge/tf_tickets/"
    assert convert(text, home) == f"[a]({home}docs/a.md) ![b]({home}docs/b.svg) [c](https://c.org) [d](#d)"
    assert convert(text, "") == "a *(b: see docs/b.svg)* [c](https://c.org) [d](#d)"


def test_the_citation_is_of_this_version_and_licence(description):
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {VERSION}\n" in text and f"\nlicense: {description['license']}\n" in text


# What is imported only where it is at work already: in a kernel of a notebook.
AT_WORK = {"IPython"}


@functools.cache
def imported():
    """Packages of others that the code imports, anywhere."""
    found = set()
    for path in ROOT.glob("tf_tickets/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"tf_tickets"} - AT_WORK


def canonical(name):
    return name.lower().replace("_", "-")


def required_by(texts):
    """Canonical names of distributions, with those that they require themselves."""
    named = {canonical(Requirement(text).name) for text in texts}
    behind = {
        canonical(Requirement(text).name)
        for name in named
        for text in importlib.metadata.requires(name) or ()
        if "extra ==" not in text
    }
    return named, named | behind


@pytest.mark.slow
def test_what_is_imported_is_required_or_comes_with_what_is(description):
    extras = [
        text for name, texts in description["extras_require"].items() if name != "dev" for text in texts
    ]
    _, there = required_by(description["install_requires"] + extras)
    owners = importlib.metadata.packages_distributions()
    for module in imported():
        assert there & {canonical(owner) for owner in owners[module]}, f"setup.py does not require {module}"


@pytest.mark.slow
def test_tensorflow_model_optimization_is_there_for_the_user_alone():
    """Imported, it sets tf.keras to Keras 2 for the whole process."""
    assert "tensorflow_model_optimization" not in imported()


@pytest.mark.slow
def test_tf_keras_is_loaded_by_who_asks_for_a_twin_alone(used):
    assert used.stdout.startswith("tf_keras: False\n"), used.stderr


@pytest.mark.slow
def test_what_is_required_is_imported_or_says_why_not(description):
    named, _ = required_by(description["install_requires"])
    owners = importlib.metadata.packages_distributions()
    used = {canonical(owner) for module in imported() for owner in owners[module]}
    lines = (ROOT / "setup.py").read_text(encoding="utf-8").splitlines()
    for name in named - used:
        (line,) = (n for n, line in enumerate(lines) if re.match(rf' *"{name}\b', canonical(line)))
        assert "# " in lines[line] or lines[line - 1].lstrip().startswith("# "), f"{name}: nothing imports it"
