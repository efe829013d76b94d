"""The reference is built from the docstrings without a warning, and has every public name."""

import importlib
import pathlib
import subprocess
import sys
import zlib

import pytest

pytestmark = pytest.mark.slow
ROOT = pathlib.Path(__file__).parents[1]
# Fronts that say what is public.
PUBLIC = [
    path.parent.name
    for path in sorted(ROOT.glob("tf_tickets/*/__init__.py"))
    if "\n__all__ = " in path.read_text(encoding="utf-8")
]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the pages, with Sphinx's warnings in it."""
    folder = tmp_path_factory.mktemp("reference")
    options = ["--builder", "html", "--quiet", "--warning-file", folder / "warnings"]
    command = [sys.executable, "-m", "sphinx", *options, ROOT / "docs" / "api", folder]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return folder


@pytest.fixture(scope="module")
def entries(built):
    """The names of objects.inv: four lines for people, then `name domain:role priority place title` each."""
    parts = (built / "objects.inv").read_bytes().split(b"\n", 4)
    return {line.split(" py:")[0] for line in zlib.decompress(parts[4]).decode().splitlines()}


def test_docstrings_are_shown_without_a_warning(built):
    assert not (built / "warnings").read_text(encoding="utf-8")


@pytest.mark.parametrize("room", ["", *PUBLIC])
def test_every_public_name_has_an_entry(entries, room):
    name = f"tf_tickets.{room}".rstrip(".")
    public = importlib.import_module(name).__all__
    missing = [one for one in public if f"{name}.{one}" not in entries]
    assert not missing, f"docs/api/{room or 'tf_tickets'}.rst says nothing of them"
