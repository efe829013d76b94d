"""How Sphinx makes the reference of the public names, from their docstrings: ./scripts/docs."""

import importlib
import pathlib
import re
from collections.abc import Collection, Mapping
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.logging import getLogger

from tf_tickets.support.version import VERSION

ROOT = pathlib.Path(__file__).parents[2]

project = "tf_tickets"
release = VERSION

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "alabaster"
html_theme_options = {"description": "Pruning for Keras 3, and the checks that pruning research owes itself"}
html_copy_source = False
html_show_copyright = False

# The members of a page are those of its module's `__all__`, in that order.
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
maximum_signature_line_length = 90
napoleon_numpy_docstring = False
napoleon_use_rtype = False
toc_object_entries_show_parents = "hide"

# What stands between backticks is code, and a link where it is a name of this reference. A name that says
# it is one of ours must be there: tf_tickets.NAME or tf_tickets.room.NAME. Nothing is fetched, so names of
# other packages are no links.
default_role = "py:obj"
nitpicky = True
nitpick_ignore_regex = [(r"py:\w+", r"(?s)(?!tf_tickets\.\w+(\.\w+)?$).*")]


def untyped(app: Sphinx, what: str, path: str, described: Any, options: Any, lines: list[str]) -> None:
    """Keeps Napoleon from taking what stands before a property's first colon for its type."""
    if what == "property":
        lines[:0] = ["..", ""]  # an empty comment


def literal(app: Sphinx, what: str, path: str, described: Any, options: Any, lines: list[str]) -> None:
    """Outside code, bars are magnitudes, and stars and underscores parts of names: nothing is markup."""
    marks = re.compile(r"(`+[^`]*`+)|(\||\*\*(?=\w)|_(?=\W|$))")
    for position, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[position] = marks.sub(lambda found: found[1] or "\\" + found[2], line)


def linked(app: Sphinx, what: str, path: str, described: Any, options: Any, lines: list[str]) -> None:
    """Links are written as in Markdown."""
    lines[:] = [re.sub(r"\[([^]]+)\]\((https?://[^)]+)\)", r"`\1 <\2>`__", line) for line in lines]


def shorten(app: Sphinx, what: str, path: str, described: Any, options: Any, lines: list[str]) -> None:
    """Tables list what is in them; masked layers say what they add, and not again what Keras says."""
    if what == "data":
        names = described if isinstance(described, Mapping) else []
        lines[:] = [", ".join(f"``{name}``" for name in names), ""]
    elif what == "class" and "stock" in vars(described):
        del lines[lines.index("") :]


def public_names() -> list[str]:
    """The full names of everything public: of the package, and of each front that says what is."""
    fronts = [
        f"tf_tickets.{path.parent.name}"
        for path in sorted(ROOT.glob("tf_tickets/*/__init__.py"))
        if "\n__all__ = " in path.read_text(encoding="utf-8")
    ]
    fronts = ["tf_tickets", *fronts]
    return [f"{front}.{name}" for front in fronts for name in importlib.import_module(front).__all__]


def warnings_of_missing(entries: Collection[str]) -> list[str]:
    """A line for each public name that has no entry among those given."""
    return [f"the reference has no entry of {name}" for name in public_names() if name not in entries]


def complete(app: Sphinx, env: BuildEnvironment) -> None:
    """Warns of public names without an entry; ./scripts/docs takes warnings for errors."""
    for line in warnings_of_missing({name for name, *_ in env.get_domain("py").get_objects()}):
        getLogger(__name__).warning(line)


def setup(app: Sphinx) -> None:
    """Called by Sphinx, after Napoleon has asked to be called at its usual turn, 500."""
    app.connect("autodoc-process-docstring", untyped, priority=400)
    app.connect("autodoc-process-docstring", literal, priority=400)
    app.connect("autodoc-process-docstring", linked)
    app.connect("autodoc-process-docstring", shorten)
    app.connect("env-check-consistency", complete)
