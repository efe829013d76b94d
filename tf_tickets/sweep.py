"""`python -m tf_tickets.sweep`: a grid of runs, several at a time, shared work once.

Imported, it is the function `tt.sweep`.
"""

import sys

if __name__ == "__main__":
    from tf_tickets.programs.sweep import entry_point

    entry_point()
else:
    from tf_tickets.programs.calls import sweep

    sys.modules[__name__] = sweep  # type: ignore[assignment]
