"""Tables for papers: LaTeX with booktabs, one file a table, in symbols that plain LaTeX has."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from tf_tickets.reporting.document import Cell, Document, Row, Table, drawn_columns, printable

MOST_ROWS = 36  # that fit on a page; longer tables are broken by longtable
MOST_COLUMNS = 5  # in \small; more are set smaller and closer

# What LaTeX reads as something else than the letter, and letters of ours that its fonts lack.
SYMBOLS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_\allowbreak{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",  # after the end of a row this would be taken for its distance
    "]": "{]}",
    "*": "{*}",
    "\N{NO-BREAK SPACE}": "~",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≈": r"$\approx$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "·": r"$\cdot$",
    "→": r"$\rightarrow$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "∅": r"$\emptyset$",
    "○": r"$\circ$",
    "◐": r"$\oplus$",
    "✕": r"$\times$",
    "…": r"\ldots{}",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "†": r"$\dagger$",
    # Of units.
    "°": r"$^\circ$",
    "²": "$^2$",
    "³": "$^3$",
    "\N{MICRO SIGN}": r"$\mu$",
    "\N{GREEK SMALL LETTER MU}": r"$\mu$",
    "\N{GREEK CAPITAL LETTER OMEGA}": r"$\Omega$",
}
COLUMNS = {"l": "l", "w": r"p{0.28\linewidth}", "r": "r", "c": "c"}


def files(document: Document, folder: str) -> dict[str, str]:
    """Name of a file in `folder` -> what it holds: each table of the document, and all of them to look at."""
    tables = {f"{table.name}.tex": latex(table) for table in document.tables}
    if not tables:
        return {}
    return {
        **{f"{folder}/{name}": text for name, text in tables.items()},
        f"{folder}/preview.tex": _preview(list(tables), document),
    }


def latex(table: Table) -> str:
    r"""A table as LaTeX: a float `tab:NAME`, or a longtable where it is longer than a page.

    The document needs `\usepackage{booktabs}`, `graphicx` for floats (which are shrunk where they are wider
    than the text), and `longtable` for long ones.
    """
    keep = [i for i in range(len(table.head)) if i not in drawn_columns(table)]
    columns = "@{}" + "".join(COLUMNS[table.align[i]] for i in keep) + "@{}"
    head = " & ".join(escape(table.head[i]) for i in keep) + r" \\"
    body, notes = _body(table, keep)
    caption = rf"\caption{{{escape(table.caption)}}}\label{{tab:{table.name}}}"
    is_long = len(body) > MOST_ROWS
    is_wide = table.compact or len(keep) > MOST_COLUMNS
    size, space = ("scriptsize" if is_long else "footnotesize", 3) if is_wide else ("small", 5)
    packages = "booktabs, longtable" if is_long else "booktabs, graphicx"
    lines = [f"% Packages: {packages}.", r"\begingroup" if is_long else r"\begin{table}", r"\centering"]
    lines += [rf"\{size}\setlength{{\tabcolsep}}{{{space}pt}}"]
    if is_long:
        lines += [rf"\begin{{longtable}}{{{columns}}}", rf"{caption}\\", r"\toprule", head, r"\midrule"]
        lines += [r"\endfirsthead", r"\toprule", head, r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot"]
        lines += [*body, r"\end{longtable}"]
    else:
        lines += [caption, r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"]
        lines += [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *body]
        lines += [r"\bottomrule", r"\end{tabular}}"]
    if notes:
        lines += [r"\par\smallskip", r"\begin{minipage}{\linewidth}\footnotesize"]
        lines += [rf"$\dagger$ {note}\par" for note in notes]
        lines += [r"\end{minipage}"]
    lines += [r"\endgroup" if is_long else r"\end{table}"]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """A text of one line that LaTeX shows as it is.

    Letters with accents of Latin scripts stay; of others, which LaTeX's usual fonts lack, stands the number.
    """
    parts = printable(" ".join(text.split())).split("--")  # which LaTeX draws as one dash
    return "-{}-".join("".join(map(_letter, part)) for part in parts)


def _letter(letter: str) -> str:
    if letter in SYMBOLS:
        return SYMBOLS[letter]
    if letter.isascii():
        return letter
    # Latin-1 and Latin Extended-A: a letter and an accent that LaTeX knows how to put together.
    if letter <= "\u017e" and unicodedata.decomposition(letter) and letter.isalpha():
        return letter
    return rf"\texttt{{U+{ord(letter):04X}}}"


def _body(table: Table, keep: Sequence[int]) -> tuple[list[str], list[str]]:
    """Lines of a tabular, and notes that stand below it."""
    lines: list[str] = []
    notes, below = [], ""
    for row in table.rows:
        if row.kind == "note":
            notes.append(below + escape(row.cells[0].text))
        elif row.kind == "group":
            below = f"{escape(row.cells[0].text)}, "
            heading = rf"\textbf{{{escape(row.cells[0].text)}}} {escape(row.cells[0].detail)}".strip()
            lines += [
                *([r"\addlinespace"] if lines else []),
                rf"\multicolumn{{{len(keep)}}}{{@{{}}l}}{{{heading}}} \\",
            ]
        else:
            lines.append(_row(row, table.align, keep))
    return lines, notes


def _row(row: Row, align: str, keep: Sequence[int]) -> str:
    texts, place = [], 0
    for cell in row.cells:
        columns = [i for i in range(place, place + cell.span) if i in keep]
        if columns:
            text = _cell(cell)
            if row.kind == "sub" and place == 0:
                text = rf"\quad {text}"
            if len(columns) > 1:
                text = rf"\multicolumn{{{len(columns)}}}{{{'c' if align[place] == 'r' else 'l'}}}{{{text}}}"
            texts.append(text)
        place += cell.span
    return " & ".join(texts) + r" \\"


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.badge:
        text = f"{escape(cell.sign)} {text}"
    if cell.strong and text:
        text = rf"\textbf{{{text}}}"
    return f"{text} {escape(cell.detail)}".strip()


def _preview(names: Sequence[str], document: Document) -> str:
    """A document of all tables and figures, to see what they look like."""
    lines = [
        "% All tables and figures of the report, to look at: pdflatex preview.tex",
        r"\documentclass{article}",
        r"\usepackage[margin=1.5in]{geometry}",
        r"\usepackage{booktabs,graphicx,longtable}",
        r"\begin{document}",
        *(rf"\input{{{name}}}" + "\n" + r"\clearpage" for name in names),
    ]
    for figure in document.figures:
        lines += [
            r"\begin{figure}\centering",
            rf"\includegraphics{{../figures/{figure.name}.pdf}}",
            rf"\caption{{{escape(figure.caption)}}}\label{{fig:{figure.name}}}",
            r"\end{figure}\clearpage",
        ]
    return "\n".join([*lines, r"\end{document}"]) + "\n"
