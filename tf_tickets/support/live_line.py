"""A line of a notebook that is written anew, as a bar in a terminal is."""

from __future__ import annotations

import html
import sys
import time
from typing import Any

from tf_tickets.support.streams import visible

# Whatever is shown more often only makes a notebook slow.
SECONDS_BETWEEN = 0.3


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook: Jupyter's, Colab's, an editor's."""
    # A kernel has IPython loaded; nobody else needs it.
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and getattr(shell, "kernel", None) is not None


class LiveLine:
    """One output of a cell, which is written anew in its place; no widgets are needed."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown = 0.0

    def show(self, text: str, at_once: bool = False) -> None:
        """Shows a text of a few lines in place of the one before; not more often than the eye can follow.

        Args:
            text: what stands there now.
            at_once: show it in any case, since it stays.
        """
        now = time.monotonic()
        if not at_once and now - self._shown < SECONDS_BETWEEN:
            return
        self._shown = now
        from IPython.display import display

        text = visible(text)
        styled = f"<pre style='white-space:pre-wrap;margin:0'>{html.escape(text)}</pre>"
        data = {"text/plain": text, "text/html": styled}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)
