"""Writes the numbers of the pages anew, from the committed data that they name.

    ./scripts/numbers                       # rewrites the spans in README.md and docs/*.md
    ./scripts/numbers --check               # changes nothing; fails where a span is not what the data say
    ./scripts/numbers docs/findings.md      # these pages

A page carries its expressions in comments, which no reader sees:

    <!-- let
    d98 = runs("laptop/digits", sparsity=0.98)
    -->
    SNIP on corrupted data: <!--= difference(d98("snip", "corrupted")) -->−0.18 [−0.54, +0.18]<!--/-->

What stands between `-->` and `<!--/-->` is replaced. An expression is Jinja's; one with braces is a template,
and stands as a block of its own (a table). The words are those of scripts/numbering/expressions.py, and of
tables.py beside it.
"""

from __future__ import annotations

import itertools
import pathlib
import re
import sys
from collections.abc import Sequence
from typing import Any

import jinja2
from absl import app, flags
from arms import ROOT
from expressions import WORDS
from tables import TABLES

from tf_tickets.support.words import plural

MARKER = re.compile(r"<!--= ?(?P<written>.*?)-->(?P<shown>.*?)<!--/-->", re.DOTALL)
LET = re.compile(r"<!-- let\n(.*?)-->", re.DOTALL)
PAGES = ("README.md", "docs/*.md")

_JINJA = jinja2.Environment(
    undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
)


class Wrong(ValueError):
    """An expression of a page that cannot be evaluated."""


def pages() -> list[pathlib.Path]:
    """The pages that have markers."""
    found = (path for pattern in PAGES for path in sorted(ROOT.glob(pattern)))
    return [path for path in found if MARKER.search(path.read_text(encoding="utf-8"))]


def rewritten(text: str, name: str = "the page") -> str:
    """The page with what the data say in all its spans.

    Raises:
        Wrong: an expression cannot be evaluated; names the page, the line, and the expression.
    """
    names = _names(text, name)

    def shown(found: re.Match[str]) -> str:
        try:
            said = _said(found["written"], names)
        except (ValueError, KeyError, TypeError, AttributeError, OSError, jinja2.TemplateError) as error:
            raise Wrong(f"{_place(text, found, name)}: {found['written'].strip()}: {error}") from error
        return f"<!--= {found['written'].lstrip(' ')}-->{said}<!--/-->"

    return MARKER.sub(shown, text)


def differing(text: str, name: str = "the page") -> list[str]:
    """One line for each span that is not what the data say."""
    now, then = list(MARKER.finditer(text)), list(MARKER.finditer(rewritten(text, name)))
    return [
        f"{_place(text, old, name)}: {_first_difference(old['shown'], new['shown'])} in the data"
        for old, new in zip(now, then, strict=True)
        if old["shown"] != new["shown"]
    ]


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the program."""
    about = "Change nothing; fail where a span is not what the data say."
    flags.DEFINE_bool("check", False, about, flag_values=values)


def main(argv: Sequence[str]) -> int:
    """Rewrites or checks the pages that are named, or all."""
    paths = [pathlib.Path(x).resolve() for x in argv[1:]] or pages()
    wrong: list[str] = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        name = str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
        found = differing(text, name)
        wrong += found
        if found and not flags.FLAGS.check:
            path.write_text(rewritten(text, name), encoding="utf-8")
    said = f"{plural(len(paths), 'page')} {'says' if len(paths) == 1 else 'say'} what the data say."
    print("\n".join(wrong) or said)
    return int(bool(wrong) and flags.FLAGS.check)


def _names(text: str, name: str) -> dict[str, Any]:
    names: dict[str, Any] = {**WORDS, **TABLES}
    for block in LET.finditer(text):
        for line in filter(str.strip, block[1].splitlines()):
            word, _, written = line.partition("=")
            try:
                names[word.strip()] = _JINJA.compile_expression(written, undefined_to_none=False)(**names)
            except (ValueError, TypeError, jinja2.TemplateError) as error:
                raise Wrong(f"{_place(text, block, name)}: {line.strip()}: {error}") from error
    return names


def _said(written: str, names: dict[str, Any]) -> str:
    if "{" in written:
        return f"\n\n{_JINJA.from_string(written).render(names).strip()}\n\n"
    return _JINJA.from_string(f"{{{{ {written} }}}}").render(names)


def _place(text: str, found: re.Match[str], name: str) -> str:
    return f"{name}:{text.count(chr(10), 0, found.start()) + 1}"


def _first_difference(old: str, new: str) -> str:
    lines = itertools.zip_longest(old.splitlines(), new.splitlines(), fillvalue="")
    mine, other = next(((x, y) for x, y in lines if x != y), (old, new))
    return f"{mine!r} is {other!r}"


if __name__ == "__main__":
    define_flags(flags.FLAGS)
    try:
        app.run(main)
    except Wrong as error:
        sys.exit(str(error))
