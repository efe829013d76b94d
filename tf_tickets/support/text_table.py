"""Tables as plain text."""

from collections.abc import Sequence

from tf_tickets.support.streams import visible


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 2) -> str:
    """Plain text in columns; the first `left` of them are aligned to the left."""
    shown = [[visible(cell, kept="") for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in shown) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in shown
    )
