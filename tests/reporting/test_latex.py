"""Tables as LaTeX: names are texts, rows have their columns, and it compiles."""

import re
import shutil
import subprocess

import pytest

from tf_tickets.reporting.document import (
    Cell,
    Document,
    Interval,
    Part,
    Row,
    Section,
    Table,
    group,
    named,
    note,
)
from tf_tickets.reporting.latex import MOST_ROWS, escape, files, latex

HOSTILE = r"""\input{x} 50% of $x_1^{2}$ & #1 ~ [a]* <b> "q" 'r' `s` {} | --flag ± − × → ✕ ○ é ő ß 中 😀"""
PDFLATEX = shutil.which("pdflatex")


def table(**fields):
    """A table of every kind of row and cell."""
    rows = (
        group("snip, 98 %", 4, "97.0 ± 0.1 % over 3 seeds"),
        Row((Cell("rearrange"), Cell("sensitive", badge="sensitive", sign="↓"),
             Cell("−1.20", "[−2.00, −0.40]"), Cell("", interval=Interval("−1.20", -2, -1.2, -0.4)))),
        note("rearrange: look at the runs", 4),
        Row((Cell("[a] check"), Cell("few seeds", badge="too few seeds", sign="…"), Cell("2 of 3", span=2)),
            "sub"),
        Row((Cell(HOSTILE), Cell("91.00 ± 1.00", "(3) ✕1", strong=True), Cell(), Cell(""))),
    )  # fmt: skip
    return Table(
        "A caption with 5 %.", ("check", "answer", "difference", "interval"), rows, align="llrc", **fields
    )


def columns(line):
    """How many columns a row of a tabular fills."""
    cells = re.split(r"(?<!\\)&", line)
    spans = [re.search(r"\\multicolumn\{(\d+)\}", cell) for cell in cells]
    return sum(int(span[1]) if span else 1 for span in spans)


def test_a_table_is_a_float_of_booktabs_with_caption_and_label():
    text = latex(table(name="setting-1-verdicts"))
    assert [text.count(rf"\{rule}rule") for rule in ("top", "mid", "bottom")] == [1, 1, 1]
    assert r"\caption{A caption with 5 \%.}\label{tab:setting-1-verdicts}" in text
    assert r"\begin{tabular}{@{}llr@{}}" in text  # what is drawn is left out: its numbers stand beside it
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert [columns(row) for row in rows] == [3] * 5
    assert r"$\downarrow$ sensitive & $-$1.20 {[}$-$2.00, $-$0.40{]}" in text
    assert r"\textbf{91.00 $\pm$ 1.00} (3) $\times$1" in text
    assert r"\quad {[}a{]} check" in text
    assert r"$\dagger$ snip, 98 \%, rearrange: look at the runs" in text


def test_a_long_table_is_broken_over_pages():
    rows = tuple(Row((Cell(str(number)), Cell("1"))) for number in range(MOST_ROWS + 1))
    text = latex(Table("Long.", ("a", "b"), rows, name="long"))
    assert r"\begin{longtable}" in text and r"\begin{table}" not in text and r"\endhead" in text


def test_what_latex_reads_as_commands_is_text():
    text = escape(HOSTILE)
    assert r"\textbackslash{}input\{x\}" in text and r"\$x\_" in text and "-{}-flag" in text
    assert r"\texttt{U+4E2D}" in text and r"\texttt{U+1F600}" in text
    assert all(letter.isascii() or letter in "éő" for letter in text)
    assert escape("°C, µg/m³") == r"$^\circ$C, $\mu$g/m$^3$"
    assert escape("a\n\nb\x1b[31m") == "a b\\texttt{U+FFFD}{[}31m"


def test_tables_are_named_by_their_part():
    (part,) = named([Part("Keep-ratios of the layers", items=(table(), table()))], "setting-2")
    assert [item.name for item in part.items] == [
        "setting-2-keep-ratios-of-the-layers",
        "setting-2-keep-ratios-of-the-layers-2",
    ]


@pytest.mark.slow
@pytest.mark.skipif(PDFLATEX is None, reason="no LaTeX on this machine")
def test_all_tables_compile(tmp_path):
    long = Table("Long.", ("a", "b"), table().rows[1:2] * (MOST_ROWS + 1), name="long", align="ll")
    parts = (Part("Verdicts", items=(table(name="short"), long)),)
    document = Document(HOSTILE, "", "", (), (), (Section("s", (), (), parts),), None)
    for name, text in files(document, "tables").items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [PDFLATEX, "-interaction=nonstopmode", "-halt-on-error", "preview.tex"],
        cwd=tmp_path / "tables",
        capture_output=True,
        timeout=120,
    )
    missing = b"booktabs.sty' not found" in done.stdout
    if missing:
        pytest.skip("LaTeX has no booktabs")
    assert done.returncode == 0, done.stdout[-2000:]
