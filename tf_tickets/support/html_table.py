"""Tables for notebooks: what `_repr_html_` of ours returns."""

import html
from collections.abc import Mapping, Sequence

from tf_tickets.support.streams import visible


def html_table(
    head: Sequence[str], rows: Sequence[Sequence[object]], left: int = 2, title: str = "", after: str = ""
) -> str:
    """An HTML table, everything in it escaped; the first `left` columns are aligned to the left.

    Args:
        head: of the columns.
        rows: of cells, taken as text.
        left: number of columns of words.
        title: a line above.
        after: lines below, as plain text.
    """
    sides = ["left" if i < left else "right" for i in range(len(head))]
    lines = [f"<caption style='text-align:left'>{_escaped(title)}</caption>"] if title else []
    lines.append(_row("th", head, sides))
    lines += [_row("td", row, sides) for row in rows]
    below = f"<pre>{_escaped(after)}</pre>" if after else ""
    return f"<table>{''.join(lines)}</table>{below}"


def html_facts(facts: Mapping[str, object]) -> str:
    """An HTML table of names and values, everything in it escaped."""
    rows = (f"<tr><th>{_escaped(name)}</th><td>{_escaped(value)}</td></tr>" for name, value in facts.items())
    return f"<table>{''.join(rows)}</table>"


def _row(tag: str, cells: Sequence[object], sides: Sequence[str]) -> str:
    made = (
        f"<{tag} style='text-align:{side}'>{_escaped(cell)}</{tag}>"
        for cell, side in zip(cells, sides, strict=True)
    )
    return f"<tr>{''.join(made)}</tr>"


def _escaped(value: object) -> str:
    return html.escape(visible(str(value)))
