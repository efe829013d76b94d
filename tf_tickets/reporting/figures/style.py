"""How every figure looks: matplotlib's settings, whatever those of the user are."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from tf_tickets.reporting.palette import INK, MUTED, RULE

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": RULE,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11.5,
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 11,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "pdf.fonttype": 42,  # TrueType, which publishers take and editors can change
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "tf_tickets",
    "text.color": INK,
    "text.parse_math": False,  # names are data, also those with a dollar in them
    "xtick.color": RULE,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 11,
    "ytick.color": RULE,
    "ytick.labelcolor": MUTED,
    "ytick.labelsize": 11,
}
# Of files for papers, whose text is set in ten points.
PAPER: dict[Any, Any] = {
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.titlesize": 8,
    "errorbar.capsize": 0,
    "font.size": 7.5,
    "grid.linewidth": 0.4,
    "legend.columnspacing": 1.4,
    "legend.fontsize": 7.5,
    "legend.handlelength": 1.8,
    "legend.labelspacing": 0.3,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.4,
    "xtick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.labelsize": 7,
    "ytick.major.width": 0.6,
}


@contextlib.contextmanager
def style(paper: bool = False) -> Iterator[None]:
    """Draws with these settings within the context, those of the page or those of files for papers."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's fonts draw the text
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**STYLE, **(PAPER if paper else {})})
        yield
