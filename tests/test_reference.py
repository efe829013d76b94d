"""The reference is built from the docstrings without a warning, and has every public name."""

import importlib
import pathlib

import pytest
from sphinx.application import Sphinx

# What is ignored Sphinx warns itself of.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:The mapping interface")]
ROOT = pathlib.Path(__file__).parents[1]
# Fronts that say what is public.
PUBLIC = [
    path.parent.name
    for path in sorted(ROOT.glob("tf_tickets/*/__init__.py"))
    if "\n__all__ = " in path.read_text(encoding="utf-8")
]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Sphinx, after it has read all pages and resolved what they refer to, and the file of its warnings.

    It writes no HTML: nothing is left out of that for its form.
    """
    folder = tmp_path_factory.mktemp("reference")
    pages = ROOT / "docs" / "api"
    # Else Sphinx would leave a signature with the words of its defaults at every function, for later tests.
    values = {"autodoc_preserve_defaults": False}
    with open(folder / "warnings", "w", encoding="utf-8") as warnings:
        app = Sphinx(pages, pages, folder, folder / "trees", "dummy", values, status=None, warning=warnings)
        app.build()
    return app, folder / "warnings"


@pytest.fixture(scope="module")
def entries(built):
    """The names that have an entry."""
    return {name for name, *_ in built[0].env.get_domain("py").get_objects()}


def test_docstrings_are_shown_without_a_warning(built):
    assert not built[1].read_text(encoding="utf-8")


@pytest.mark.parametrize("room", ["", *PUBLIC])
def test_every_public_name_has_an_entry(entries, room):
    name = f"tf_tickets.{room}".rstrip(".")
    public = importlib.import_module(name).__all__
    missing = [one for one in public if f"{name}.{one}" not in entries]
    assert not missing, f"docs/api/{room or 'tf_tickets'}.rst says nothing of them"
