"""`python -m tf_tickets.run`: one ticket from data to export.

Imported, it is the function `tt.run`.
"""

import sys

if __name__ == "__main__":
    from tf_tickets.programs.run import entry_point

    entry_point()
else:
    from tf_tickets.programs.calls import run

    sys.modules[__name__] = run  # type: ignore[assignment]
